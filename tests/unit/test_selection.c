/* The filters of a request's body. test_selection_body.c tests export_headers and everything else. */
#include "inventory/selection.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "check.h"

/* Reads a body of these members and a valid export_headers. */
static struct selection *parse(const char *members, struct error *err)
{
    struct selection *selection;
    struct buffer body = {0};

    buffer_printf(&body, "{%s,\"export_headers\":[[\"container_id\",\"ID\"]]}", members);
    selection = selection_parse(body.data, body.length, err);
    buffer_free(&body);
    return selection;
}

static struct selection *parse_field(const char *field, const char *value, struct error *err)
{
    struct selection *selection;
    struct buffer member = {0};

    buffer_printf(&member, "\"%s\":%s", field, value);
    selection = parse(member.data, err);
    buffer_free(&member);
    return selection;
}

static const struct filter_value *value_of(const struct selection *selection, const char *field)
{
    return &selection->filters[filter_find(field) - filters];
}

/* The field is refused, and the message names the field, the rule and the value or type it got. */
static void check_refused(const char *field, const char *value, const char *got)
{
    struct error err;

    if (parse_field(field, value, &err) != NULL)
        check_fail("%s: %s was taken", field, value);
    if (strncmp(err.message, field, strlen(field)) != 0)
        check_fail("the message does not begin with %s: %s", field, err.message);
    check_refusal(&err, ERROR_PARAMETER, " must ");
    check_refusal(&err, ERROR_PARAMETER, ", got ");
    check_refusal(&err, ERROR_PARAMETER, got);
}

enum outcome { REFUSED, UNSET, SET };

/* Tries each JSON type with each filter. */
static void type_matrix(const void *row)
{
    static const struct {
        const char *json;
        const char *got;
        enum outcome outcomes[5]; /* by enum filter_kind */
    } values[] = {
        {"null", "", {UNSET, UNSET, UNSET, UNSET, UNSET}},
        {"true", "got true", {SET, REFUSED, REFUSED, REFUSED, REFUSED}},
        {"false", "got false", {SET, REFUSED, REFUSED, REFUSED, REFUSED}},
        {"0", "got 0", {REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
        {"-7", "got -7", {REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
        {"1.5", "got a number", {REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
        {"\"true\"", "\"true\"", {SET, REFUSED, SET, REFUSED, SET}},
        {"\"x\"", "\"x\"", {REFUSED, REFUSED, SET, REFUSED, SET}},
        {"\"\"", "", {REFUSED, REFUSED, REFUSED, REFUSED, UNSET}},
        {"[]", "got an array", {REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
        {"[\"x\"]", "got an array", {REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
        {"{}", "", {REFUSED, REFUSED, REFUSED, UNSET, REFUSED}},
        {"{\"x\":1}", "", {REFUSED, REFUSED, REFUSED, REFUSED, REFUSED}},
    };
    const struct filter *filter = row;

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        enum outcome outcome = values[i].outcomes[filter->kind];
        struct selection *selection;
        struct error err;

        if (outcome == REFUSED && filter->kind == FILTER_TIME_RANGE && values[i].json[0] == '{')
            continue; /* create_time has a table of its own */
        if (outcome == REFUSED) {
            check_refused(filter->name, values[i].json, values[i].got);
            continue;
        }
        selection = parse_field(filter->name, values[i].json, &err);
        check_good(selection != NULL, &err);
        assert_int_equal(value_of(selection, filter->name)->is_set, outcome == SET);
        selection_free(selection);
    }
}

static const struct boolean_case {
    const char *json;
    int boolean; /* -1: refused */
} boolean_cases[] = {
    {"true", true}, {"false", false}, {"\"true\"", true}, {"\"false\"", false}, {"\"True\"", -1}, {"\"FALSE\"", -1},
    {"\" true\"", -1}, {"\"true \"", -1}, {"\"\"", -1}, {"\"yes\"", -1}, {"\"on\"", -1}, {"\"1\"", -1}, {"1", -1},
    {"0", -1}, {"\"truefalse\"", -1}, {"\"null\"", -1},
};

static void booleans(const void *row)
{
    static const char *const fields[] = {"cluster_container", "risky"};
    const struct boolean_case *c = row;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        struct selection *selection;
        struct error err;

        if (c->boolean < 0) {
            check_refused(fields[i], c->json, "true or false");
            continue;
        }
        selection = parse_field(fields[i], c->json, &err);
        check_good(selection != NULL, &err);
        assert_true(value_of(selection, fields[i])->is_set);
        assert_int_equal(value_of(selection, fields[i])->boolean, c->boolean);
        selection_free(selection);
    }
}

static const struct choice_case {
    const char *value;
    const char *field;
    bool good;
} choice_cases[] = {
    {"cce", "cluster_type", true}, {"ali", "cluster_type", true}, {"tencent", "cluster_type", true},
    {"azure", "cluster_type", true}, {"aws", "cluster_type", true}, {"self_built_hw", "cluster_type", true},
    {"self_built_idc", "cluster_type", true}, {"CCE", "cluster_type", false}, {"", "cluster_type", false},
    {"cc", "cluster_type", false}, {"ccex", "cluster_type", false}, {" cce", "cluster_type", false},
    {"cce ", "cluster_type", false}, {"*", "cluster_type", false}, {"self_built", "cluster_type", false},
    {"Running", "cluster_type", false}, {"Running", "status", true}, {"Waiting", "status", true},
    {"Terminated", "status", true}, {"Isolated", "status", true}, {"Paused", "status", true},
    {"running", "status", false}, {"RUNNING", "status", false}, {"", "status", false}, {"Run*", "status", false},
    {"Running\\n", "status", false}, {"Running,Waiting", "status", false}, {"cce", "status", false},
};

static void choices(const void *row)
{
    const struct choice_case *c = row;
    struct selection *selection;
    struct error err;
    char json[64];

    snprintf(json, sizeof(json), "\"%s\"", c->value);
    if (!c->good) {
        check_refused(c->field, json, "must be one of");
        return;
    }
    selection = parse_field(c->field, json, &err);
    check_good(selection != NULL, &err);
    assert_true(value_of(selection, c->field)->is_set);
    assert_string_equal(value_of(selection, c->field)->text, c->value);
    selection_free(selection);
}

static const struct length_case {
    const char *field;
    size_t min, max;
} length_cases[] = {
    {"cluster_name", 1, 255}, {"container_name", 1, 255}, {"image_name", 1, 255}, {"pod_name", 1, 512},
    {"cpu_limit", 0, 64}, {"memory_limit", 0, 64},
};

/* A character in JSON, and as the filter stores it. */
static const struct {
    const char *json;
    const char *utf8;
} units[] = {
    {"a", "a"}, {"\xC3\xA9", "\xC3\xA9"}, {"\xE2\x82\xAC", "\xE2\x82\xAC"}, {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
    {"\\u0041", "A"}, {"\\ud83d\\ude00", "\xF0\x9F\x98\x80"}, {"\\\"", "\""}, {"\\n", "\n"},
};

static void repeat(struct buffer *out, const char *before, const char *unit, size_t count, const char *after)
{
    buffer_clear(out);
    buffer_append_text(out, before);
    for (size_t i = 0; i < count; i++)
        buffer_append_text(out, unit);
    buffer_append_text(out, after);
}

static void check_length(const struct length_case *c, const char *json, const char *utf8, size_t length)
{
    struct buffer value = {0}, text = {0};
    struct selection *selection;
    struct error err;
    char got[32];

    repeat(&value, "\"", json, length, "\"");
    repeat(&text, "", utf8, length, "");
    if (length > c->max) {
        snprintf(got, sizeof(got), "got %zu", length);
        check_refused(c->field, value.data, got);
    } else {
        selection = parse_field(c->field, value.data, &err);
        check_good(selection != NULL, &err);
        assert_int_equal(value_of(selection, c->field)->is_set, length > 0);
        if (length > 0)
            assert_string_equal(value_of(selection, c->field)->text, buffer_text(&text));
        selection_free(selection);
    }
    buffer_free(&value);
    buffer_free(&text);
}

/* Lengths are counted in characters, whatever their size in bytes or in JSON. */
static void lengths(const void *row)
{
    const struct length_case *c = row;
    const size_t counts[] = {c->min, c->min + 1, c->max - 1, c->max, c->max + 1};

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(counts); k++)
            check_length(c, units[i].json, units[i].utf8, counts[k]);
    }
    if (c->min > 0)
        check_refused(c->field, "\"\"", "got 0");
}

static const struct time_case {
    const char *json;
    int64_t start_time, end_time; /* -1: open */
    const char *refusal;          /* NULL: accepted */
} time_cases[] = {
    {"{}", -1, -1, NULL},
    {"{\"start_time\":null}", -1, -1, NULL},
    {"{\"start_time\":null,\"end_time\":null}", -1, -1, NULL},
    {"{\"start_time\":0}", 0, -1, NULL},
    {"{\"end_time\":0}", -1, 0, NULL},
    {"{\"start_time\":0,\"end_time\":0}", 0, 0, NULL},
    {"{\"end_time\":1775204100124,\"start_time\":1775204100123}", 1775204100123, 1775204100124, NULL},
    {"{\"start_time\":5,\"end_time\":5}", 5, 5, NULL},
    {"{\"start_time\":5,\"end_time\":null}", 5, -1, NULL},
    {"{\"start_time\":null,\"end_time\":5}", -1, 5, NULL},
    {"{\"start_time\":9223372036854775807}", INT64_MAX, -1, NULL},
    {"{\"start_time\":0,\"end_time\":9223372036854775807}", 0, INT64_MAX, NULL},
    {"{\"start_time\":9,\"start_time\":2,\"end_time\":3}", 2, 3, NULL},
    {"{\"start_time\":\"x\",\"start_time\":2}", 2, -1, NULL},
    {"{\"start_time\":6,\"end_time\":5}", 0, 0, "got 6 and 5"},
    {"{\"start_time\":1,\"end_time\":0}", 0, 0, "got 1 and 0"},
    {"{\"start_time\":-1}", 0, 0, "create_time.start_time must be an integer of at least 0"},
    {"{\"end_time\":-1}", 0, 0, "create_time.end_time must be an integer of at least 0"},
    {"{\"start_time\":-9223372036854775808}", 0, 0, "got -9223372036854775808"},
    {"{\"start_time\":\"5\"}", 0, 0, "create_time.start_time must be an integer"},
    {"{\"end_time\":\"\"}", 0, 0, "create_time.end_time must be an integer"},
    {"{\"start_time\":1.0}", 0, 0, "create_time.start_time must be an integer"},
    {"{\"start_time\":1e3}", 0, 0, "create_time.start_time must be an integer"},
    {"{\"start_time\":true}", 0, 0, "got true"},
    {"{\"start_time\":{}}", 0, 0, "got an object"},
    {"{\"end_time\":[5]}", 0, 0, "got an array"},
    {"{\"start\":1}", 0, 0, "got unknown field \"start\""},
    {"{\"start_time\":1,\"\":2}", 0, 0, "got unknown field \"\""},
    {"{\"Start_time\":1}", 0, 0, "got unknown field \"Start_time\""},
    {"{\"start_time\":1,\"end_time\":2,\"zone\":null}", 0, 0, "got unknown field \"zone\""},
    {"[1,2]", 0, 0, "got an array"},
    {"\"1-2\"", 0, 0, "got \"1-2\""},
    {"1775204100123", 0, 0, "got 1775204100123"},
};

static void times(const void *row)
{
    const struct time_case *c = row;
    struct error err;
    struct selection *selection = parse_field("create_time", c->json, &err);

    if (c->refusal != NULL) {
        assert_null(selection);
        check_refusal(&err, ERROR_PARAMETER, "create_time");
        check_refusal(&err, ERROR_PARAMETER, c->refusal);
        return;
    }
    check_good(selection != NULL, &err);
    assert_int_equal(value_of(selection, "create_time")->is_set, c->start_time >= 0 || c->end_time >= 0);
    if (value_of(selection, "create_time")->is_set) {
        assert_true(value_of(selection, "create_time")->start_time == c->start_time);
        assert_true(value_of(selection, "create_time")->end_time == c->end_time);
    }
    selection_free(selection);
}

static const struct last_case {
    const char *members;
    const char *status; /* NULL: unset */
} last_cases[] = {
    {"\"status\":\"Paused\",\"status\":\"Running\"", "Running"},
    {"\"status\":\"bad\",\"status\":\"Running\"", "Running"},
    {"\"status\":7,\"risky\":true,\"status\":\"Running\"", "Running"},
    {"\"status\":\"Running\",\"status\":null", NULL},
    {"\"status\":null,\"status\":\"Running\"", "Running"},
    {"\"status\":\"Paused\",\"\\u0073tatus\":\"Running\"", "Running"},
};

static void last_of_a_field_counts(const void *row)
{
    const struct last_case *c = row;
    struct error err;
    struct selection *selection = parse(c->members, &err);

    check_good(selection != NULL, &err);
    assert_int_equal(value_of(selection, "status")->is_set, c->status != NULL);
    if (c->status != NULL)
        assert_string_equal(value_of(selection, "status")->text, c->status);
    selection_free(selection);
    assert_null(parse("\"status\":\"Running\",\"status\":\"bad\"", &err));
}

static void absent_filters_are_unset(void)
{
    struct error err;
    struct selection *selection = parse("\"status\":\"Running\"", &err);

    check_good(selection != NULL, &err);
    for (size_t i = 0; i < FILTER_COUNT; i++)
        assert_int_equal(selection->filters[i].is_set, strcmp(filters[i].name, "status") == 0);
    selection_free(selection);
}

static const struct text_case {
    const char *name;
    const char *text;
    enum outcome outcome;
    const char *message; /* of a refusal */
} text_cases[] = {
    {"container_name", "", UNSET, NULL},
    {"container_name", "web-*", SET, NULL},
    {"container_name", "12345", SET, NULL},
    {"container_name", "123456", REFUSED, "container_name must be a string of 0 to 5 characters, got 6 characters"},
    {"pod_name", "\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80*", SET, NULL},
    {"image_name", "a\nb", SET, NULL},
    {"image_name", "a\xFF", REFUSED, "image_name must be UTF-8"},
    {"cluster_container", "true", SET, NULL},
    {"cluster_container", "false", SET, NULL},
    {"cluster_container", "", REFUSED, "cluster_container must be true or false, got \"\""},
    {"cluster_container", "True", REFUSED, "cluster_container must be true or false, got \"True\""},
    {"status", "Running", SET, NULL},
    {"status", "running", REFUSED, "status must be one of Running"},
    {"cpu_limit", "", UNSET, NULL},
    {"cpu_limit", "500m", SET, NULL},
};

/* A filter from text outside JSON changes only its own value. */
static void filters_from_text(const void *row)
{
    const struct text_case *c = row;
    struct selection *selection = selection_of_all_columns();
    const struct filter_value *value = value_of(selection, c->name);
    struct error err;
    bool set = selection_set_filter(selection, c->name, c->text, 5, &err);

    if (c->outcome == REFUSED) {
        assert_false(set);
        check_refusal(&err, ERROR_PARAMETER, c->message);
    } else {
        check_good(set, &err);
        assert_int_equal(value->is_set, c->outcome == SET);
        if (c->outcome == SET && filter_find(c->name)->kind == FILTER_BOOLEAN)
            assert_int_equal(value->boolean, strcmp(c->text, "true") == 0);
        else if (c->outcome == SET)
            assert_string_equal(value->text, c->text);
    }
    for (size_t i = 0; i < FILTER_COUNT; i++)
        assert_true(&selection->filters[i] == value || !selection->filters[i].is_set);
    selection_free(selection);
}

static void all_columns(void)
{
    struct selection *selection = selection_of_all_columns();

    assert_int_equal(selection->header_count, COLUMN_COUNT);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        assert_ptr_equal(selection->headers[i].column, &columns[i]);
        assert_string_equal(selection->headers[i].name, columns[i].key);
    }
    selection_free(selection);
}

int main(void)
{
    CHECK_EACH(type_matrix, filters, name);
    CHECK_EACH(booleans, boolean_cases, json);
    CHECK_EACH(choices, choice_cases, value);
    CHECK_EACH(lengths, length_cases, field);
    CHECK_EACH(times, time_cases, json);
    CHECK_EACH(last_of_a_field_counts, last_cases, members);
    CHECK(absent_filters_are_unset);
    CHECK_EACH(filters_from_text, text_cases, name);
    CHECK(all_columns);
    return check_run("inventory/selection, filters");
}
