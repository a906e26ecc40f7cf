#include "http/request.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cgi.h"
#include "check.h"

#define NAME58 "N123456789012345678901234567890123456789012345678901234567"

/* What a handler reads from a request. */
struct seen {
    enum http_method method;
    char *method_name;
    char id[TEXT_UUID_LENGTH + 1];
    char *path, *query, *prefer, *type, *long_one, *too_long;
    bool started_now;
    bool by_apache;
    bool is_json;
    struct error json_error;
    size_t limit; /* of the body, set by the test; 0: the body is not read */
    bool read;
    struct error read_error;
    bool begins_without_body;
    bool read_again; /* a second call, with a limit of 0 */
    bool is_terminated;
    bool is_freed; /* by http_request_end */
    struct error second_error;
    struct buffer body;
};

static char *copy(const char *text)
{
    return text == NULL ? NULL : memory_copy_text(text);
}

static void look(void *context, struct fastcgi_exchange *exchange)
{
    struct seen *seen = context;
    struct http_request request;

    http_request_begin(&request, exchange);
    seen->method = request.method;
    seen->method_name = copy(request.method_name);
    memcpy(seen->id, request.id, sizeof(seen->id));
    seen->path = copy(request.path);
    seen->query = copy(request.query);
    seen->prefer = copy(http_request_header(&request, "Prefer"));
    seen->type = copy(http_request_header(&request, "Content-Type"));
    seen->long_one = copy(http_request_header(&request, NAME58));
    seen->too_long = copy(http_request_header(&request, NAME58 "x"));
    seen->started_now = request.started <= clock_monotonic_ms() && request.started > clock_monotonic_ms() - 10000;
    seen->by_apache = http_request_is_from_server(&request, "Apache");
    seen->is_json = http_request_is_json(&request, &seen->json_error);
    seen->begins_without_body = request.body.length == 0 && !request.has_body;
    if (seen->limit > 0) {
        seen->read = http_request_read_body(&request, seen->limit, &seen->read_error);
        seen->read_again = http_request_read_body(&request, seen->read ? 0 : seen->limit, &seen->second_error);
        seen->is_terminated = seen->read && request.body.data[request.body.length] == '\0';
        buffer_append(&seen->body, buffer_text(&request.body), request.body.length);
    }
    http_request_end(&request);
    seen->is_freed = request.body.data == NULL;
}

static void serve(struct seen *seen, const char *body, size_t length)
{
    struct buffer out = {0};

    cgi_serve(look, seen, body, length, &out);
    assert_int_equal(out.length, 0);
    buffer_free(&out);
}

static void forget(struct seen *seen)
{
    free(seen->method_name);
    free(seen->path);
    free(seen->query);
    free(seen->prefer);
    free(seen->type);
    free(seen->long_one);
    free(seen->too_long);
    buffer_free(&seen->body);
    cgi_clear();
}

static const struct target_case {
    const char *uri; /* NULL: no REQUEST_URI */
    const char *path, *query;
} target_cases[] = {
    {"/", "/", ""},
    {"/healthz", "/healthz", ""},
    {"/healthz?", "/healthz", ""},
    {"/v5/p/container/export-task?export_size=5&x=y", "/v5/p/container/export-task", "export_size=5&x=y"},
    {"/a?b?c", "/a", "b?c"},
    {"/?a=/b/c", "/", "a=/b/c"},
    {"/%41/%2F%20?x=%3F", "/%41/%2F%20", "x=%3F"},
    {"//a//b/", "//a//b/", ""},
    {"/a/../b", "/a/../b", ""},
    {"http://h.example/v5/p?x=1", "/v5/p", "x=1"},
    {"https://h.example:8443/v5/p", "/v5/p", ""},
    {"HTTP://h/a?http://b/c", "/a", "http://b/c"},
    {"/http://h/a", "/http://h/a", ""},
    {"*", "*", ""},
    {"", "", ""},
    {NULL, "", ""},
};

static void targets(const void *row)
{
    const struct target_case *c = row;
    struct seen seen = {0};

    cgi_variable("REQUEST_URI", c->uri);
    serve(&seen, BYTES(""));
    assert_string_equal(seen.path, c->path);
    assert_string_equal(seen.query, c->query);
    forget(&seen);
}

static const struct method_case {
    const char *name;
    enum http_method method;
} method_cases[] = {
    {"GET", HTTP_GET}, {"HEAD", HTTP_HEAD}, {"POST", HTTP_POST}, {"PUT", HTTP_PUT}, {"DELETE", HTTP_DELETE},
    {"PATCH", HTTP_OTHER}, {"OPTIONS", HTTP_OTHER}, {"get", HTTP_OTHER}, {"GETS", HTTP_OTHER}, {"GE", HTTP_OTHER},
    {"", HTTP_OTHER}, {NULL, HTTP_OTHER},
};

static void methods(const void *row)
{
    const struct method_case *c = row;
    struct seen seen = {0};

    cgi_variable("REQUEST_METHOD", c->name);
    serve(&seen, BYTES(""));
    assert_int_equal(seen.method, c->method);
    assert_string_equal(seen.method_name, c->name == NULL ? "" : c->name);
    forget(&seen);
}

static void ids_are_new_uuids(void)
{
    struct seen first = {0}, second = {0};

    serve(&first, BYTES(""));
    serve(&second, BYTES(""));
    assert_true(text_is_uuid(first.id));
    assert_true(text_is_uuid(second.id));
    assert_string_not_equal(first.id, second.id);
    assert_true(first.started_now);
    forget(&first);
    forget(&second);
}

static void headers(void)
{
    struct seen seen = {0};

    cgi_variable("HTTP_PREFER", "wait=5, respond-async");
    cgi_variable("CONTENT_TYPE", "application/json");
    cgi_variable("HTTP_CONTENT_TYPE", "text/plain"); /* CGI uses another name (RFC 3875) */
    serve(&seen, BYTES(""));
    assert_string_equal(seen.prefer, "wait=5, respond-async");
    assert_string_equal(seen.type, "application/json");
    forget(&seen);

    cgi_variable("HTTP_" NAME58, "long"); /* and not the header whose name begins so */
    serve(&seen, BYTES(""));
    assert_null(seen.prefer);
    assert_null(seen.type);
    assert_string_equal(seen.long_one, "long");
    assert_null(seen.too_long);
    forget(&seen);
}

static const struct server_case {
    const char *software;
    bool by_apache;
} server_cases[] = {
    {"Apache/2.4.62 (Debian)", true}, {"Apache", true}, {"apache/2", true}, {"Apache-Coyote/1.1", false},
    {"lighttpd/1.4.69", false}, {"nginx", false}, {"", false}, {NULL, false},
};

static void web_servers(const void *row)
{
    const struct server_case *c = row;
    struct seen seen = {0};

    cgi_variable("SERVER_SOFTWARE", c->software);
    serve(&seen, BYTES(""));
    assert_int_equal(seen.by_apache, c->by_apache);
    forget(&seen);
}

static const struct type_case {
    const char *type;
    bool good;
} type_cases[] = {
    {NULL, true},
    {"", true},
    {"application/json", true},
    {"Application/JSON", true},
    {"application/json;charset=utf-8", true},
    {"application/json; charset=UTF-8", true},
    {"application/json ; charset=utf-8", true},
    {"application/json; charset=\"utf-8\"", true},
    {"application/json; CHARSET=utf-8", true},
    {"application/json; charset=utf-8; x=y", true},
    {"application/json;", true},
    {"application/json; x=y", true},
    {"text/plain", false},
    {"text/json", false},
    {"application", false},
    {"application/", false},
    {"application/jso", false},
    {"application/jsonp", false},
    {"application/json-seq", false},
    {"application/vnd.api+json", false},
    {"application/xml", false},
    {"application/x-www-form-urlencoded", false},
    {"multipart/form-data; boundary=application/json", false},
    {"application/json, text/plain", false},
    {"application/json; charset=iso-8859-1", false},
    {"application/json; charset=utf-16", false},
    {"application/json; charset=utf-88", false},
    {"application/json; charset=\"utf-16\"", false},
    {"application/json; charset=", false},
};

static void content_types(const void *row)
{
    const struct type_case *c = row;
    struct seen seen = {0};

    cgi_variable("CONTENT_TYPE", c->type);
    serve(&seen, BYTES(""));
    if (c->good) {
        check_good(seen.is_json, &seen.json_error);
    } else {
        char excerpt[TEXT_EXCERPT_SIZE];

        assert_false(seen.is_json);
        check_refusal(&seen.json_error, ERROR_MEDIA_TYPE, "Content-Type must be application/json");
        check_refusal(&seen.json_error, ERROR_MEDIA_TYPE, text_excerpt(excerpt, c->type, strlen(c->type)));
    }
    forget(&seen);
}

static const struct body_case {
    const char *label;
    const char *announced; /* Content-Length; NULL: none */
    size_t sent;
    size_t limit;
    enum error_code code;
    const char *refusal;
} body_cases[] = {
    {"nothing", "0", 0, 100, ERROR_NONE, NULL},
    {"one byte", "1", 1, 100, ERROR_NONE, NULL},
    {"one less than the limit", "99", 99, 100, ERROR_NONE, NULL},
    {"the limit", "100", 100, 100, ERROR_NONE, NULL},
    {"one more than the limit", "101", 101, 100, ERROR_TOO_LARGE, "at most 100 bytes, got 101"},
    {"much more than the limit", "999999999999999999", 5, 100, ERROR_TOO_LARGE,
     "at most 100 bytes, got 999999999999999999"},
    {"the limit, no Content-Length", NULL, 100, 100, ERROR_NONE, NULL},
    {"one more than the limit, no Content-Length", NULL, 101, 100, ERROR_TOO_LARGE, "at most 100 bytes"},
    {"much more than the limit, no Content-Length", NULL, 200000, 100, ERROR_TOO_LARGE, "at most 100 bytes"},
    {"nothing, no Content-Length", NULL, 0, 100, ERROR_NONE, NULL},
    {"an empty Content-Length", "", 7, 100, ERROR_NONE, NULL},
    {"a megabyte", "1048576", 1048576, 1048576, ERROR_NONE, NULL},
    {"a megabyte and a byte", "1048577", 1048577, 1048576, ERROR_TOO_LARGE, "at most 1048576 bytes, got 1048577"},
    {"a megabyte and a byte, no Content-Length", NULL, 1048577, 1048576, ERROR_TOO_LARGE, "at most 1048576 bytes"},
    {"incomplete", "50", 49, 100, ERROR_BODY, "must have the length stated in Content-Length, 50 bytes, got 49"},
    {"empty but announced", "50", 0, 100, ERROR_BODY, "must have the length stated in Content-Length, 50 bytes, got 0"},
    {"a Content-Length of text", "ten", 10, 100, ERROR_BODY, "Content-Length"},
    {"a negative Content-Length", "-1", 1, 100, ERROR_BODY, "Content-Length"},
    {"a list as Content-Length", "1, 1", 1, 100, ERROR_BODY, "Content-Length"},
    {"a Content-Length beyond 64 bits", "18446744073709551617", 1, 100, ERROR_BODY,
     "Content-Length must be a number of at most 18 digits, got \"18446744073709551617\""},
};

static void bodies(const void *row)
{
    const struct body_case *c = row;
    struct seen seen = {.limit = c->limit};
    struct buffer sent = {0};

    for (size_t i = 0; i < c->sent; i++)
        buffer_append(&sent, &"a\0\n\xFF\""[i % 5], 1);
    cgi_variable("CONTENT_LENGTH", c->announced);
    serve(&seen, buffer_text(&sent), sent.length);
    assert_true(seen.begins_without_body);
    assert_true(seen.is_freed);
    if (c->code == ERROR_NONE) {
        check_good(seen.read, &seen.read_error);
        check_good(seen.read_again, &seen.second_error);
        assert_int_equal(seen.body.length, sent.length);
        assert_memory_equal(buffer_text(&seen.body), buffer_text(&sent), sent.length);
        assert_true(seen.is_terminated);
    } else {
        assert_false(seen.read);
        check_refusal(&seen.read_error, c->code, c->refusal);
        assert_false(seen.read_again);
        check_refusal(&seen.second_error, c->code, c->refusal);
    }
    buffer_free(&sent);
    forget(&seen);
}

/* A server may leave standard input open after the body: a CGI program reads no further (RFC 3875 section 4.2). */
static void reads_no_further_than_the_body(void)
{
    struct seen seen = {.limit = 100};
    struct buffer path = {0}, out = {0};
    int ends[2];
    pid_t server;

    assert_int_equal(pipe(ends), 0);
    server = fork();
    if (server == 0) {
        ssize_t ignored = write(ends[1], "body", 4);

        sleep(60);
        _exit(ignored != 4);
    }
    close(ends[1]);
    buffer_printf(&path, "/dev/fd/%d", ends[0]);
    cgi_variable("CONTENT_LENGTH", "4");
    cgi_serve_from(look, &seen, path.data, &out);
    close(ends[0]);
    assert_int_equal(waitpid(server, NULL, WNOHANG), 0); /* it still holds its end of the pipe */
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    check_good(seen.read, &seen.read_error);
    assert_string_equal(buffer_text(&seen.body), "body");
    buffer_free(&path);
    buffer_free(&out);
    forget(&seen);
}

static void what_follows_the_body_is_none_of_it(void)
{
    struct seen seen = {.limit = 100};

    cgi_variable("CONTENT_LENGTH", "4");
    serve(&seen, BYTES("body and more"));
    check_good(seen.read, &seen.read_error);
    assert_string_equal(buffer_text(&seen.body), "body");
    forget(&seen);
}

struct discarded {
    bool read, had_memory, has_memory;
    size_t length;
    struct error error;
};

static void read_and_discard(void *context, struct fastcgi_exchange *exchange)
{
    struct discarded *seen = context;
    struct http_request request;

    http_request_begin(&request, exchange);
    seen->read = http_request_read_body(&request, 100, &seen->error);
    seen->had_memory = request.body.data != NULL;
    http_request_discard_body(&request);
    seen->has_memory = request.body.data != NULL;
    seen->length = request.body.length;
    http_request_end(&request);
}

static void a_discarded_body_holds_no_memory(void)
{
    struct discarded seen = {0};
    struct buffer out = {0};

    cgi_variable("CONTENT_LENGTH", "4");
    cgi_serve(read_and_discard, &seen, BYTES("body"), &out);
    check_good(seen.read, &seen.error);
    assert_true(seen.had_memory);
    assert_false(seen.has_memory);
    assert_int_equal(seen.length, 0);
    buffer_free(&out);
    cgi_clear();
}

int main(void)
{
    CHECK_EACH(targets, target_cases, uri);
    CHECK_EACH(methods, method_cases, name);
    CHECK(ids_are_new_uuids);
    CHECK(headers);
    CHECK_EACH(web_servers, server_cases, software);
    CHECK_EACH(content_types, type_cases, type);
    CHECK_EACH(bodies, body_cases, label);
    CHECK(reads_no_further_than_the_body);
    CHECK(what_follows_the_body_is_none_of_it);
    CHECK(a_discarded_body_holds_no_memory);
    return check_run("http/request");
}
