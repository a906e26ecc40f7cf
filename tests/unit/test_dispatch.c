/*
 * The way of a request through api_serve as far as it goes without a database: the order of the checks, the form of
 * every error, and a PostgreSQL that is away.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/token.h"
#include "api/api.h"
#include "base/memory.h"
#include "cgi.h"
#include "check.h"
#include "scratch.h"

#define TASK "/v5/p1/export-task/01234567-89ab-4cde-8f01-23456789abcd"
#define FILE_PATH "/v5/p1/download/01234567-89ab-4cde-8f01-23456789abcd"
#define CREATE "/v5/p1/container/export-task"

/* What no answer may have: where the database is, and the token. */
#define PLACE "/no/such/directory"
#define SECRET "S3CRET"

static char too_long[TOKEN_MAX_LENGTH + 2];

static const struct answer_case {
    const char *uri;
    const char *method;
    const char *token;
    const char *status;
    const char *error_code;
    const char *message;
    const char *allow;
} answer_cases[] = {
    /* route and method come before the token */
    {"/", "GET", NULL, "404", "APIGW.0101", "path", NULL},
    {"", "GET", NULL, "404", "APIGW.0101", "path", NULL},
    {"*", "OPTIONS", NULL, "404", "APIGW.0101", "path", NULL},
    {"/v5/p1/export-task/", "GET", SECRET, "404", "APIGW.0101", "path", NULL},
    {"/v5/p1/nothing?x=%", "GET", NULL, "404", "APIGW.0101", "/v5/p1/nothing", NULL},
    {CREATE, "GET", NULL, "405", "APIGW.0101", "got \"GET\"", "POST"},
    {CREATE, "PATCH", SECRET, "405", "APIGW.0101", "got \"PATCH\"", "POST"},
    {FILE_PATH, "POST", NULL, "405", "APIGW.0101", "got \"POST\"", "GET, HEAD"},
    {"/healthz", "POST", NULL, "405", "APIGW.0101", "got \"POST\"", "GET, HEAD"},
    /* the token comes before path and query */
    {CREATE, "POST", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL},
    {CREATE, "POST", "", "401", "APIGW.0301", "X-Auth-Token", NULL},
    {CREATE, "POST", too_long, "401", "APIGW.0301", "X-Auth-Token", NULL},
    {CREATE "?export_size=0&nonsense=1", "POST", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL},
    {"/v5/%FF/container/export-task", "POST", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL},
    {TASK, "GET", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL},
    {FILE_PATH, "GET", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL},
    /* whose token it is, PostgreSQL would know */
    {CREATE, "POST", SECRET, "503", "APIGW.0201", "", NULL},
    {CREATE "?export_size=0", "POST", SECRET, "503", "APIGW.0201", "", NULL},
    {TASK, "GET", SECRET, "503", "APIGW.0201", "", NULL},
    {FILE_PATH, "GET", SECRET, "503", "APIGW.0201", "", NULL},
    /* health needs no token, and takes no parameter */
    {"/healthz", "GET", NULL, "503", "APIGW.0201", "", NULL},
    {"/healthz?x=1", "GET", NULL, "400", "HSS.0001", "\"x\"", NULL},
    {"/healthz?enterprise_project_id=0", "GET", NULL, "400", "HSS.0001", "\"enterprise_project_id\"", NULL},
    {"/healthz?%zz", "GET", NULL, "400", "HSS.0001", "\"%zz\"", NULL},
};

/* Serves a request with a database that can't be reached; what is logged goes to `log`. */
static void serve(const char *method, const char *uri, const char *token, struct buffer *out, struct buffer *log)
{
    const struct db_settings settings = {
        .conninfo = "host=" PLACE " dbname=x",
        .application_name = "test",
        .time_zone = "UTC",
        .connect_timeout_ms = 1000,
        .query_timeout_ms = 1000,
    };
    const struct config config = {.directory = memory_copy_text(scratch_directory())};
    struct api api = {.config = &config, .pool = db_pool_new(&settings, 1)};
    char *path = scratch_write("log", BYTES(""));
    int file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    int saved = dup(STDERR_FILENO);

    cgi_variable("REQUEST_METHOD", method);
    cgi_variable("REQUEST_URI", uri);
    cgi_variable("HTTP_X_AUTH_TOKEN", token);
    dup2(file, STDERR_FILENO);
    cgi_serve(api_serve, &api, BYTES("{}"), out);
    dup2(saved, STDERR_FILENO);
    cgi_clear();
    scratch_read(path, log);
    close(saved);
    close(file);
    db_pool_free(api.pool);
    free(config.directory);
    free(path);
}

static const char *member(struct json_object *value, const char *name)
{
    struct json_object *text = NULL;

    assert_true(json_object_object_get_ex(value, name, &text));
    return json_object_get_string(text);
}

static void check_header(const struct buffer *out, const char *name, const char *value)
{
    char *got = cgi_header(out, name);

    if (value == NULL && got != NULL)
        check_fail("a header %s: %s", name, got);
    if (value != NULL && (got == NULL || strcmp(got, value) != 0))
        check_fail("the header %s is %s, not %s", name, got == NULL ? "missing" : got, value);
    free(got);
}

static void answers(const void *row)
{
    const struct answer_case *c = row;
    struct buffer out = {0}, log = {0};
    struct json_object *value;
    size_t length;

    serve(c->method, c->uri, c->token, &out, &log);
    check_header(&out, "Status", c->status);
    check_header(&out, "Content-Type", "application/json");
    check_header(&out, "Allow", c->allow);
    if (strcmp(c->status, "503") != 0)
        check_header(&out, "Retry-After", NULL);

    value = json_tokener_parse(cgi_body(&out, &length));
    assert_int_equal(json_object_object_length(value), 3);
    assert_string_equal(member(value, "error_code"), c->error_code);
    assert_non_null(strstr(member(value, "error_msg"), c->message));
    check_header(&out, "X-Request-Id", member(value, "request_id"));
    assert_non_null(strstr(buffer_text(&log), member(value, "request_id")));
    assert_ptr_equal(strchr(buffer_text(&log), '\n'), buffer_text(&log) + log.length - 1); /* one line */

    assert_null(strstr(buffer_text(&out), PLACE));
    assert_null(strstr(buffer_text(&out), SECRET));
    assert_null(strstr(buffer_text(&log), SECRET));
    json_object_put(value);
    buffer_free(&out);
    buffer_free(&log);
}

/* The same headers as for GET, and no body. */
static void head_has_no_body(void)
{
    struct buffer out = {0}, log = {0};
    size_t length;

    serve("HEAD", "/healthz?x=1", NULL, &out, &log);
    check_header(&out, "Status", "400");
    check_header(&out, "Content-Type", "application/json");
    (void) cgi_body(&out, &length);
    assert_int_equal(length, 0);
    buffer_free(&out);
    buffer_free(&log);
}

static void retry_after_says_when(void)
{
    struct buffer out = {0}, log = {0};
    char *seconds;

    serve("GET", "/healthz", NULL, &out, &log);
    seconds = cgi_header(&out, "Retry-After");
    assert_non_null(seconds);
    assert_in_range(strtol(seconds, NULL, 10), 1, 3600);
    free(seconds);
    buffer_free(&out);
    buffer_free(&log);
}

int main(void)
{
    memset(too_long, 'T', sizeof(too_long) - 1);
    CHECK_EACH(answers, answer_cases, uri);
    CHECK(head_has_no_body);
    CHECK(retry_after_says_when);
    return check_run("api/dispatch");
}
