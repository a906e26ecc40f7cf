/*
 * How api_serve handles a request as far as possible without a database: the order of the checks, the form of every
 * error, and an unreachable PostgreSQL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/token.h"
#include "api/api.h"
#include "cgi.h"
#include "check.h"
#include "db/failure.h"
#include "engine.h"
#include "metrics/counters.h"
#include "scratch.h"

#define TASK "/v5/p1/export-task/01234567-89ab-4cde-8f01-23456789abcd"
#define FILE_PATH "/v5/p1/download/01234567-89ab-4cde-8f01-23456789abcd"
#define CREATE "/v5/p1/container/export-task"
#define LIST "/v5/p1/export-tasks"
#define SCHEDULES "/v5/p1/container/export-schedules"
#define SCHEDULE SCHEDULES "/01234567-89ab-4cde-8f01-23456789abcd"

/* What no response may contain: the place of the database, and the token. */
#define PLACE "/no/such/directory"
#define SECRET "S3CRET"
#define LINK "?expires=4102444800&signature=" SECRET "3456789abcdef0123456789abcdef0123456789abcdef0123456789abc"
#define EARLIER 4711 /* rows that the process has counted before the request */

static char too_long[TOKEN_MAX_LENGTH + 2];

static const struct answer_case {
    const char *uri;
    const char *method;
    const char *token;
    const char *status;
    const char *error_code;
    const char *message;
    const char *allow;
    const char *operation; /* in the log and the counters; NULL: none */
} answer_cases[] = {
    /* route and method are checked before the token */
    {"/", "GET", NULL, "404", "APIGW.0101", "path", NULL, NULL},
    {"", "GET", NULL, "404", "APIGW.0101", "path", NULL, NULL},
    {"*", "OPTIONS", NULL, "404", "APIGW.0101", "path", NULL, NULL},
    {"/v5/p1/export-task/", "GET", SECRET, "404", "APIGW.0101", "path", NULL, NULL},
    {"/v5/p1/nothing?x=%", "GET", NULL, "404", "APIGW.0101", "/v5/p1/nothing", NULL, NULL},
    {CREATE, "GET", NULL, "405", "APIGW.0101", "got \"GET\"", "POST", NULL},
    {CREATE, "PATCH", SECRET, "405", "APIGW.0101", "got \"PATCH\"", "POST", NULL},
    {FILE_PATH, "POST", NULL, "405", "APIGW.0101", "got \"POST\"", "GET, HEAD", NULL},
    {FILE_PATH, "DELETE", SECRET, "405", "APIGW.0101", "got \"DELETE\"", "GET, HEAD", NULL},
    {CREATE, "DELETE", SECRET, "405", "APIGW.0101", "got \"DELETE\"", "POST", NULL},
    {TASK, "POST", NULL, "405", "APIGW.0101", "got \"POST\"", "GET, DELETE", NULL},
    {TASK, "PUT", SECRET, "405", "APIGW.0101", "got \"PUT\"", "GET, DELETE", NULL},
    {LIST, "DELETE", SECRET, "405", "APIGW.0101", "got \"DELETE\"", "GET", NULL},
    {LIST "?limit=0", "POST", NULL, "405", "APIGW.0101", "got \"POST\"", "GET", NULL},
    {SCHEDULES, "PUT", SECRET, "405", "APIGW.0101", "got \"PUT\"", "POST, GET", NULL},
    {SCHEDULE, "POST", NULL, "405", "APIGW.0101", "got \"POST\"", "GET, PUT, DELETE", NULL},
    {SCHEDULE "/run?x", "GET", NULL, "405", "APIGW.0101", "got \"GET\"", "POST", NULL},
    {SCHEDULE "/latest", "PUT", NULL, "405", "APIGW.0101", "got \"PUT\"", "GET, HEAD", NULL},
    {SCHEDULE "/pause", "POST", SECRET, "404", "APIGW.0101", "path", NULL, NULL},
    {LIST "/", "GET", SECRET, "404", "APIGW.0101", "path", NULL, NULL},
    {"/v5/p1/export-task", "DELETE", SECRET, "405", "APIGW.0101", "got \"DELETE\"", "GET", NULL},
    {"/v5/p1/export-task", "GET", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "status"},
    {"/healthz", "POST", NULL, "405", "APIGW.0101", "got \"POST\"", "GET, HEAD", NULL},
    {"/healthz/live", "POST", NULL, "405", "APIGW.0101", "got \"POST\"", "GET, HEAD", NULL},
    {"/healthz/ready", "DELETE", NULL, "405", "APIGW.0101", "got \"DELETE\"", "GET, HEAD", NULL},
    {"/metrics", "POST", NULL, "405", "APIGW.0101", "got \"POST\"", "GET, HEAD", NULL},
    {"/metrics/", "GET", NULL, "404", "APIGW.0101", "path", NULL, NULL},
    /* the token is checked before path and query */
    {CREATE, "POST", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "create"},
    {CREATE, "POST", "", "401", "APIGW.0301", "X-Auth-Token", NULL, "create"},
    {CREATE, "POST", too_long, "401", "APIGW.0301", "X-Auth-Token", NULL, "create"},
    {CREATE "?export_size=0&nonsense=1", "POST", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "create"},
    {"/v5/%FF/container/export-task", "POST", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "create"},
    {TASK, "GET", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "status"},
    {FILE_PATH, "GET", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "download"},
    {TASK, "DELETE", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "remove"},
    {TASK "?force=1", "DELETE", "", "401", "APIGW.0301", "X-Auth-Token", NULL, "remove"},
    {LIST, "GET", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "list"},
    {LIST "?limit=0&offset=-1", "GET", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "list"},
    {SCHEDULES "?x=1", "POST", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "schedule_create"},
    {SCHEDULES "?limit=0", "GET", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "schedule_list"},
    {SCHEDULE, "PUT", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "schedule_replace"},
    {SCHEDULE "/run", "POST", "", "401", "APIGW.0301", "X-Auth-Token", NULL, "schedule_run"},
    /* without a token, a download is refused for its link, if it has one; the other operations take no links */
    {FILE_PATH "?expires=1", "GET", NULL, "403", "HSS.0013", "link", NULL, "download"},
    {FILE_PATH "?signature=" SECRET, "GET", NULL, "403", "HSS.0013", "link", NULL, "download"},
    {FILE_PATH LINK, "GET", NULL, "403", "HSS.0013", "link", NULL, "download"},
    {FILE_PATH LINK "&enterprise_project_id=0", "GET", "", "403", "HSS.0013", "link", NULL, "download"},
    {FILE_PATH LINK "&expires=1", "GET", NULL, "403", "HSS.0013", "link", NULL, "download"},
    {FILE_PATH LINK "&%zz", "GET", NULL, "403", "HSS.0013", "link", NULL, "download"},
    {"/v5/%zz/download/x" LINK, "GET", NULL, "403", "HSS.0013", "link", NULL, "download"},
    {FILE_PATH "?x=1", "GET", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "download"},
    {FILE_PATH LINK, "GET", too_long, "401", "APIGW.0301", "X-Auth-Token", NULL, "download"},
    {TASK LINK, "GET", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "status"},
    {SCHEDULE "/latest" LINK, "GET", NULL, "401", "APIGW.0301", "X-Auth-Token", NULL, "schedule_latest"},
    /* only PostgreSQL knows whose token it is */
    {CREATE, "POST", SECRET, "503", "APIGW.0201", "", NULL, "create"},
    {CREATE "?export_size=0", "POST", SECRET, "503", "APIGW.0201", "", NULL, "create"},
    {TASK, "GET", SECRET, "503", "APIGW.0201", "", NULL, "status"},
    {FILE_PATH, "GET", SECRET, "503", "APIGW.0201", "", NULL, "download"},
    {FILE_PATH LINK, "GET", SECRET, "503", "APIGW.0201", "", NULL, "download"},
    {TASK, "DELETE", SECRET, "503", "APIGW.0201", "", NULL, "remove"},
    {LIST, "GET", SECRET, "503", "APIGW.0201", "", NULL, "list"},
    {LIST "?limit=0", "GET", SECRET, "503", "APIGW.0201", "", NULL, "list"},
    /* health and metrics need no token and take no parameter */
    {"/healthz?x=1", "GET", NULL, "400", "HSS.0001", "\"x\"", NULL, "health"},
    {"/healthz?enterprise_project_id=0", "GET", NULL, "400", "HSS.0001", "\"enterprise_project_id\"", NULL, "health"},
    {"/healthz?%zz", "GET", NULL, "400", "HSS.0001", "\"%zz\"", NULL, "health"},
    {"/healthz/live?verbose", "GET", NULL, "400", "HSS.0001", "\"verbose\"", NULL, "health"},
    {"/healthz/ready?limit=1", "GET", NULL, "400", "HSS.0001", "\"limit\"", NULL, "health"},
    {"/metrics?name[]=x", "GET", NULL, "400", "HSS.0001", "\"name[]\"", NULL, "metrics"},
};

/* The results of a request. */
struct served {
    struct buffer out;
    struct buffer log;
    struct counter *counters;
    size_t counter_count;
    uint64_t unavailable; /* failures to connect to the database */
};

static void forget(struct served *served)
{
    buffer_free(&served->out);
    buffer_free(&served->log);
    free(served->counters);
}

static struct config *read_config(const char *directory)
{
    struct buffer text = {0};
    struct config *config;
    struct error err;
    char *path;

    path = scratch_write("access.key", BYTES("0123456789abcdef 1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"));
    buffer_printf(&text, "[database]\nconninfo = host=" PLACE " dbname=x\n[files]\ndirectory = %s\n"
                         "[access]\nkey_file = %s\n", directory, path);
    free(path);
    path = scratch_write("waybill.conf", text.data, text.length);
    config = config_read(path, &err);
    check_good(config != NULL, &err);
    buffer_free(&text);
    free(path);
    return config;
}

/* Serves a request without a database and, if `files` is false, without a directory for files. */
static void serve_without(const char *method, const char *uri, const char *token, bool files, struct served *ret)
{
    char *directory = scratch_path("files");
    struct engine *engine;
    struct api api;
    struct config *config;
    struct error err;

    *ret = (struct served) {.counters = counters_take(&ret->counter_count)};
    free(ret->counters); /* later counts belong to this request, but for this one, which nothing else adds to */
    counters_add(EARLIER, "waybill_exported_rows_total");
    (void) db_failures_take(ERROR_UNAVAILABLE);
    config = read_config(directory);
    assert_int_equal(mkdir(directory, 0700), 0);
    engine = engine_start(config, ENGINE_WITHOUT_THREADS, &err);
    check_good(engine != NULL, &err);
    api = (struct api) {
        .config = config,
        .access = engine_access(engine),
        .pool = engine_pool(engine),
        .workers = engine_workers(engine),
        .watches = engine_watches(engine),
        .contract = engine_contract(engine),
    };
    if (!files)
        assert_int_equal(rmdir(directory), 0);
    cgi_variable("REQUEST_METHOD", method);
    cgi_variable("REQUEST_URI", uri);
    cgi_variable("HTTP_X_AUTH_TOKEN", token);
    scratch_catch_log();
    cgi_serve(api_serve, &api, BYTES("{}"), &ret->out);
    scratch_read_log(&ret->log);
    scratch_release_log();
    cgi_clear();
    ret->counters = counters_take(&ret->counter_count);
    ret->unavailable = db_failures_take(ERROR_UNAVAILABLE);
    assert_true(engine_stop(engine, 0));
    engine_free(engine);
    if (files)
        assert_int_equal(rmdir(directory), 0); /* it is still empty */
    config_free(config);
    free(directory);
}

static void serve(const char *method, const char *uri, const char *token, struct served *ret)
{
    serve_without(method, uri, token, true, ret);
}

/* Returns how often a counter of this name was counted; -1 if it was not. */
static double counted(const struct served *served, const char *format, ...) PRINTF_LIKE(2, 3);

static double counted(const struct served *served, const char *format, ...)
{
    char name[COUNTERS_NAME_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    for (size_t i = 0; i < served->counter_count; i++) {
        if (strcmp(served->counters[i].name, name) == 0)
            return served->counters[i].amount;
    }
    return -1;
}

/* The request is counted once, under its operation and status, and its duration is observed. */
static void check_counted(const struct served *served, const char *operation, const char *status)
{
    size_t requests = 0;

    for (size_t i = 0; i < served->counter_count; i++)
        requests += strncmp(served->counters[i].name, "waybill_http_requests_total{", 28) == 0;
    assert_int_equal(requests, 1);
    assert_true(counted(served, "waybill_http_requests_total{operation=\"%s\",status=\"%s\"}", operation, status) == 1);
    assert_true(counted(served, "waybill_http_request_duration_seconds_count{operation=\"%s\"}", operation) == 1);
    assert_true(counted(served, "waybill_http_request_duration_seconds_sum{operation=\"%s\"}", operation) >= 0);
    assert_true(counted(served, "waybill_http_request_duration_seconds_bucket{operation=\"%s\",le=\"+Inf\"}", operation)
                == 1);
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

/* The log has one line, after that of a failed sign-in, with the id of the response. */
static void check_logged(const struct served *served, const char *request_id, const char *operation)
{
    const char *log = buffer_text(&served->log);
    char field[64];

    if (strstr(log, " event=\"sign-in failed\" ") != NULL) {
        assert_in_range(strstr(log, request_id) - log, 0, strchr(log, '\n') - log);
        log = strchr(log, '\n') + 1;
    }

    assert_non_null(strstr(log, request_id));
    snprintf(field, sizeof(field), " operation=%s ", operation);
    assert_non_null(strstr(log, field));
    assert_string_equal(strchr(log, '\n'), "\n");
}

static void answers(const void *row)
{
    const struct answer_case *c = row;
    const char *operation = c->operation == NULL ? "none" : c->operation;
    struct json_object *value;
    struct served served;
    size_t length;

    serve(c->method, c->uri, c->token, &served);
    check_header(&served.out, "Status", c->status);
    check_header(&served.out, "Content-Type", "application/json");
    check_header(&served.out, "Allow", c->allow);
    if (strcmp(c->status, "503") != 0)
        check_header(&served.out, "Retry-After", NULL);

    value = json_tokener_parse(cgi_body(&served.out, &length));
    assert_int_equal(json_object_object_length(value), 3);
    assert_string_equal(member(value, "error_code"), c->error_code);
    assert_non_null(strstr(member(value, "error_msg"), c->message));
    check_header(&served.out, "X-Request-Id", member(value, "request_id"));
    check_logged(&served, member(value, "request_id"), operation);
    check_counted(&served, operation, c->status);
    assert_int_equal(served.unavailable, strcmp(c->error_code, "APIGW.0201") == 0 ? 1 : 0);

    assert_null(strstr(buffer_text(&served.out), PLACE));
    assert_null(strstr(buffer_text(&served.out), SECRET));
    assert_null(strstr(buffer_text(&served.log), SECRET));
    json_object_put(value);
    forget(&served);
}

#define HEX64 "704257cc53a59ba18432b39c7ab6266dddac7dfcbdef8d69e96b124f5be7a54e"
#define SIGNED "SDK-HMAC-SHA256 Access=" SECRET ", SignedHeaders=host;x-sdk-date, Signature=" HEX64

static const struct signed_case {
    const char *label;
    const char *uri;
    const char *method;
    const char *authorization;
    const char *length; /* of the body */
    const char *sha256;
    const char *status;
    const char *message;
} signed_cases[] = {
    {"route", "/v5/p1/nothing", "GET", "SDK-", "2000000", NULL, "404", "path"},
    {"algorithm", CREATE, "POST", "SDK-HMAC-SM3 Access=" SECRET, "2000000", NULL, "401", "algorithm"},
    {"missing header", CREATE, "POST", "SDK-HMAC-SHA256 Access=" SECRET ", SignedHeaders=host;x-a, Signature=" HEX64,
     "2000000", NULL, "401", "x-a is missing"},
    {"size", CREATE, "POST", SIGNED, "2000000", NULL, "413", "the body must be at most 1048576 bytes, got 2000000"},
    {"size of a body that is ignored", TASK, "GET", SIGNED, "2000000", NULL, "413", "got 2000000"},
    {"size before query", CREATE "?export_size=0", "POST", SIGNED, "2000000", NULL, "413", "got 2000000"},
    {"length", CREATE, "POST", SIGNED, "3", NULL, "400", "3 bytes, got 2"},
    {"length that is no number", TASK, "DELETE", SIGNED, "x", NULL, "400", "Content-Length"},
    {"hash of the body", CREATE, "POST", SIGNED, "2", HEX64, "401", "X-Sdk-Content-Sha256 must be the SHA-256"},
    {"hash of a body that is ignored", TASK, "GET", SIGNED, "2", HEX64, "401", "must be the SHA-256"},
    {"unsigned body", CREATE, "POST", SIGNED, "2", "UNSIGNED-PAYLOAD", "401", "must cover the body"},
    {"database", CREATE, "POST", SIGNED, "2", NULL, "503", ""},
    {"database before query and type", CREATE "?x=1", "POST", SIGNED, NULL, NULL, "503", ""},
    {"database without a body", TASK, "GET", SIGNED, "", NULL, "503", ""},
    {"database, unsigned body that is ignored", TASK, "GET", SIGNED, "2", "UNSIGNED-PAYLOAD", "503", ""},
};

/* A signature is checked as far as possible before the body is read, and the rest before anything else. */
static void signed_answers(const void *row)
{
    const struct signed_case *c = row;
    time_t now = time(NULL);
    char date[32];
    struct json_object *value;
    struct served served;
    struct tm tm;
    size_t length;

    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &tm);
    cgi_variable("HTTP_HOST", "inventory.example.com");
    cgi_variable("HTTP_X_SDK_DATE", date);
    cgi_variable("HTTP_AUTHORIZATION", c->authorization);
    cgi_variable("HTTP_X_SDK_CONTENT_SHA256", c->sha256);
    cgi_variable("CONTENT_LENGTH", c->length);
    cgi_variable("CONTENT_TYPE", "text/plain");
    serve(c->method, c->uri, NULL, &served);
    check_header(&served.out, "Status", c->status);
    value = json_tokener_parse(cgi_body(&served.out, &length));
    assert_non_null(strstr(member(value, "error_msg"), c->message));
    assert_true(counted(&served, "waybill_failed_signins_total{credentials=\"access_key\"}")
                == (strcmp(c->status, "401") == 0 ? 1 : -1));
    assert_null(strstr(buffer_text(&served.out), SECRET));
    assert_null(strstr(buffer_text(&served.log), SECRET));
    json_object_put(value);
    forget(&served);
}

static const struct ready_case {
    const char *uri;
    bool files;
} ready_cases[] = {
    {"/healthz", true}, {"/healthz/ready", true}, {"/healthz", false}, {"/healthz/ready", false},
};

/* Without a database or a directory the service is live but not ready: the error lists what works and what does not. */
static void not_ready(const void *row)
{
    const struct ready_case *c = row;
    struct json_object *value;
    struct served served;
    size_t length;
    char *seconds;

    serve_without("GET", c->uri, NULL, c->files, &served);
    check_header(&served.out, "Status", "503");
    check_header(&served.out, "Content-Type", "application/json");
    seconds = cgi_header(&served.out, "Retry-After");
    assert_non_null(seconds);
    assert_in_range(strtol(seconds, NULL, 10), 1, 3600);
    value = json_tokener_parse(cgi_body(&served.out, &length));
    assert_string_equal(member(value, "live"), "true");
    assert_string_equal(member(value, "ready"), "false");
    assert_string_equal(member(value, "database"), "unavailable");
    assert_string_equal(member(value, "files"), c->files ? "ok" : "unavailable");
    assert_string_equal(member(value, "error_code"), "APIGW.0201");
    assert_string_not_equal(member(value, "error_msg"), "");
    check_header(&served.out, "X-Request-Id", member(value, "request_id"));
    check_logged(&served, member(value, "request_id"), "health");
    assert_non_null(strstr(buffer_text(&served.log), " error=unavailable "));
    check_counted(&served, "health", "503");
    assert_null(strstr(buffer_text(&served.out), PLACE));
    assert_null(strstr(buffer_text(&served.out), scratch_directory()));
    json_object_put(value);
    free(seconds);
    forget(&served);
}

/* A process that responds is live, whatever is unavailable. */
static void live(void)
{
    static const char body[] = "{\"status\":\"live\",\"live\":true}";
    struct served served;
    size_t length;

    serve_without("GET", "/healthz/live", NULL, false, &served);
    check_header(&served.out, "Status", "200");
    check_header(&served.out, "Content-Type", "application/json");
    check_header(&served.out, "Retry-After", NULL);
    assert_string_equal(cgi_body(&served.out, &length), body);
    check_counted(&served, "health", "200");
    assert_int_equal(served.unavailable, 0); /* it does not try the database */
    forget(&served);
}

/* Everything known without a database. The process keeps what it has counted before. */
static void metrics(void)
{
    struct served served;
    const char *body;
    size_t length;

    serve("GET", "/metrics", NULL, &served);
    check_header(&served.out, "Status", "200");
    check_header(&served.out, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    body = cgi_body(&served.out, &length);
    assert_non_null(strstr(body, "\nwaybill_database_up 0\n"));
    assert_non_null(strstr(body, "\nwaybill_build_info{version=\"" WAYBILL_VERSION "\"} 1\n"));
    assert_null(strstr(body, "waybill_tasks"));
    assert_int_equal(body[length - 1], '\n');
    for (const char *line = body; *line != '\0'; line = strchr(line, '\n') + 1)
        assert_true(strncmp(line, "# HELP waybill_", 15) == 0 || strncmp(line, "# TYPE waybill_", 15) == 0
                    || strncmp(line, "waybill_", 8) == 0);
    check_counted(&served, "metrics", "200");
    assert_true(counted(&served, "waybill_exported_rows_total") == EARLIER);
    assert_int_equal(served.unavailable, 1);
    assert_null(strstr(body, PLACE));
    forget(&served);
}

static const struct head_case {
    const char *uri;
    const char *status;
    const char *type;
} head_cases[] = {
    {"/healthz?x=1", "400", "application/json"},
    {"/healthz", "503", "application/json"},
    {"/healthz/ready", "503", "application/json"},
    {"/healthz/live", "200", "application/json"},
    {"/metrics", "200", "text/plain; version=0.0.4; charset=utf-8"},
};

/* The same headers as for GET, and no body. */
static void head_has_no_body(const void *row)
{
    const struct head_case *c = row;
    struct served served;
    size_t length;

    serve("HEAD", c->uri, NULL, &served);
    check_header(&served.out, "Status", c->status);
    check_header(&served.out, "Content-Type", c->type);
    (void) cgi_body(&served.out, &length);
    assert_int_equal(length, 0);
    forget(&served);
}

int main(void)
{
    memset(too_long, 'T', sizeof(too_long) - 1);
    CHECK_EACH(answers, answer_cases, uri);
    CHECK_EACH(signed_answers, signed_cases, label);
    CHECK_EACH(not_ready, ready_cases, uri);
    CHECK(live);
    CHECK(metrics);
    CHECK_EACH(head_has_no_body, head_cases, uri);
    return check_run("api/dispatch");
}
