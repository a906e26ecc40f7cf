/* export_headers, and errors of a body as a whole. test_selection.c tests the filters. */
#include <string.h>

#include "base/buffer.h"
#include "check.h"
#include "inventory/selection.h"

#define ID "[\"container_id\",\"ID\"]"

static struct selection *parse_text(const char *body, struct error *err)
{
    return selection_parse(body, strlen(body), err);
}

static struct selection *parse_headers(const char *headers, struct error *err)
{
    struct selection *selection;
    struct buffer body = {0};

    buffer_printf(&body, "{\"export_headers\":%s}", headers);
    selection = parse_text(body.data, err);
    buffer_free(&body);
    return selection;
}

static const struct refused_case {
    const char *json;
    const char *fragments[3];
} refused_headers[] = {
    {"null", {"export_headers must be an array", "got null"}},
    {"true", {"export_headers must be an array", "got true"}},
    {"7", {"export_headers must be an array", "got 7"}},
    {"\"container_id\"", {"export_headers must be an array", "got \"container_id\""}},
    {"{\"container_id\":\"ID\"}", {"export_headers must be an array", "got an object"}},
    {"[]", {"export_headers must have 1 to 16", "got 0"}},
    {"[null]", {"export_headers[0] must be an array", "got null"}},
    {"[\"container_id\"]", {"export_headers[0] must be an array", "got \"container_id\""}},
    {"[\"container_id\",\"ID\"]", {"export_headers[0] must be an array", "got \"container_id\""}},
    {"[{}]", {"export_headers[0] must be an array", "got an object"}},
    {"[" ID ",[]]", {"export_headers[1]", "two strings", "got 0"}},
    {"[[\"container_id\"]]", {"export_headers[0]", "two strings", "got 1"}},
    {"[[\"container_id\",\"ID\",\"x\"]]", {"export_headers[0]", "two strings", "got 3"}},
    {"[[\"container_id\",\"ID\",null]]", {"export_headers[0]", "two strings", "got 3"}},
    {"[[null,\"ID\"]]", {"export_headers[0][0]", "string", "got null"}},
    {"[[7,\"ID\"]]", {"export_headers[0][0]", "string", "got 7"}},
    {"[[[\"container_id\"],\"ID\"]]", {"export_headers[0][0]", "string", "got an array"}},
    {"[[\"\",\"ID\"]]", {"export_headers[0][0]", "container_id", "got \"\""}},
    {"[[\"container\",\"ID\"]]", {"export_headers[0][0]", "container_id", "got \"container\""}},
    {"[[\"Container_id\",\"ID\"]]", {"export_headers[0][0]", "memory_limit", "got \"Container_id\""}},
    {"[[\"container_id \",\"ID\"]]", {"export_headers[0][0]", "container_id", "got \"container_id \""}},
    {"[[\"*\",\"ID\"]]", {"export_headers[0][0]", "container_id", "got \"*\""}},
    {"[[\"cluster_container\",\"ID\"]]", {"export_headers[0][0]", "container_id", "got \"cluster_container\""}},
    {"[[\"project_id\",\"ID\"]]", {"export_headers[0][0]", "container_id", "got \"project_id\""}},
    {"[" ID ",[\"x\\\"; --\",\"ID\"]]", {"export_headers[1][0]", "container_id", "got \"x\\x22; --\""}},
    {"[" ID "," ID "]", {"export_headers[1][0]", "twice", "container_id"}},
    {"[" ID ",[\"status\",\"S\"],[\"container_id\",\"again\"]]", {"export_headers[2][0]", "twice", "container_id"}},
    {"[[\"container_id\",null]]", {"export_headers[0][1]", "1 to 255 characters", "got null"}},
    {"[[\"container_id\",7]]", {"export_headers[0][1]", "1 to 255 characters", "got 7"}},
    {"[[\"container_id\",true]]", {"export_headers[0][1]", "1 to 255 characters", "got true"}},
    {"[[\"container_id\",[\"ID\"]]]", {"export_headers[0][1]", "1 to 255 characters", "got an array"}},
    {"[[\"container_id\",{}]]", {"export_headers[0][1]", "1 to 255 characters", "got an object"}},
    {"[[\"container_id\",\"\"]]", {"export_headers[0][1]", "1 to 255 characters", "got 0"}},
    {"[[\"container_id\",\"a\\tb\"]]", {"export_headers[0][1]", "control characters", "got U+0009"}},
    {"[[\"container_id\",\"\\n\"]]", {"export_headers[0][1]", "control characters", "got U+000A"}},
    {"[[\"container_id\",\"ID\\r\"]]", {"export_headers[0][1]", "control characters", "got U+000D"}},
    {"[[\"container_id\",\"\\u0001\"]]", {"export_headers[0][1]", "control characters", "got U+0001"}},
    {"[[\"container_id\",\"\\u001f\"]]", {"export_headers[0][1]", "control characters", "got U+001F"}},
    {"[[\"container_id\",\"\x7F\"]]", {"export_headers[0][1]", "control characters", "got U+007F"}},
    {"[[\"container_id\",\"\xC2\x80\"]]", {"export_headers[0][1]", "control characters", "got U+0080"}},
    {"[[\"container_id\",\"a\\u0085\"]]", {"export_headers[0][1]", "control characters", "got U+0085"}},
    {"[[\"container_id\",\"\xC2\x9F\"]]", {"export_headers[0][1]", "control characters", "got U+009F"}},
};

static void refuses_headers(const void *row)
{
    const struct refused_case *c = row;
    struct error err;

    assert_null(parse_headers(c->json, &err));
    for (size_t i = 0; i < ARRAY_SIZE(c->fragments) && c->fragments[i] != NULL; i++)
        check_refusal(&err, ERROR_PARAMETER, c->fragments[i]);
}

/* Names that are taken unchanged: key, name in JSON, name in UTF-8. */
static const struct name_case {
    const char *json;
    const char *name;
} name_cases[] = {
    {"I", "I"},
    {" ", " "},
    {"Container Name", "Container Name"},
    {"a,b;c", "a,b;c"},
    {"\\\"quoted\\\"", "\"quoted\""},
    {"=1+1", "=1+1"},
    {"back\\\\slash / \\/", "back\\slash / /"},
    {"\xE5\xAE\xB9\xE5\x99\xA8", "\xE5\xAE\xB9\xE5\x99\xA8"},
    {"\\u5bb9\\ud83d\\ude00", "\xE5\xAE\xB9\xF0\x9F\x98\x80"},
    {"\xC2\xA0", "\xC2\xA0"},
    {"\xE2\x80\xA8", "\xE2\x80\xA8"},
};

static void takes_names(const void *row)
{
    const struct name_case *c = row;
    struct selection *selection;
    struct buffer json = {0};
    struct error err;

    buffer_printf(&json, "[[\"risky\",\"%s\"]]", c->json);
    selection = parse_headers(json.data, &err);
    buffer_free(&json);
    check_good(selection != NULL, &err);
    assert_int_equal(selection->header_count, 1);
    assert_string_equal(selection->headers[0].column->key, "risky");
    assert_string_equal(selection->headers[0].name, c->name);
    selection_free(selection);
}

static void name_lengths(void)
{
    static const char *const units[] = {"n", "\xC3\xA9", "\xE5\xAE\xB9", "\xF0\x9F\x98\x80"};

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        for (size_t length = 254; length <= 256; length++) {
            struct selection *selection;
            struct buffer json = {0};
            struct error err;

            buffer_append_text(&json, "[[\"risky\",\"");
            for (size_t k = 0; k < length; k++)
                buffer_append_text(&json, units[i]);
            buffer_append_text(&json, "\"]]");
            selection = parse_headers(json.data, &err);
            buffer_free(&json);
            if (length > 255) {
                assert_null(selection);
                check_refusal(&err, ERROR_PARAMETER,
                    "export_headers[0][1] must be a string of 1 to 255 characters, got 256");
                continue;
            }
            check_good(selection != NULL, &err);
            assert_int_equal(strlen(selection->headers[0].name), length * strlen(units[i]));
            selection_free(selection);
        }
    }
}

/* All 16, last first: the request decides the order. */
static void all_columns_in_the_order_given(void)
{
    struct selection *selection;
    struct buffer json = {0};
    struct error err;

    for (size_t i = COLUMN_COUNT; i-- > 0;)
        buffer_printf(&json, "%s[\"%s\",\"Name\"]", json.length == 0 ? "[" : ",", columns[i].key);
    buffer_append_text(&json, "]");
    selection = parse_headers(json.data, &err);
    check_good(selection != NULL, &err);
    assert_int_equal(selection->header_count, COLUMN_COUNT);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        assert_ptr_equal(selection->headers[i].column, &columns[COLUMN_COUNT - 1 - i]);
        assert_string_equal(selection->headers[i].name, "Name");
    }
    selection_free(selection);

    json.length--;
    buffer_append_text(&json, "," ID "]");
    assert_null(parse_headers(json.data, &err));
    check_refusal(&err, ERROR_PARAMETER, "export_headers must have 1 to 16 pairs [key, header name], got 17");
    buffer_free(&json);
}

static const struct body_case {
    const char *body;
    enum error_code code;
    const char *fragments[2];
} refused_bodies[] = {
    {"", ERROR_BODY, {"offset 0"}},
    {"{", ERROR_BODY, {"offset 1"}},
    {"{\"export_headers\":[" ID "]", ERROR_BODY, {"offset 41"}},
    {"{\"export_headers\":[" ID "]}{}", ERROR_BODY, {"offset 42"}},
    {"{\"export_headers\":[" ID "],}", ERROR_BODY, {"offset 42"}},
    {"\xEF\xBB\xBF{\"export_headers\":[" ID "]}", ERROR_BODY, {"offset 0"}},
    {"{\"status\":\"\xFF\"}", ERROR_BODY, {"offset 11"}},
    {"{\"status\":\"\\ud800\"}", ERROR_BODY, {"offset 11"}},
    {"{\"status\":\"a\\u0000\"}", ERROR_BODY, {"offset 12"}},
    {"null", ERROR_PARAMETER, {"object", "got null"}},
    {"true", ERROR_PARAMETER, {"object", "got true"}},
    {"7", ERROR_PARAMETER, {"object", "got 7"}},
    {"\"x\"", ERROR_PARAMETER, {"object", "got \"x\""}},
    {"[]", ERROR_PARAMETER, {"object", "got an array"}},
    {"[{\"export_headers\":[" ID "]}]", ERROR_PARAMETER, {"object", "got an array"}},
    {"{}", ERROR_PARAMETER, {"export_headers is required", "got none"}},
    {"{\"status\":\"Running\"}", ERROR_PARAMETER, {"export_headers is required", "got none"}},
    {"{\"export_headers\":[" ID "],\"export_headers\":[]}", ERROR_PARAMETER, {"export_headers must have 1 to 16",
     "got 0"}},
};

static void refuses_bodies(const void *row)
{
    const struct body_case *c = row;
    struct error err;

    assert_null(parse_text(c->body, &err));
    for (size_t i = 0; i < ARRAY_SIZE(c->fragments) && c->fragments[i] != NULL; i++)
        check_refusal(&err, c->code, c->fragments[i]);
}

/* Unknown fields are refused, so that a mistyped filter never exports everything. */
static const struct {
    const char *json; /* the name in JSON */
    const char *shown;
} unknown_fields[] = {
    {"", "\"\""},
    {"Status", "\"Status\""},
    {"status ", "\"status \""},
    {"statuses", "\"statuses\""},
    {"container_id", "\"container_id\""},
    {"low_risk", "\"low_risk\""},
    {"project_id", "\"project_id\""},
    {"enterprise_project_id", "\"enterprise_project_id\""},
    {"export_size", "\"export_size\""},
    {"start_time", "\"start_time\""},
    {"Export_headers", "\"Export_headers\""},
    {"a\\\"b\\nc", "\"a\\x22b\\x0ac\""},
    {"\xF0\x9F\x98\x80", "\"\xF0\x9F\x98\x80\""},
};

static void refuses_unknown_fields(const void *row)
{
    static const char *const values[] = {"null", "\"x\"", "true", "{}"};
    const char *const *c = row;

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct buffer body = {0};
        struct error err;

        buffer_printf(&body, "{\"export_headers\":[" ID "],\"%s\":%s}", c[0], values[i]);
        assert_null(parse_text(body.data, &err));
        check_refusal(&err, ERROR_PARAMETER, "unknown field ");
        check_refusal(&err, ERROR_PARAMETER, c[1]);
        buffer_free(&body);
    }
}

static void check_equal(const struct selection *a, const struct selection *b)
{
    assert_int_equal(a->header_count, b->header_count);
    for (size_t i = 0; i < a->header_count; i++) {
        assert_ptr_equal(a->headers[i].column, b->headers[i].column);
        assert_string_equal(a->headers[i].name, b->headers[i].name);
    }
    for (size_t i = 0; i < FILTER_COUNT; i++) {
        const struct filter_value *x = &a->filters[i], *y = &b->filters[i];

        assert_int_equal(x->is_set, y->is_set);
        assert_int_equal(x->boolean, y->boolean);
        assert_true(x->start_time == y->start_time && x->end_time == y->end_time);
        assert_int_equal(x->text == NULL, y->text == NULL);
        if (x->text != NULL)
            assert_string_equal(x->text, y->text);
    }
    assert_string_equal(a->json, b->json);
}

static const struct {
    const char *body;
} accepted_bodies[] = {
    {"{\"export_headers\":[" ID "]}"},
    {" {\n\t\"export_headers\" : [ [ \"risky\" , \"Security Risk\" ] ]\r\n} "},
    {"{\"export_headers\":\"x\",\"export_headers\":[" ID "]}"},
    {"{\"risky\":null,\"cpu_limit\":\"\",\"create_time\":{},\"export_headers\":[" ID "]}"},
    {"{\"cluster_container\":\"true\",\"cluster_type\":\"cce\",\"cluster_name\":\"a*\",\"container_name\":\"b\","
     "\"image_name\":\"registry/x:1\",\"pod_name\":\"p\",\"status\":\"Running\",\"risky\":false,"
     "\"create_time\":{\"start_time\":0,\"end_time\":9223372036854775807},\"cpu_limit\":\"500m\","
     "\"memory_limit\":\"300 Mi\",\"export_headers\":[" ID ",[\"memory_limit\",\"Memory\"]]}"},
    {"{\"export_headers\":[[\"status\",\"\\\"\\\\/\\u00e9\\ud83d\\ude00\xE5\xAE\xB9\"]],"
     "\"pod_name\":\"\\n\\t\\u0001'; DROP TABLE x; --%_\\\\*\"}"},
};

static void json_parses_to_an_equal_selection(const void *row)
{
    const char *body = *(const char *const *) row;
    struct selection *selection, *again;
    struct error err;

    selection = parse_text(body, &err);
    check_good(selection != NULL, &err);
    again = parse_text(selection->json, &err);
    check_good(again != NULL, &err);
    check_equal(selection, again);
    selection_free(again);
    selection_free(selection);
}

static void json_has_no_whitespace(void)
{
    struct error err;
    struct selection *selection = parse_text(accepted_bodies[1].body, &err);

    check_good(selection != NULL, &err);
    assert_string_equal(selection->json, "{\"export_headers\":[[\"risky\",\"Security Risk\"]]}");
    selection_free(selection);
}

static void freeing_nothing_is_fine(void)
{
    selection_free(NULL);
}

int main(void)
{
    CHECK_EACH(refuses_headers, refused_headers, json);
    CHECK_EACH(takes_names, name_cases, json);
    CHECK(name_lengths);
    CHECK(all_columns_in_the_order_given);
    CHECK_EACH(refuses_bodies, refused_bodies, body);
    CHECK_EACH(refuses_unknown_fields, unknown_fields, json);
    CHECK_EACH(json_parses_to_an_equal_selection, accepted_bodies, body);
    CHECK(json_has_no_whitespace);
    CHECK(freeing_nothing_is_fine);
    return check_run("inventory/selection, body");
}
