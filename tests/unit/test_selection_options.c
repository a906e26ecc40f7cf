/* The bodies that --column and --filter build, and the rules that bad values break. */
#include "cli/selection_options.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "inventory/selection.h"

#define MAX_VALUES 4
#define IDS "\"export_headers\":[[\"container_id\",\"container_id\"]]"
#define T32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define T255 T32 T32 T32 T32 T32 T32 T32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct body_case {
    const char *label;
    const char *column_values[MAX_VALUES], *filter_values[MAX_VALUES];
    const char *body;
} body_cases[] = {
    {"a key", {"container_id"}, {NULL}, "{" IDS "}"},
    {"a header", {"container_id=Id"}, {NULL}, "{\"export_headers\":[[\"container_id\",\"Id\"]]}"},
    {"a header with =", {"status=a=b"}, {NULL}, "{\"export_headers\":[[\"status\",\"a=b\"]]}"},
    {"a header in UTF-8", {"status=\xC3\x9C" "ber \"q\" \\"}, {NULL},
     "{\"export_headers\":[[\"status\",\"\xC3\x9C" "ber \\\"q\\\" \\\\\"]]}"},
    {"columns in their order", {"status", "container_id=Id", "risky"}, {NULL},
     "{\"export_headers\":[[\"status\",\"status\"],[\"container_id\",\"Id\"],[\"risky\",\"risky\"]]}"},
    {"a choice", {"container_id"}, {"status=Running"}, "{\"status\":\"Running\"," IDS "}"},
    {"a boolean", {"container_id"}, {"risky=true"}, "{\"risky\":\"true\"," IDS "}"},
    {"a pattern with =", {"container_id"}, {"image_name=*=*"}, "{\"image_name\":\"*=*\"," IDS "}"},
    {"a quantity", {"container_id"}, {"cpu_limit=500m"}, "{\"cpu_limit\":\"500m\"," IDS "}"},
    {"an empty quantity", {"container_id"}, {"cpu_limit="}, "{\"cpu_limit\":\"\"," IDS "}"},
    {"two filters", {"container_id"}, {"risky=false", "cluster_type=cce"},
     "{\"risky\":\"false\",\"cluster_type\":\"cce\"," IDS "}"},
    {"milliseconds", {"container_id"}, {"create_time=1..2"},
     "{\"create_time\":{\"start_time\":1,\"end_time\":2}," IDS "}"},
    {"ISO 8601", {"container_id"}, {"create_time=1970-01-01T00:00:01Z..1970-01-01T00:00:02.003Z"},
     "{\"create_time\":{\"start_time\":1000,\"end_time\":2003}," IDS "}"},
    {"ISO 8601 with offsets", {"container_id"}, {"create_time=1970-01-01T01:00:00+01:00..1970-01-01T00:00:00-01:00"},
     "{\"create_time\":{\"start_time\":0,\"end_time\":3600000}," IDS "}"},
    {"ISO 8601 in UTC", {"container_id"}, {"create_time=1970-01-02..1970-01-02T00:00:01"},
     "{\"create_time\":{\"start_time\":86400000,\"end_time\":86401000}," IDS "}"},
    {"no start", {"container_id"}, {"create_time=..7"}, "{\"create_time\":{\"end_time\":7}," IDS "}"},
    {"no end", {"container_id"}, {"create_time=7.."}, "{\"create_time\":{\"start_time\":7}," IDS "}"},
    {"neither start nor end", {"container_id"}, {"create_time=.."}, "{\"create_time\":{}," IDS "}"},
    {"one instant", {"container_id"}, {"create_time=7..7"},
     "{\"create_time\":{\"start_time\":7,\"end_time\":7}," IDS "}"},
    {"a duration", {"container_id"}, {"create_time=P7D"}, "{\"create_time\":{\"last\":\"P7D\"}," IDS "}"},
};

/* Parses the values. Returns the first rule that one breaks, or NULL. */
static const char *parse_all(struct selection_options *options, const char *const column_values[MAX_VALUES],
                             const char *const filter_values[MAX_VALUES])
{
    const char *rule = NULL;

    for (int i = 0; rule == NULL && i < MAX_VALUES && column_values[i] != NULL; i++)
        rule = selection_options_column(column_values[i], options);
    for (int i = 0; rule == NULL && i < MAX_VALUES && filter_values[i] != NULL; i++)
        rule = selection_options_filter(filter_values[i], options);
    return rule;
}

static void check_body(const struct selection_options *options, const char *expected)
{
    struct json_object *body = selection_options_body(options);

    assert_string_equal(
        json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), expected);
    json_object_put(body);
}

static void builds_body(const void *row)
{
    const struct body_case *c = row;
    struct selection_options options = {.allow_period = true};
    const char *rule = parse_all(&options, c->column_values, c->filter_values);

    if (rule != NULL)
        check_fail("refused: %s", rule);
    assert_true(selection_options_are_given(&options));
    check_body(&options, c->body);
    check_body(&options, c->body);
    selection_options_clear(&options);
    assert_false(selection_options_are_given(&options));
}

/* Without --column, the body has all columns in the order of the table. */
static void default_columns(const char *const filter_values[MAX_VALUES], size_t filter_count)
{
    static const char *const none[MAX_VALUES] = {NULL};
    struct selection_options options = {0};
    struct json_object *body;
    struct selection *selection;
    const char *text;
    struct error err;
    size_t set = 0;

    assert_null(parse_all(&options, none, filter_values));
    assert_int_equal(selection_options_are_given(&options), filter_count > 0);
    body = selection_options_body(&options);
    text = json_object_to_json_string(body);
    selection = selection_parse(text, strlen(text), &err);
    check_good(selection != NULL, &err);
    assert_int_equal(selection->header_count, COLUMN_COUNT);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        assert_ptr_equal(selection->headers[i].column, &columns[i]);
        assert_string_equal(selection->headers[i].name, columns[i].key);
    }
    for (size_t i = 0; i < FILTER_COUNT; i++)
        set += selection->filters[i].is_set;
    assert_int_equal(set, filter_count);
    selection_free(selection);
    json_object_put(body);
    selection_options_clear(&options);
}

static void all_columns_are_the_default(void)
{
    default_columns((const char *const[MAX_VALUES]) {NULL}, 0);
    default_columns((const char *const[MAX_VALUES]) {"risky=true", "create_time=1..", NULL}, 2);
}

static const struct bad_case {
    const char *label;
    const char *column_values[MAX_VALUES], *filter_values[MAX_VALUES];
    const char *rule; /* its beginning */
} bad_cases[] = {
    {"unknown column", {"nothing"}, {NULL}, "KEY must be one of container_id, container_name, image_name,"},
    {"empty column", {""}, {NULL}, "KEY must be one of container_id, "},
    {"header without a column", {"=Id"}, {NULL}, "KEY must be one of container_id, "},
    {"column in upper case", {"Status"}, {NULL}, "KEY must be one of container_id, "},
    {"repeated column", {"status", "risky", "status=x"}, {NULL}, "KEY must not repeat a key"},
    {"empty header", {"status="}, {NULL}, "HEADER must be a string of 1 to 255 characters"},
    {"long header", {"status=x" T255}, {NULL}, "HEADER must be a string of 1 to 255 characters"},
    {"header with a tab", {"status", "risky=a\tb"}, {NULL}, "HEADER must not contain control characters"},
    {"header not in UTF-8", {"status=\xFF"}, {NULL}, "must be valid UTF-8"},
    {"unknown filter", {NULL}, {"nothing=1"}, "must be KEY=VALUE, and KEY one of cluster_container, cluster_type, "},
    {"filter without a value", {NULL}, {"risky"}, "must be KEY=VALUE, and KEY one of cluster_container, "},
    {"value without a filter", {NULL}, {"=true"}, "must be KEY=VALUE, and KEY one of cluster_container, "},
    {"column that is no filter", {NULL}, {"container_id=x"}, "must be KEY=VALUE, and KEY one of cluster_container, "},
    {"empty filter", {NULL}, {""}, "must be KEY=VALUE, and KEY one of cluster_container, "},
    {"repeated filter", {NULL}, {"risky=true", "risky=true"}, "must not repeat a KEY"},
    {"filter not in UTF-8", {NULL}, {"pod_name=\xC3"}, "must be valid UTF-8"},
    {"no boolean", {NULL}, {"risky=yes"}, "risky must be true or false"},
    {"no choice", {NULL}, {"status=running"}, "status must be one of Running, Waiting, "},
    {"no choice, with a comma", {NULL}, {"status=x, got y"}, "status must be one of Running, Waiting, "},
    {"empty name", {NULL}, {"pod_name="}, "pod_name must be a string of 1 to 512 characters"},
    {"long quantity", {NULL}, {"cpu_limit=" T32 T32 "x"}, "cpu_limit must be a string of 0 to 64 characters"},
    {"one time", {NULL}, {"create_time=1"}, "create_time must be START..END, each in ISO 8601, in milliseconds since"},
    {"no time", {NULL}, {"create_time="}, "create_time must be START..END, each in ISO 8601, "},
    {"bad start", {NULL}, {"create_time=soon..2"}, "create_time must be START..END, each in ISO 8601, "},
    {"bad end", {NULL}, {"create_time=1..later"}, "create_time must be START..END, each in ISO 8601, "},
    {"negative start", {NULL}, {"create_time=-1..2"}, "create_time must be START..END, each in ISO 8601, "},
    {"three times", {NULL}, {"create_time=1..2..3"}, "create_time must be START..END, each in ISO 8601, "},
    {"end before the start", {NULL}, {"create_time=2..1"}, "create_time.start_time must not be after end_time"},
    {"bad duration", {NULL}, {"create_time=P7"}, "create_time must be START..END, each in ISO 8601, "},
    {"range of durations", {NULL}, {"create_time=P7D..P1D"}, "create_time must be START..END, each in ISO 8601, "},
};

static void refuses_value(const void *row)
{
    const struct bad_case *c = row;
    struct selection_options options = {.allow_period = true};
    const char *rule = parse_all(&options, c->column_values, c->filter_values);

    assert_non_null(rule);
    if (strncmp(rule, c->rule, strlen(c->rule)) != 0)
        check_fail("another rule: %s", rule);
    assert_null(strstr(rule, ", got "));
    selection_options_clear(&options);
}

/* A duration needs an occurrence. Only a schedule has one. */
static void durations_need_a_schedule(void)
{
    struct selection_options with = {.allow_period = true}, without = {0};

    assert_string_equal(selection_options_filter("create_time=P7D", &without),
                        "create_time must be START..END, each in ISO 8601, in milliseconds since 1970 or empty");
    assert_string_equal(selection_options_filter("create_time=x", &with),
                        "create_time must be START..END, each in ISO 8601, in milliseconds since 1970 or empty, or a"
                        " duration such as P7D");
    selection_options_clear(&with);
    selection_options_clear(&without);
}

/* The last of all columns is validated like the others. */
static void a_column_beyond_all(void)
{
    struct selection_options options = {0};

    for (size_t i = 0; i < COLUMN_COUNT; i++)
        assert_null(selection_options_column(columns[i].key, &options));
    assert_string_equal(selection_options_column("status=again", &options),
                        "must have 1 to 16 pairs [key, header name]");
    selection_options_clear(&options);
}

int main(void)
{
    CHECK_EACH(builds_body, body_cases, label);
    CHECK(all_columns_are_the_default);
    CHECK_EACH(refuses_value, bad_cases, label);
    CHECK(durations_need_a_schedule);
    CHECK(a_column_beyond_all);
    return check_run("cli/selection_options");
}
