#include "http/response.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgi.h"
#include "check.h"
#include "scratch.h"

/* A response that a test makes in the handler of a request. */
struct making {
    void (*make)(struct http_response *response, const struct http_request *request, const void *argument);
    const void *argument;
    char id[TEXT_UUID_LENGTH + 1];
    bool sent;
    struct error error; /* of the response, for the log */
};

static void handle(void *context, struct fastcgi_exchange *exchange)
{
    struct making *making = context;
    struct http_request request;
    struct http_response response;

    http_request_begin(&request, exchange);
    http_response_begin(&response);
    making->make(&response, &request, making->argument);
    making->sent = http_response_send(&response, &request);
    making->error = response.error;
    memcpy(making->id, request.id, sizeof(making->id));
    http_response_end(&response);
    http_request_end(&request);
}

/* Answers a request by `making` and puts the response in `out`. */
static void answer(struct making *making, const char *method, struct buffer *out)
{
    cgi_variable("REQUEST_METHOD", method);
    cgi_variable("REQUEST_URI", "/x");
    cgi_serve(handle, making, BYTES(""), out);
    cgi_clear();
}

/* Checks a header line. `value` NULL: the header is absent. */
static void check_header(const struct buffer *out, const char *name, const char *value)
{
    char *got = cgi_header(out, name);

    if (value == NULL) {
        assert_null(got);
    } else {
        if (got == NULL)
            check_fail("no header %s: %s", name, buffer_text(out));
        assert_string_equal(got, value);
    }
    free(got);
}

/* Checks the status, the id and the body, and that Content-Length is the size of the body, sent or not. */
static void check_answer(const struct making *making, const struct buffer *out, const char *status, const char *body,
                         size_t content_length)
{
    size_t length;
    const char *got = cgi_body(out, &length);
    char digits[24];

    snprintf(digits, sizeof(digits), "%zu", content_length);
    check_header(out, "Status", status);
    check_header(out, "X-Request-Id", making->id);
    check_header(out, "Content-Length", digits);
    assert_int_equal(length, strlen(body));
    assert_memory_equal(got, body, length);
}

static void make_json(struct http_response *response, const struct http_request *request, const void *status)
{
    struct json_object *value = json_object_new_object();

    (void) request;
    json_object_object_add(value, "task_id", json_object_new_string("a/\"b\"\n\xC3\xA9"));
    http_response_json(response, *(const int *) status, value);
}

static const char json_body[] = "{\"task_id\":\"a/\\\"b\\\"\\n\xC3\xA9\"}";

static void json(void)
{
    struct making making = {.make = make_json, .argument = &(const int) {200}};
    struct buffer get = {0}, head = {0};

    answer(&making, "GET", &get);
    assert_true(making.sent);
    check_answer(&making, &get, "200", json_body, strlen(json_body));
    check_header(&get, "Content-Type", "application/json");
    check_header(&get, "Retry-After", NULL);
    assert_int_equal(making.error.code, ERROR_NONE);
    buffer_free(&get);

    answer(&making, "HEAD", &head);
    assert_true(making.sent);
    check_answer(&making, &head, "200", "", strlen(json_body));
    check_header(&head, "Content-Type", "application/json");
    buffer_free(&head);
}

static void make_secret(struct http_response *response, const struct http_request *request, const void *is_secret)
{
    make_json(response, request, &(const int) {200});
    response->is_secret = *(const bool *) is_secret;
}

/* No cache stores a response that contains a secret. */
static void secrets(void)
{
    struct making making = {.make = make_secret, .argument = &(const bool) {true}};
    struct buffer secret = {0}, other = {0};

    answer(&making, "GET", &secret);
    check_answer(&making, &secret, "200", json_body, strlen(json_body));
    check_header(&secret, "Cache-Control", "no-store");
    buffer_free(&secret);
    making.argument = &(const bool) {false};
    answer(&making, "GET", &other);
    check_header(&other, "Cache-Control", NULL);
    buffer_free(&other);
}

static const struct code_case {
    const char *name;
    enum error_code code;
} code_cases[] = {
    {"parameter", ERROR_PARAMETER}, {"body", ERROR_BODY}, {"identity", ERROR_IDENTITY},
    {"permission", ERROR_PERMISSION}, {"not_found", ERROR_NOT_FOUND}, {"no_api", ERROR_NO_API},
    {"method", ERROR_METHOD}, {"gone", ERROR_GONE}, {"too_large", ERROR_TOO_LARGE}, {"media_type", ERROR_MEDIA_TYPE},
    {"range", ERROR_RANGE}, {"too_many", ERROR_TOO_MANY}, {"internal", ERROR_INTERNAL}, {"timeout", ERROR_TIMEOUT},
    {"storage", ERROR_STORAGE}, {"cancelled", ERROR_CANCELLED}, {"lease", ERROR_LEASE},
    {"unavailable", ERROR_UNAVAILABLE},
};

static const char message[] = "status must be one of Running, got \"<b>\\x22\xC3\xA9\"";

static void make_error(struct http_response *response, const struct http_request *request, const void *code)
{
    struct error err;

    error_set(&err, *(const enum error_code *) code, "%s", message);
    error_detail(&err, "SECRET");
    http_response_error(response, &err, request);
}

static void check_member(struct json_object *value, const char *name, const char *text)
{
    struct json_object *member = NULL;

    assert_true(json_object_object_get_ex(value, name, &member));
    assert_string_equal(json_object_get_string(member), text);
}

/* {"error_code","error_msg","request_id"} and nothing else: the detail goes to the log only. */
static void errors(const void *row)
{
    const struct code_case *c = row;
    const struct error_info *info = error_info(c->code);
    struct making making = {.make = make_error, .argument = &c->code};
    struct buffer out = {0};
    struct json_object *value;
    char number[16];
    size_t length;

    answer(&making, "GET", &out);
    snprintf(number, sizeof(number), "%d", info->http_status);
    check_header(&out, "Status", number);
    check_header(&out, "X-Request-Id", making.id);
    check_header(&out, "Content-Type", "application/json");
    snprintf(number, sizeof(number), "%d", info->retry_after);
    check_header(&out, "Retry-After", info->http_status == 429 || info->http_status == 503 ? number : NULL);
    value = json_tokener_parse(cgi_body(&out, &length));
    assert_int_equal(json_object_object_length(value), 3);
    check_member(value, "error_code", info->api_code);
    check_member(value, "error_msg", message);
    check_member(value, "request_id", making.id);
    assert_null(strstr(buffer_text(&out), "SECRET"));
    assert_int_equal(making.error.code, c->code);
    assert_string_equal(making.error.detail, "SECRET");
    json_object_put(value);
    buffer_free(&out);
}

static void make_error_to_retry(struct http_response *response, const struct http_request *request, const void *seconds)
{
    struct error err;

    error_set(&err, ERROR_TOO_MANY, "%s", message);
    error_retry_after(&err, *(const int *) seconds);
    http_response_error(response, &err, request);
}

static void error_with_its_own_time_to_retry(void)
{
    const int seconds = 42;
    struct making making = {.make = make_error_to_retry, .argument = &seconds};
    struct buffer out = {0};

    answer(&making, "GET", &out);
    check_header(&out, "Status", "429");
    check_header(&out, "Retry-After", "42");
    buffer_free(&out);
}

static void make_error_with(struct http_response *response, const struct http_request *request, const void *code)
{
    struct json_object *value = json_object_new_object();
    struct error err;

    error_set(&err, *(const enum error_code *) code, "%s", message);
    json_object_object_add(value, "status", json_object_new_string("live"));
    json_object_object_add(value, "live", json_object_new_boolean(true));
    http_response_error_with(response, &err, request, value);
}

/* The value's own members come first, then those of every error. */
static void errors_with_more(const void *row)
{
    const struct code_case *c = row;
    const struct error_info *info = error_info(c->code);
    struct making making = {.make = make_error_with, .argument = &c->code};
    struct buffer out = {0}, expected = {0};
    char status[8], seconds[16];

    answer(&making, "GET", &out);
    buffer_printf(&expected,
                  "{\"status\":\"live\",\"live\":true,\"error_code\":\"%s\",\"error_msg\":"
                  "\"status must be one of Running, got \\\"<b>\\\\x22\xC3\xA9\\\"\",\"request_id\":\"%s\"}",
                  info->api_code, making.id);
    snprintf(status, sizeof(status), "%d", info->http_status);
    check_answer(&making, &out, status, buffer_text(&expected), expected.length);
    check_header(&out, "Content-Type", "application/json");
    snprintf(seconds, sizeof(seconds), "%d", info->retry_after);
    check_header(&out, "Retry-After", info->retry_after > 0 ? seconds : NULL);
    assert_int_equal(making.error.code, c->code);
    assert_string_equal(making.error.message, message);
    buffer_free(&expected);
    buffer_free(&out);
}

static const char plain_text[] = "# HELP a b\n\0caf\xC3\xA9 1\n";

static void make_text(struct http_response *response, const struct http_request *request, const void *status)
{
    struct buffer body = {0};

    (void) request;
    buffer_append(&body, plain_text, sizeof(plain_text) - 1);
    http_response_text(response, *(const int *) status, "text/plain; version=0.0.4; charset=utf-8", &body);
    assert_null(body.data); /* the response owns it now */
    assert_int_equal(body.length, 0);
}

static void text(void)
{
    static const char *const methods[] = {"GET", "HEAD"};

    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        struct making making = {.make = make_text, .argument = &(const int) {i == 0 ? 200 : 503}};
        size_t expected = i == 0 ? sizeof(plain_text) - 1 : 0;
        struct buffer out = {0};
        const char *body;
        size_t length;

        answer(&making, methods[i], &out);
        assert_true(making.sent);
        check_header(&out, "Status", i == 0 ? "200" : "503");
        check_header(&out, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
        check_header(&out, "Content-Length", "20");
        body = cgi_body(&out, &length);
        assert_int_equal(length, expected);
        assert_memory_equal(body, plain_text, expected);
        assert_int_equal(making.error.code, ERROR_NONE);
        buffer_free(&out);
    }
}

static void make_empty_text(struct http_response *response, const struct http_request *request, const void *argument)
{
    struct buffer body = {0};

    (void) request;
    (void) argument;
    http_response_text(response, 200, "text/plain", &body);
}

static void empty_text(void)
{
    struct making making = {.make = make_empty_text};
    struct buffer out = {0};

    answer(&making, "GET", &out);
    assert_true(making.sent);
    check_answer(&making, &out, "200", "", 0);
    buffer_free(&out);
}

/* Of two texts the second one counts. */
static void make_two_texts(struct http_response *response, const struct http_request *request, const void *argument)
{
    make_text(response, request, &(const int) {500});
    buffer_clear(&response->headers);
    make_json(response, request, argument);
}

static void text_replaces_text(void)
{
    struct making making = {.make = make_two_texts, .argument = &(const int) {200}};
    struct buffer out = {0};

    answer(&making, "GET", &out);
    check_answer(&making, &out, "200", json_body, strlen(json_body));
    check_header(&out, "Content-Type", "application/json");
    buffer_free(&out);
}

static void make_no_content(struct http_response *response, const struct http_request *request, const void *argument)
{
    (void) request;
    (void) argument;
    response->status = 204;
}

/* The response to DELETE has no body and no header about one (RFC 9110 section 8.6). */
static void no_content(void)
{
    struct making making = {.make = make_no_content};
    struct buffer out = {0};
    size_t length;

    answer(&making, "DELETE", &out);
    assert_true(making.sent);
    (void) cgi_body(&out, &length);
    assert_int_equal(length, 0);
    check_header(&out, "Status", "204");
    check_header(&out, "X-Request-Id", making.id);
    check_header(&out, "Content-Length", NULL);
    check_header(&out, "Content-Type", NULL);
    buffer_free(&out);
}

static void make_headers(struct http_response *response, const struct http_request *request, const void *argument)
{
    http_response_header(response, "Allow", "%s", "GET, HEAD");
    http_response_header(response, "X-Percent", "%s%d%%", "100%s", 5);
    make_json(response, request, argument);
}

static void headers(void)
{
    struct making making = {.make = make_headers, .argument = &(const int) {405}};
    struct buffer out = {0};

    answer(&making, "POST", &out);
    check_answer(&making, &out, "405", json_body, strlen(json_body));
    check_header(&out, "Allow", "GET, HEAD");
    check_header(&out, "X-Percent", "100%s5%");
    buffer_free(&out);
}

/* A part of a file of 100,000 bytes, which takes more than one write. */
#define FILE_SIZE 100000

struct part {
    const char *label;
    const char *method;
    int status;
    int64_t offset, length;
    const char *offload; /* the web server sends from this directory */
};

static char *file_path;
static int file_descriptor;

static char file_byte(size_t offset)
{
    return (char) ('a' + offset % 23);
}

static void make_file(struct http_response *response, const struct http_request *request, const void *argument)
{
    const struct part *part = argument;

    (void) request;
    file_descriptor = open(file_path, O_RDONLY | O_CLOEXEC);
    http_response_file(response, part->status, file_descriptor, part->offset, part->length);
    http_response_header(response, "Content-Type", "text/csv; charset=utf-8");
    if (part->offload != NULL)
        http_response_offload(response, "X-Sendfile", part->offload, "id-1");
}

static void make_file_of(size_t size)
{
    struct buffer bytes = {0};

    for (size_t i = 0; i < size; i++) {
        char byte = file_byte(i);

        buffer_append(&bytes, &byte, 1);
    }
    file_path = scratch_write("file", buffer_text(&bytes), bytes.length);
    buffer_free(&bytes);
}

static const struct part part_cases[] = {
    {"whole", "GET", 200, 0, FILE_SIZE, NULL},
    {"first byte", "GET", 206, 0, 1, NULL},
    {"last byte", "GET", 206, FILE_SIZE - 1, 1, NULL},
    {"middle", "GET", 206, 33333, 50000, NULL},
    {"nothing", "GET", 200, 0, 0, NULL},
    {"HEAD", "HEAD", 200, 0, FILE_SIZE, NULL},
    {"HEAD of a part", "HEAD", 206, 10, 20, NULL},
};

static void files(const void *row)
{
    const struct part *c = row;
    struct making making = {.make = make_file, .argument = c};
    struct buffer out = {0}, expected = {0};
    char status[8];

    make_file_of(FILE_SIZE);
    answer(&making, c->method, &out);
    assert_true(making.sent);
    for (size_t i = 0; strcmp(c->method, "GET") == 0 && i < (size_t) c->length; i++) {
        char byte = file_byte((size_t) c->offset + i);

        buffer_append(&expected, &byte, 1);
    }
    snprintf(status, sizeof(status), "%d", c->status);
    check_answer(&making, &out, status, buffer_text(&expected), (size_t) c->length);
    check_header(&out, "Content-Type", "text/csv; charset=utf-8");
    assert_int_equal(fcntl(file_descriptor, F_GETFD), -1); /* it is closed */
    buffer_free(&expected);
    buffer_free(&out);
    free(file_path);
}

static void file_that_is_too_short(void)
{
    const struct part part = {.status = 200, .length = FILE_SIZE};
    struct making making = {.make = make_file, .argument = &part};
    struct buffer out = {0};

    make_file_of(FILE_SIZE - 1);
    answer(&making, "GET", &out);
    assert_false(making.sent);
    buffer_free(&out);
    free(file_path);
}

static const struct part bodiless_cases[] = {
    {"304", "GET", 304, 0, FILE_SIZE, NULL},
    {"304 to HEAD", "HEAD", 304, 0, FILE_SIZE, NULL},
    {"204", "GET", 204, 0, FILE_SIZE, NULL},
};

static void no_body(const void *row)
{
    const struct part *c = row;
    struct making making = {.make = make_file, .argument = c};
    struct buffer out = {0};
    char status[8];
    size_t length;

    make_file_of(FILE_SIZE);
    answer(&making, c->method, &out);
    assert_true(making.sent);
    (void) cgi_body(&out, &length);
    assert_int_equal(length, 0);
    snprintf(status, sizeof(status), "%d", c->status);
    check_header(&out, "Status", status);
    check_header(&out, "X-Request-Id", making.id);
    assert_int_equal(fcntl(file_descriptor, F_GETFD), -1);
    buffer_free(&out);
    free(file_path);
}

static const struct part offload_cases[] = {
    {"/var/lib/files/id-1", "GET", 200, 0, FILE_SIZE, "/var/lib/files"},
    {"/waybill-files/id-1", "GET", 200, 0, FILE_SIZE, "/waybill-files/"},
};

/* The web server sends the body and sets its length. */
static void offloads(const void *row)
{
    const struct part *c = row;
    struct making making = {.make = make_file, .argument = c};
    struct buffer out = {0};
    size_t length;

    make_file_of(FILE_SIZE);
    answer(&making, c->method, &out);
    assert_true(making.sent);
    (void) cgi_body(&out, &length);
    assert_int_equal(length, 0);
    check_header(&out, "Status", "200");
    check_header(&out, "X-Sendfile", c->label);
    check_header(&out, "Content-Length", NULL);
    assert_int_equal(fcntl(file_descriptor, F_GETFD), -1);
    buffer_free(&out);
    free(file_path);
}

static void make_text_after_file(struct http_response *response, const struct http_request *request, const void *part)
{
    make_file(response, request, part);
    make_empty_text(response, request, NULL);
}

static void text_replaces_a_file(void)
{
    const struct part part = {.status = 206, .offset = 1, .length = FILE_SIZE};
    struct making making = {.make = make_text_after_file, .argument = &part};
    struct buffer out = {0};

    make_file_of(FILE_SIZE);
    answer(&making, "GET", &out);
    check_answer(&making, &out, "200", "", 0);
    assert_int_equal(fcntl(file_descriptor, F_GETFD), -1);
    buffer_free(&out);
    free(file_path);
}

static void make_error_after_file(struct http_response *response, const struct http_request *request, const void *part)
{
    make_file(response, request, part);
    make_error(response, request, &(const enum error_code) {ERROR_RANGE});
}

static void error_replaces_a_file(void)
{
    const struct part part = {.status = 200, .length = FILE_SIZE};
    struct making making = {.make = make_error_after_file, .argument = &part};
    struct buffer out = {0};
    struct json_object *value;
    size_t length;

    make_file_of(FILE_SIZE);
    answer(&making, "GET", &out);
    check_header(&out, "Status", "416");
    value = json_tokener_parse(cgi_body(&out, &length));
    check_member(value, "error_code", "HSS.0001");
    json_object_put(value);
    assert_int_equal(fcntl(file_descriptor, F_GETFD), -1);
    buffer_free(&out);
    free(file_path);
}

int main(void)
{
    CHECK(json);
    CHECK(secrets);
    CHECK_EACH(errors, code_cases, name);
    CHECK(error_with_its_own_time_to_retry);
    CHECK_EACH(errors_with_more, code_cases, name);
    CHECK(text);
    CHECK(empty_text);
    CHECK(text_replaces_text);
    CHECK(no_content);
    CHECK(headers);
    CHECK_EACH(files, part_cases, label);
    CHECK(file_that_is_too_short);
    CHECK_EACH(no_body, bodiless_cases, label);
    CHECK_EACH(offloads, offload_cases, label);
    CHECK(error_replaces_a_file);
    CHECK(text_replaces_a_file);
    return check_run("http/response");
}
