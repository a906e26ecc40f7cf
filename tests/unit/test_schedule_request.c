/* The request of a schedule: the body of a task at an occurrence. */
#include "schedule/request.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "check.h"

#define HEADERS "\"export_headers\":[[\"container_id\",\"ID\"]]"
#define OCCURRENCE INT64_C(1775204100123) /* 2026-04-03T08:15:00.123Z */
#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

static char *body_at(const char *request, const char *zone_name, int64_t occurrence, struct error *err)
{
    struct time_zone *zone = time_zone_open(zone_name, err);
    char *body;

    check_good(zone != NULL, err);
    body = schedule_request_body(request, zone, occurrence, err);
    time_zone_close(zone);
    return body;
}

/* Requests without a relative create_time are the bodies of their tasks. */
static const struct plain_case {
    const char *request;
    const char *body; /* NULL: the same */
} plain_cases[] = {
    {"{" HEADERS "}", NULL},
    {"{\"status\":\"Running\"," HEADERS "}", NULL},
    {" { \"risky\" : \"true\" ,\n" HEADERS " } ", "{\"risky\":\"true\"," HEADERS "}"},
    {"{\"create_time\":null," HEADERS "}", NULL},
    {"{\"create_time\":{}," HEADERS "}", NULL},
    {"{\"create_time\":{\"last\":null}," HEADERS "}", "{\"create_time\":{}," HEADERS "}"},
    {"{\"create_time\":{\"last\":null,\"end_time\":7}," HEADERS "}", "{\"create_time\":{\"end_time\":7}," HEADERS "}"},
    {"{\"create_time\":{\"start_time\":1}," HEADERS "}", NULL},
    {"{\"create_time\":{\"start_time\":1,\"end_time\":2}," HEADERS "}", NULL},
    {"{\"pod_name\":\"P7D\"," HEADERS "}", NULL},
};

static void plain(const void *row)
{
    const struct plain_case *c = row;
    struct error err;
    char *body = body_at(c->request, "UTC", OCCURRENCE, &err);

    check_good(body != NULL, &err);
    assert_string_equal(body, c->body == NULL ? c->request : c->body);
    free(body);
}

static const struct last_case {
    const char *label;
    const char *duration;
    const char *zone;
    int64_t occurrence;
    int64_t start;
} last_cases[] = {
    {"a week", "P7D", "UTC", OCCURRENCE, OCCURRENCE - 7 * DAY},
    {"in weeks", "P1W", "UTC", OCCURRENCE, OCCURRENCE - 7 * DAY},
    {"a month", "P1M", "UTC", OCCURRENCE, OCCURRENCE - 31 * DAY},
    {"hours", "PT36H", "UTC", OCCURRENCE, OCCURRENCE - 36 * HOUR},
    {"minutes", "PT90M", "UTC", OCCURRENCE, OCCURRENCE - 90 * 60000},
    {"local days across a spring change", "P7D", "Europe/Berlin", OCCURRENCE, OCCURRENCE - 7 * DAY + HOUR},
    {"hours across a spring change", "PT168H", "Europe/Berlin", OCCURRENCE, OCCURRENCE - 7 * DAY},
    {"back to 1970", "P7D", "UTC", 7 * DAY, 0},
    {"back before 1970", "P7D", "UTC", 3 * DAY, 0},
    {"back before 1970 from its start", "P1Y", "UTC", 0, 0},
};

/* The range ends at the occurrence. It does not begin before 1970, because no container can. */
static void last(const void *row)
{
    const struct last_case *c = row;
    struct buffer request = {0}, expected = {0};
    struct error err;
    char *body;

    buffer_printf(&request, "{\"create_time\":{\"last\":\"%s\"}," HEADERS "}", c->duration);
    buffer_printf(&expected, "{\"create_time\":{\"start_time\":%" PRId64 ",\"end_time\":%" PRId64 "}," HEADERS "}",
                  c->start, c->occurrence);
    body = body_at(buffer_text(&request), c->zone, c->occurrence, &err);
    check_good(body != NULL, &err);
    assert_string_equal(body, buffer_text(&expected));
    free(body);
    buffer_free(&request);
    buffer_free(&expected);
}

static void null_beside_last_is_absent(void)
{
    struct error err;
    char *body = body_at("{\"create_time\":{\"start_time\":null,\"last\":\"PT1H\",\"end_time\":null}," HEADERS "}",
                         "UTC", HOUR, &err);

    check_good(body != NULL, &err);
    assert_string_equal(body, "{\"create_time\":{\"start_time\":0,\"end_time\":3600000}," HEADERS "}");
    free(body);
}

static const struct refused_case {
    const char *request;
    const char *begin; /* of the message */
    const char *fragment;
} refused_cases[] = {
    {"{}", "request.export_headers is required", "got none"},
    {"{\"export_headers\":null}", "request.export_headers must be an array", "got null"},
    {"{\"export_headers\":[[\"x\",\"X\"]]}", "request.export_headers[0][0] must be one of", "got \"x\""},
    {"{\"status\":\"running\"," HEADERS "}", "request.status must be one of Running", "got \"running\""},
    {"{\"risky\":1," HEADERS "}", "request.risky must be true or false", "got 1"},
    {"{\"pod_name\":\"\"," HEADERS "}", "request.pod_name must be a string of 1 to 512 characters", "got 0"},
    {"{\"Status\":\"Running\"," HEADERS "}", "request has an unknown field", "\"Status\""},
    {"{\"create_time\":7," HEADERS "}", "request.create_time must be an object", "got 7"},
    {"{\"create_time\":\"P7D\"," HEADERS "}", "request.create_time must be an object", "got \"P7D\""},
    {"{\"create_time\":[\"last\"]," HEADERS "}", "request.create_time must be an object", "got an array"},
    {"{\"create_time\":{\"Last\":\"P7D\"}," HEADERS "}", "request.create_time may contain only", "\"Last\""},
    {"{\"create_time\":{\"start_time\":-1}," HEADERS "}",
     "request.create_time.start_time must be an integer", "got -1"},
    {"{\"create_time\":{\"start_time\":2,\"end_time\":1}," HEADERS "}",
     "request.create_time.start_time must not be after end_time", "got 2 and 1"},
    {"{\"create_time\":{\"last\":\"P7D\",\"start_time\":1}," HEADERS "}",
     "request.create_time must have no other field beside last", "got \"start_time\""},
    {"{\"create_time\":{\"end_time\":1,\"last\":\"P7D\"}," HEADERS "}",
     "request.create_time must have no other field beside last", "got \"end_time\""},
    {"{\"create_time\":{\"last\":\"P7D\",\"x\":null}," HEADERS "}",
     "request.create_time must have no other field beside last", "got \"x\""},
    {"{\"create_time\":{\"last\":null,\"x\":1}," HEADERS "}", "request.create_time may contain only", "\"x\""},
    {"{\"create_time\":{\"last\":7}," HEADERS "}",
     "request.create_time.last must be a string of 1 to 64 characters", "got 7"},
    {"{\"create_time\":{\"last\":\"\"}," HEADERS "}",
     "request.create_time.last must be a string of 1 to 64 characters", "got 0"},
    {"{\"create_time\":{\"last\":{}}," HEADERS "}",
     "request.create_time.last must be a string of 1 to 64 characters", "got an object"},
    {"{\"create_time\":{\"last\":\"7 days\"}," HEADERS "}", "request.create_time.last must ", "\"7 days\""},
    {"{\"create_time\":{\"last\":\"P\"}," HEADERS "}", "request.create_time.last must ", "\"P\""},
    {"{\"create_time\":{\"last\":\"P7D\"}}", "request.export_headers is required", "got none"},
};

static void refuses(const void *row)
{
    const struct refused_case *c = row;
    struct error err;

    assert_null(body_at(c->request, "UTC", OCCURRENCE, &err));
    if (strncmp(err.message, c->begin, strlen(c->begin)) != 0)
        check_fail("the message does not begin with %s: %s", c->begin, err.message);
    check_refusal(&err, ERROR_PARAMETER, c->fragment);
}

/* A request from the database that is no JSON any more is refused too. */
static void refuses_what_is_no_object(void)
{
    static const char *const requests[] = {"", "{", "[]x"};
    struct error err;

    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        assert_null(body_at(requests[i], "UTC", OCCURRENCE, &err));
        check_refusal(&err, ERROR_BODY, "request is not valid JSON");
    }
    assert_null(body_at("[]", "UTC", OCCURRENCE, &err));
    check_refusal(&err, ERROR_PARAMETER, "request must be a JSON object, got an array");
    assert_null(body_at("null", "UTC", OCCURRENCE, &err));
    check_refusal(&err, ERROR_PARAMETER, "request must be a JSON object, got null");
}

/* The prefix does not push the end of a long message out of the buffer's bounds. */
static void a_long_message_is_cut(void)
{
    struct buffer request = {0};
    struct error err;

    buffer_append_text(&request, "{\"");
    for (size_t i = 0; i < 2000; i++)
        buffer_append_text(&request, "x");
    buffer_append_text(&request, "\":1}");
    assert_null(body_at(buffer_text(&request), "UTC", OCCURRENCE, &err));
    check_refusal(&err, ERROR_PARAMETER, "request has an unknown field \"xxx");
    buffer_free(&request);
}

int main(void)
{
    CHECK_EACH(plain, plain_cases, request);
    CHECK_EACH(last, last_cases, label);
    CHECK(null_beside_last_is_absent);
    CHECK_EACH(refuses, refused_cases, request);
    CHECK(refuses_what_is_no_object);
    CHECK(a_long_message_is_cut);
    return check_run("schedule/request");
}
