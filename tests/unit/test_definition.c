/* The body of a schedule: each field, its default, its rule, and the message when the rule is broken. */
#include "schedule/definition.h"

#include <string.h>

#include "base/buffer.h"
#include "check.h"

#define NOW INT64_C(1775204100123) /* 2026-04-03T08:15:00.123Z, a Friday */
#define FIRST INT64_C(1775204101000) /* the start in whole seconds, rounded up */
#define DAY INT64_C(86400000)
#define REQUEST "{\"export_headers\":[[\"container_id\",\"ID\"]]}"
#define REQUIRED "\"name\":\"n\",\"rule\":\"FREQ=DAILY\",\"request\":" REQUEST

static struct schedule_definition *parse_text(const char *body, struct error *err)
{
    static const struct webhook_policy policy = {.hosts = "hooks.example.org"};

    return schedule_definition_parse(body, strlen(body), NOW, &policy, err);
}

/* Parses a body with these members after the required ones: of a field given twice, the last counts. */
static struct schedule_definition *parse_with(const char *members, struct error *err)
{
    struct schedule_definition *definition;
    struct buffer body = {0};

    buffer_printf(&body, "{" REQUIRED "%s%s}", *members == '\0' ? "" : ",", members);
    definition = parse_text(body.data, err);
    buffer_free(&body);
    return definition;
}

/* The fields of a definition in its order, to be written in a table. */
struct expected {
    const char *name;
    const char *rule;
    const char *time_zone;
    int64_t start_time;
    bool enabled;
    int keep;
    const char *enterprise_project_id;
    int export_size;
    const char *request;
    const char *notify_url;
};

static void check_text(const char *got, const char *expected)
{
    if (expected == NULL)
        assert_null(got);
    else
        assert_string_equal(got, expected);
}

static void check_equal(const struct schedule_definition *got, const struct expected *expected)
{
    check_text(got->name, expected->name);
    check_text(got->rule, expected->rule);
    check_text(got->time_zone, expected->time_zone);
    assert_int_equal(got->start_time, expected->start_time);
    assert_int_equal(got->enabled, expected->enabled);
    assert_int_equal(got->keep, expected->keep);
    check_text(got->enterprise_project_id, expected->enterprise_project_id);
    assert_int_equal(got->export_size, expected->export_size);
    check_text(got->request, expected->request);
    check_text(got->notify_url, expected->notify_url);
}

#define DEFAULTS {"n", "FREQ=DAILY", "UTC", NOW, true, 10, "0", 100000, REQUEST, NULL}

static const struct accepted_case {
    const char *members;
    struct expected expected;
} accepted_cases[] = {
    {"", DEFAULTS},
    {"\"time_zone\":null,\"start_time\":null,\"enabled\":null,\"keep\":null,\"enterprise_project_id\":null,"
     "\"export_size\":null,\"notify_url\":null", DEFAULTS},
    {"\"name\":\"x y, \xE5\xAE\xB9 \\\"z\\\"\"", {"x y, \xE5\xAE\xB9 \"z\"", "FREQ=DAILY", "UTC", NOW, true, 10, "0",
                                                  100000, REQUEST, NULL}},
    {"\"rule\":\"FREQ=MONTHLY;BYDAY=-1FR;COUNT=3\"", {"n", "FREQ=MONTHLY;BYDAY=-1FR;COUNT=3", "UTC", NOW, true, 10, "0",
                                                      100000, REQUEST, NULL}},
    {"\"time_zone\":\"Europe/Berlin\"", {"n", "FREQ=DAILY", "Europe/Berlin", NOW, true, 10, "0", 100000, REQUEST,
                                         NULL}},
    {"\"start_time\":253402300799000", {"n", "FREQ=DAILY", "UTC", INT64_C(253402300799000), true, 10, "0",
                                       100000, REQUEST, NULL}},
    {"\"start_time\":0", {"n", "FREQ=DAILY", "UTC", 0, true, 10, "0", 100000, REQUEST, NULL}},
    {"\"enabled\":false", {"n", "FREQ=DAILY", "UTC", NOW, false, 10, "0", 100000, REQUEST, NULL}},
    {"\"enabled\":\"false\"", {"n", "FREQ=DAILY", "UTC", NOW, false, 10, "0", 100000, REQUEST, NULL}},
    {"\"enabled\":\"true\"", DEFAULTS},
    {"\"keep\":1", {"n", "FREQ=DAILY", "UTC", NOW, true, 1, "0", 100000, REQUEST, NULL}},
    {"\"keep\":1000", {"n", "FREQ=DAILY", "UTC", NOW, true, 1000, "0", 100000, REQUEST, NULL}},
    {"\"enterprise_project_id\":\"all_granted_eps\"", {"n", "FREQ=DAILY", "UTC", NOW, true, 10, "all_granted_eps",
                                                       100000, REQUEST, NULL}},
    {"\"export_size\":1", {"n", "FREQ=DAILY", "UTC", NOW, true, 10, "0", 1, REQUEST, NULL}},
    {"\"export_size\":99999", {"n", "FREQ=DAILY", "UTC", NOW, true, 10, "0", 99999, REQUEST, NULL}},
    {"\"notify_url\":\"https://hooks.example.org/x\"", {"n", "FREQ=DAILY", "UTC", NOW, true, 10, "0", 100000, REQUEST,
                                                        "https://hooks.example.org/x"}},
    {"\"request\" : { \"create_time\" : { \"last\" : \"P7D\" }, \"export_headers\":[[\"risky\",\"R\"]]}",
     {"n", "FREQ=DAILY", "UTC", NOW, true, 10, "0", 100000,
      "{\"create_time\":{\"last\":\"P7D\"},\"export_headers\":[[\"risky\",\"R\"]]}", NULL}},
    {"\"keep\":7,\"keep\":\"x\",\"keep\":3", {"n", "FREQ=DAILY", "UTC", NOW, true, 3, "0", 100000, REQUEST, NULL}},
    {"\"keep\":7,\"keep\":null", DEFAULTS},
};

static void accepts(const void *row)
{
    const struct accepted_case *c = row;
    struct schedule_definition *definition;
    struct error err;

    definition = parse_with(c->members, &err);
    check_good(definition != NULL, &err);
    check_equal(definition, &c->expected);
    schedule_definition_free(definition);
}

static const struct refused_case {
    const char *members;
    const char *begin; /* of the message: the field, unless the field does not exist */
    const char *fragment;
} refused_cases[] = {
    {"\"name\":null", "name is required: a string of 1 to 64 characters", "got none"},
    {"\"name\":\"\"", "name must be a string of 1 to 64 characters", "got 0 characters"},
    {"\"name\":7", "name must be a string of 1 to 64 characters", "got 7"},
    {"\"name\":[\"n\"]", "name must be a string of 1 to 64 characters", "got an array"},
    {"\"name\":\"a\\nb\"", "name must not contain control characters", "got U+000A"},
    {"\"name\":\"\\u0085\"", "name must not contain control characters", "got U+0085"},
    {"\"rule\":null", "rule is required: a recurrence rule (RFC 5545) of 1 to 512 characters", "got none"},
    {"\"rule\":\"\"", "rule must be a string of 1 to 512 characters", "got 0 characters"},
    {"\"rule\":true", "rule must be a string of 1 to 512 characters", "got true"},
    {"\"rule\":\"DAILY\"", "rule", "DAILY"},
    {"\"rule\":\"FREQ=MINUTELY\"", "rule", "MINUTELY"},
    {"\"rule\":\"FREQ=DAILY;COUNT=10001\"", "rule", "COUNT"},
    {"\"rule\":\"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\"", "rule", "10 years"},
    {"\"rule\":\"FREQ=DAILY\\nX\"", "rule", ""},
    {"\"time_zone\":\"\"", "time_zone must be a string of 1 to 100 characters", "got 0 characters"},
    {"\"time_zone\":1", "time_zone must be a string of 1 to 100 characters", "got 1"},
    {"\"time_zone\":\"Mars/Olympus\"", "time_zone", "Mars/Olympus"},
    {"\"time_zone\":\"../../etc/passwd\"", "time_zone", "../../etc/passwd"},
    {"\"time_zone\":\"+01:00\"", "time_zone", "+01:00"},
    {"\"start_time\":-1", "start_time must be an integer of at least 0", "got -1"},
    {"\"start_time\":1.5", "start_time must be an integer of at least 0", "got a number"},
    {"\"start_time\":\"2026-04-03\"", "start_time must be an integer of at least 0", "got \"2026-04-03\""},
    {"\"start_time\":253402300799001", "start_time must not be after 9999-12-31T23:59:59Z", "got 253402300799001"},
    {"\"start_time\":9223372036854775807",
     "start_time must not be after 9999-12-31T23:59:59Z", "got 9223372036854775807"},
    {"\"enabled\":1", "enabled must be true or false", "got 1"},
    {"\"enabled\":\"yes\"", "enabled must be true or false", "got \"yes\""},
    {"\"keep\":0", "keep must be an integer from 1 to 1000", "got 0"},
    {"\"keep\":1001", "keep must be an integer from 1 to 1000", "got 1001"},
    {"\"keep\":-1", "keep must be an integer from 1 to 1000", "got -1"},
    {"\"keep\":4294967297", "keep must be an integer from 1 to 1000", "got 4294967297"},
    {"\"keep\":\"10\"", "keep must be an integer from 1 to 1000", "got \"10\""},
    {"\"keep\":1.0", "keep must be an integer from 1 to 1000", "got a number"},
    {"\"keep\":true", "keep must be an integer from 1 to 1000", "got true"},
    {"\"enterprise_project_id\":\"\"", "enterprise_project_id must be a string of 1 to 256 characters", "got 0"},
    {"\"enterprise_project_id\":0", "enterprise_project_id must be a string of 1 to 256 characters", "got 0"},
    {"\"export_size\":0", "export_size must be an integer from 1 to 100000", "got 0"},
    {"\"export_size\":100001", "export_size must be an integer from 1 to 100000", "got 100001"},
    {"\"export_size\":\"all\"", "export_size must be an integer from 1 to 100000", "got \"all\""},
    {"\"export_size\":1e3", "export_size must be an integer from 1 to 100000", "got a number"},
    {"\"request\":null", "request is required: an object", "got none"},
    {"\"request\":\"{}\"", "request must be an object", "got \"{}\""},
    {"\"request\":[]", "request must be an object", "got an array"},
    {"\"request\":{}", "request.export_headers is required", "got none"},
    {"\"request\":{\"status\":\"x\",\"export_headers\":[[\"risky\",\"R\"]]}", "request.status must be one of", "\"x\""},
    {"\"request\":{\"create_time\":{\"last\":\"P7D\",\"end_time\":7},\"export_headers\":[[\"risky\",\"R\"]]}",
     "request.create_time must have no other field", "\"end_time\""},
    {"\"request\":{\"create_time\":{\"last\":\"soon\"},\"export_headers\":[[\"risky\",\"R\"]]}",
     "request.create_time.last must", "\"soon\""},
    {"\"notify_url\":\"\"", "notify_url must be a string of 1 to 2048 characters", "got 0"},
    {"\"notify_url\":7", "notify_url must be a string of 1 to 2048 characters", "got 7"},
    {"\"notify_url\":\"http://hooks.example.org/\"", "notify_url", "https"},
    {"\"notify_url\":\"https://example.org/\"", "notify_url", "example.org"},
    {"\"notify_url\":\"hooks\"", "notify_url", ""},
    {"\"Name\":\"x\"", "the body has an unknown field", "\"Name\""},
    {"\"keeps\":null", "the body has an unknown field", "\"keeps\""},
    {"\"schedule_id\":\"x\"", "the body has an unknown field", "\"schedule_id\""},
    {"\"\":1", "the body has an unknown field", "\"\""},
};

static void refuses(const void *row)
{
    const struct refused_case *c = row;
    struct error err;

    assert_null(parse_with(c->members, &err));
    if (strncmp(err.message, c->begin, strlen(c->begin)) != 0)
        check_fail("the message does not begin with %s: %s", c->begin, err.message);
    check_refusal(&err, ERROR_PARAMETER, c->fragment);
}

static const struct length_case {
    const char *field;
    size_t max;
    const char *extra; /* text before the repeated character */
} length_cases[] = {
    {"name", 64, ""},
    {"enterprise_project_id", 256, ""},
    {"notify_url", 2048, "https://hooks.example.org/"},
};

/* Lengths count characters, not bytes. */
static void lengths(const void *row)
{
    const struct length_case *c = row;
    const char *unit = *c->extra == '\0' ? "\xE5\xAE\xB9" : "x";

    for (size_t length = c->max - 1; length <= c->max + 1; length++) {
        struct schedule_definition *definition;
        struct buffer member = {0};
        struct error err;

        buffer_printf(&member, "\"%s\":\"%s", c->field, c->extra);
        for (size_t i = strlen(c->extra); i < length; i++)
            buffer_append_text(&member, unit);
        buffer_append_text(&member, "\"");
        definition = parse_with(buffer_text(&member), &err);
        if (length <= c->max)
            check_good(definition != NULL, &err);
        else
            check_refusal(&err, ERROR_PARAMETER, "characters, got ");
        assert_int_equal(definition != NULL, length <= c->max);
        schedule_definition_free(definition);
        buffer_free(&member);
    }
}

static void a_long_rule_is_refused(void)
{
    struct schedule_definition *definition;
    struct buffer member = {0};
    struct error err;

    /* 512 characters: BYHOUR may repeat a value */
    buffer_append_text(&member, "\"rule\":\"FREQ=DAILY;BYHOUR=00");
    while (member.length < strlen("\"rule\":\"") + 512)
        buffer_append_text(&member, ",00");
    member.length = strlen("\"rule\":\"") + 512;
    member.data[member.length] = '\0';
    buffer_append_text(&member, "\"");
    definition = parse_with(buffer_text(&member), &err);
    if (definition == NULL && strstr(err.message, "512 characters") != NULL)
        check_fail("512 characters were refused: %s", err.message);
    schedule_definition_free(definition);

    member.length--;
    buffer_append_text(&member, "0\"");
    assert_null(parse_with(buffer_text(&member), &err));
    check_refusal(&err, ERROR_PARAMETER, "rule must be a string of 1 to 512 characters, got 513 characters");
    buffer_free(&member);
}

static const struct body_case {
    const char *body;
    enum error_code code;
    const char *fragment;
} body_cases[] = {
    {"", ERROR_BODY, "offset 0"},
    {"{", ERROR_BODY, "offset 1"},
    {"{" REQUIRED "}x", ERROR_BODY, "the body is not valid JSON at offset"},
    {"null", ERROR_PARAMETER, "the body must be a JSON object, got null"},
    {"[]", ERROR_PARAMETER, "the body must be a JSON object, got an array"},
    {"\"FREQ=DAILY\"", ERROR_PARAMETER, "the body must be a JSON object, got \"FREQ=DAILY\""},
    {"{}", ERROR_PARAMETER, "name is required"},
    {"{\"name\":\"n\"}", ERROR_PARAMETER, "rule is required"},
    {"{\"name\":\"n\",\"rule\":\"FREQ=DAILY\"}", ERROR_PARAMETER, "request is required"},
    {"{\"x\":[[[[[[[[]]]]]]]]}", ERROR_PARAMETER, "the body has an unknown field \"x\""},
    {"{\"x\":[[[[[[[[[]]]]]]]]]}", ERROR_BODY, "more than 9 levels"},
};

static void refuses_bodies(const void *row)
{
    const struct body_case *c = row;
    struct error err;

    assert_null(parse_text(c->body, &err));
    check_refusal(&err, c->code, c->fragment);
}

/* `next` is the first occurrence at or after `from`. */
static void finds_the_next_occurrence(void)
{
    struct schedule_definition *definition;
    struct error err;
    int64_t next = -1;

    definition = parse_with("\"rule\":\"FREQ=DAILY;COUNT=3\"", &err);
    check_good(definition != NULL, &err);
    check_good(schedule_definition_next(definition, 0, &next, &err), &err);
    assert_int_equal(next, FIRST);
    check_good(schedule_definition_next(definition, next + 1, &next, &err), &err);
    assert_int_equal(next, FIRST + DAY);
    check_good(schedule_definition_next(definition, next, &next, &err), &err);
    assert_int_equal(next, FIRST + DAY);
    check_good(schedule_definition_next(definition, NOW + 3 * DAY, &next, &err), &err);
    assert_int_equal(next, 0);
    schedule_definition_free(definition);
}

/* A definition from the database may be invalid after an upgrade. */
static void refuses_a_stored_definition(void)
{
    char zone[] = "Mars/Olympus", utc[] = "UTC", daily[] = "FREQ=DAILY", minutely[] = "FREQ=MINUTELY";
    struct schedule_definition definition = {.rule = daily, .time_zone = zone, .start_time = NOW};
    struct error err;
    int64_t next = -1;

    assert_false(schedule_definition_next(&definition, NOW, &next, &err));
    check_refusal(&err, ERROR_PARAMETER, "time_zone");
    definition.time_zone = utc;
    definition.rule = minutely;
    assert_false(schedule_definition_next(&definition, NOW, &next, &err));
    check_refusal(&err, ERROR_PARAMETER, "rule");
    assert_int_equal(next, -1);
}

static void freeing_nothing_is_fine(void)
{
    schedule_definition_free(NULL);
}

int main(void)
{
    CHECK_EACH(accepts, accepted_cases, members);
    CHECK_EACH(refuses, refused_cases, members);
    CHECK_EACH(lengths, length_cases, field);
    CHECK(a_long_rule_is_refused);
    CHECK_EACH(refuses_bodies, body_cases, body);
    CHECK(finds_the_next_occurrence);
    CHECK(refuses_a_stored_definition);
    CHECK(freeing_nothing_is_fine);
    return check_run("schedule/definition");
}
