#include "inventory/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/json.h"
#include "check.h"

#define ID "[[\"container_id\",\"ID\"]]"
#define SELECT "SELECT c.container_id::text FROM \"waybill\".\"container\" AS c"
#define PROJECT " WHERE c.project_id::text COLLATE \"C\" = $1"
#define ORDER " ORDER BY c.container_id::text COLLATE \"C\" LIMIT 11"

static const struct inventory_query whole_project = {
    .relation = "waybill.container",
    .project_id = "p1",
    .limit = 10,
};

/* Builds the query for the selection of a body. */
static void build(struct statement *statement, const struct inventory_query *of, const char *body)
{
    struct inventory_query query = *of;
    struct selection *selection;
    struct error err;

    selection = selection_parse(body, strlen(body), &err);
    check_good(selection != NULL, &err);
    query.selection = selection;
    *statement = (struct statement) {0};
    inventory_query_build(statement, &query);
    selection_free(selection);
}

/* Builds the query of a body with these members and one header. */
static void build_filtered(struct statement *statement, const char *members)
{
    struct buffer body = {0};

    buffer_printf(&body, "{%s%s\"export_headers\":" ID "}", members, *members == '\0' ? "" : ",");
    build(statement, &whole_project, body.data);
    buffer_free(&body);
}

static void check_values(const struct statement *statement, size_t first, const char *const *values)
{
    size_t count = 0;

    while (values[count] != NULL)
        count++;
    assert_int_equal(statement->count, first + count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(statement->values[first + i], values[i]);
}

static const struct filter_case {
    const char *members;
    const char *condition;
    const char *values[4];
} filter_cases[] = {
    {"", "", {NULL}},
    {"\"cluster_container\":true", " AND c.cluster_container::boolean = true", {NULL}},
    {"\"cluster_container\":false", " AND c.cluster_container::boolean = false", {NULL}},
    {"\"risky\":\"true\"", " AND c.risky::boolean = true", {NULL}},
    {"\"risky\":\"false\"", " AND c.risky::boolean = false", {NULL}},
    {"\"cluster_type\":\"cce\"", " AND c.cluster_type::text COLLATE \"C\" = $2", {"cce"}},
    {"\"status\":\"Running\"", " AND c.status::text COLLATE \"C\" = $2", {"Running"}},
    {"\"cluster_name\":\"prod\"", " AND c.cluster_name::text COLLATE \"C\" = $2", {"prod"}},
    {"\"container_name\":\"nginx\"", " AND c.container_name::text COLLATE \"C\" = $2", {"nginx"}},
    {"\"image_name\":\"r.example/nginx:1\"", " AND c.image_name::text COLLATE \"C\" = $2", {"r.example/nginx:1"}},
    {"\"pod_name\":\"web-0\"", " AND c.pod_name::text COLLATE \"C\" = $2", {"web-0"}},
    {"\"cluster_name\":\"prod*\"", " AND c.cluster_name::text COLLATE \"C\" LIKE $2", {"prod%"}},
    {"\"container_name\":\"*nginx*\"", " AND c.container_name::text COLLATE \"C\" LIKE $2", {"%nginx%"}},
    {"\"image_name\":\"*:latest\"", " AND c.image_name::text COLLATE \"C\" LIKE $2", {"%:latest"}},
    {"\"pod_name\":\"web-*-x\"", " AND c.pod_name::text COLLATE \"C\" LIKE $2", {"web-%-x"}},
    {"\"cpu_limit\":\"500m\"", " AND waybill.quantity_key(c.cpu_limit::text) = waybill.quantity_key($2)", {"500m"}},
    {"\"memory_limit\":\"300 Mi\"", " AND waybill.quantity_key(c.memory_limit::text) = waybill.quantity_key($2)",
     {"300 Mi"}},
    {"\"cpu_limit\":\"\"", "", {NULL}},
    {"\"memory_limit\":null", "", {NULL}},
    {"\"create_time\":{}", "", {NULL}},
    /* joined by AND in the order of the table, independent of the body's order */
    {"\"memory_limit\":\"1Gi\",\"risky\":true,\"status\":\"Paused\",\"pod_name\":\"p*\"",
     " AND c.pod_name::text COLLATE \"C\" LIKE $2 AND c.status::text COLLATE \"C\" = $3 AND c.risky::boolean = true"
     " AND waybill.quantity_key(c.memory_limit::text) = waybill.quantity_key($4)", {"p%", "Paused", "1Gi"}},
};

static void each_filter(const void *row)
{
    const struct filter_case *c = row;
    struct buffer expected = {0};
    struct statement statement;

    build_filtered(&statement, c->members);
    buffer_printf(&expected, SELECT PROJECT "%s" ORDER, c->condition);
    assert_string_equal(buffer_text(&statement.sql), expected.data);
    assert_string_equal(statement.values[0], "p1");
    check_values(&statement, 1, c->values);
    buffer_free(&expected);
    statement_free(&statement);
}

static const struct pattern_case {
    const char *json; /* of container_name */
    const char *value;
    bool pattern;
} pattern_cases[] = {
    {"*", "%", true},
    {"**", "%", true},
    {"*****", "%", true},
    {"a*b", "a%b", true},
    {"a***b**c*", "a%b%c%", true},
    {"*a*", "%a%", true},
    {"100%*", "100\\%%", true},
    {"*%", "%\\%", true},
    {"*%*", "%\\%%", true},
    {"a_b*", "a\\_b%", true},
    {"a\\\\b*", "a\\\\b%", true},
    {"*\\\\", "%\\\\", true},
    {"\\\\*", "\\\\%", true},
    {"%_\\\\*", "\\%\\_\\\\%", true},
    {"*\\n*", "%\n%", true},
    {"\xE5\xAE\xB9*", "\xE5\xAE\xB9%", true},
    {"%", "%", false},
    {"100%", "100%", false},
    {"a_b", "a_b", false},
    {"a\\\\b", "a\\b", false},
    {"a?b.c[d]", "a?b.c[d]", false},
};

static void patterns(const void *row)
{
    const struct pattern_case *c = row;
    struct statement statement;
    char members[128];

    snprintf(members, sizeof(members), "\"container_name\":\"%s\"", c->json);
    build_filtered(&statement, members);
    assert_int_equal(statement.count, 2);
    assert_string_equal(statement.values[1], c->value);
    assert_int_equal(strstr(buffer_text(&statement.sql), " LIKE $2") != NULL, c->pattern);
    assert_int_equal(strstr(buffer_text(&statement.sql), " = $2") != NULL, !c->pattern);
    statement_free(&statement);
}

#define AFTER(value) " AND c.create_time::timestamptz >= $" value "::timestamptz"
#define BEFORE(value) " AND c.create_time::timestamptz < $" value "::timestamptz"
#define ANY_TIME " AND c.create_time IS NOT NULL"

/* Both ends are inclusive to the millisecond, so the SQL end is before the next millisecond. */
static const struct time_case {
    const char *label;
    int64_t start_time, end_time; /* -1: absent */
    const char *condition;
    const char *values[3];
} time_cases[] = {
    {"from 1970", 0, -1, AFTER("2"), {"1970-01-01T00:00:00.000Z"}},
    {"to 1970", -1, 0, BEFORE("2"), {"1970-01-01T00:00:00.001Z"}},
    {"from a millisecond", 1775204100123, -1, AFTER("2"), {"2026-04-03T08:15:00.123Z"}},
    {"to a millisecond", -1, 1775204100999, BEFORE("2"), {"2026-04-03T08:15:01.000Z"}},
    {"one millisecond", 1775204100123, 1775204100123, AFTER("2") BEFORE("3"),
     {"2026-04-03T08:15:00.123Z", "2026-04-03T08:15:00.124Z"}},
    {"to the last but one", -1, CLOCK_MAX_MS - 1, BEFORE("2"), {"294276-12-31T23:59:59.999Z"}},
    {"to the last", -1, CLOCK_MAX_MS, ANY_TIME, {NULL}},
    {"to beyond the last", -1, CLOCK_MAX_MS + 1, ANY_TIME, {NULL}},
    {"to the end of 64 bits", -1, INT64_MAX, ANY_TIME, {NULL}},
    {"from the last", CLOCK_MAX_MS, -1, AFTER("2"), {"294276-12-31T23:59:59.999Z"}},
    {"from beyond the last", CLOCK_MAX_MS + 1, -1, AFTER("2"), {"294276-12-31T23:59:59.999Z"}},
    {"from the end of 64 bits", INT64_MAX, -1, AFTER("2"), {"294276-12-31T23:59:59.999Z"}},
    {"all of 64 bits", 0, INT64_MAX, AFTER("2") ANY_TIME, {"1970-01-01T00:00:00.000Z"}},
};

static void times(const void *row)
{
    const struct time_case *c = row;
    struct buffer members = {0}, expected = {0};
    struct statement statement;

    buffer_append_text(&members, "\"create_time\":{");
    if (c->start_time >= 0)
        buffer_printf(&members, "\"start_time\":%" PRId64 "%s", c->start_time, c->end_time >= 0 ? "," : "");
    if (c->end_time >= 0)
        buffer_printf(&members, "\"end_time\":%" PRId64, c->end_time);
    buffer_append_text(&members, "}");
    build_filtered(&statement, members.data);
    buffer_printf(&expected, SELECT PROJECT "%s" ORDER, c->condition);
    assert_string_equal(buffer_text(&statement.sql), expected.data);
    check_values(&statement, 1, c->values);
    buffer_free(&members);
    buffer_free(&expected);
    statement_free(&statement);
}

static void columns_in_the_order_of_the_headers(void)
{
    static const char without_cast[] = "low_risk medium_risk high_risk fatal_risk create_time restart_count";
    struct buffer body = {0}, expected = {0};
    struct statement statement;

    buffer_append_text(&body, "{\"export_headers\":[");
    buffer_append_text(&expected, "SELECT ");
    for (size_t i = COLUMN_COUNT; i-- > 0;) {
        buffer_printf(&body, "%s[\"%s\",\"x\"]", i == COLUMN_COUNT - 1 ? "" : ",", columns[i].key);
        buffer_printf(&expected, "%sc.%s%s", i == COLUMN_COUNT - 1 ? "" : ", ", columns[i].key,
                      strstr(without_cast, columns[i].key) == NULL ? "::text" : "");
    }
    buffer_append_text(&body, "]}");
    buffer_append_text(&expected, " FROM \"waybill\".\"container\" AS c" PROJECT ORDER);
    build(&statement, &whole_project, body.data);
    assert_string_equal(buffer_text(&statement.sql), expected.data);
    buffer_free(&body);
    buffer_free(&expected);
    statement_free(&statement);
}

static const struct relation_case {
    const char *relation;
    const char *quoted;
} relation_cases[] = {
    {"waybill.container", " FROM \"waybill\".\"container\" AS c WHERE"},
    {"site.Container View", " FROM \"site\".\"Container View\" AS c WHERE"},
    {"SITE.T$1", " FROM \"SITE\".\"T$1\" AS c WHERE"},
    {"inventory", " FROM \"public\".\"inventory\" AS c WHERE"},
    {"b\xC3\xBCro.t", " FROM \"b\xC3\xBCro\".\"t\" AS c WHERE"},
    {"a\"b.c\"; DROP TABLE x; --", " FROM \"a\"\"b\".\"c\"\"; DROP TABLE x; --\" AS c WHERE"},
};

static void relations(const void *row)
{
    const struct relation_case *c = row;
    const struct inventory_query query = {.relation = c->relation, .project_id = "p1"};
    struct statement statement;

    build(&statement, &query, "{\"export_headers\":" ID "}");
    assert_non_null(strstr(buffer_text(&statement.sql), c->quoted));
    statement_free(&statement);
}

/* A $ in the relation's name is not a parameter. */
static void relation_with_dollars(void)
{
    const struct inventory_query query = {.relation = "weird$1.tab$le", .project_id = "p1"};
    struct statement statement;

    build(&statement, &query, "{\"status\":\"Running\",\"export_headers\":" ID "}");
    assert_int_equal(statement.count, 2);
    for (size_t i = 0; i < statement.count; i++) {
        const char *before = buffer_text(&statement.sql) + statement.places[i] - strlen("COLLATE \"C\" = ");

        assert_memory_equal(before, "COLLATE \"C\" = $", strlen("COLLATE \"C\" = $"));
    }
    statement_free(&statement);
}

static void scope_of_enterprise_projects(void)
{
    static const char projects[] = "{\"0\",\"e 1\\\"'\"}";
    struct inventory_query query = whole_project;
    struct statement statement;

    query.project_id = "p'1";
    query.enterprise_projects = projects;
    build(&statement, &query, "{\"status\":\"Running\",\"export_headers\":" ID "}");
    assert_string_equal(buffer_text(&statement.sql),
                        SELECT PROJECT " AND c.enterprise_project_id::text COLLATE \"C\" = ANY ($2::text[])"
                        " AND c.status::text COLLATE \"C\" = $3" ORDER);
    check_values(&statement, 0, (const char *const []) {"p'1", projects, "Running", NULL});
    statement_free(&statement);
}

static const struct limit_case {
    const char *label;
    int64_t limit;
    const char *end; /* of the statement */
} limit_cases[] = {
    {"none", 0, " COLLATE \"C\""},
    {"1", 1, " COLLATE \"C\" LIMIT 2"},
    {"100000", 100000, " COLLATE \"C\" LIMIT 100001"},
    {"the largest", INT64_MAX - 1, " COLLATE \"C\" LIMIT 9223372036854775807"},
};

/* The statement asks for one row more than the limit. */
static void limits(const void *row)
{
    const struct limit_case *c = row;
    struct inventory_query query = whole_project;
    struct statement statement;

    query.limit = c->limit;
    build(&statement, &query, "{\"export_headers\":" ID "}");
    assert_string_equal(strstr(buffer_text(&statement.sql), " ORDER BY c.container_id::text")
                        + strlen(" ORDER BY c.container_id::text"), c->end);
    statement_free(&statement);
}

static const struct {
    const char *text;
} hostile_texts[] = {
    {"'"}, {"''"}, {"'; DROP TABLE waybill.container; --"}, {"' OR '1'='1"}, {"\""}, {"\"; SELECT 1; --"}, {"\\"},
    {"\\'"}, {"$1"}, {"$2::text"}, {"$$"}, {"%"}, {"%s%n%d"}, {"_"}, {"/* x */"}, {"-- x"}, {"a\nb"}, {"\r\n;"},
    {"E'\\x27'"}, {"NULL"}, {"\xC2\xA7\xF0\x9F\x98\x80"}, {"::text COLLATE \"C\""}, {"{a,b}"}, {"\x01\x7F"}, {"*'*"},
    {"*; DROP *"}, {"*$1%"}, {"*\\*"},
};

static void add_text(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, json_object_new_string(text));
}

/* Builds the query in which every text that a caller controls is this text. */
static void build_from(struct statement *statement, const char *text)
{
    struct inventory_query query = whole_project;
    struct json_object *body = json_object_new_object();
    struct json_object *pair = json_object_new_array(), *headers = json_object_new_array();

    query.project_id = text;
    query.enterprise_projects = text;
    for (size_t i = 0; i < FILTER_COUNT; i++) {
        if (filters[i].kind == FILTER_NAME || filters[i].kind == FILTER_QUANTITY)
            add_text(body, filters[i].name, text);
    }
    json_object_array_add(pair, json_object_new_string("status"));
    json_object_array_add(pair, json_object_new_string(strpbrk(text, "\r\n\x01") == NULL ? text : "S"));
    json_object_array_add(headers, pair);
    json_object_object_add(body, "export_headers", headers);
    build(statement, &query, json_object_to_json_string(body));
    json_object_put(body);
}

/* The SQL is the same for every text, and the values are the texts: the SQL contains no text of a caller. */
static void no_text_of_a_caller_is_in_the_sql(const void *row)
{
    const char *text = *(const char *const *) row;
    bool pattern = strchr(text, '*') != NULL;
    struct statement harmless, hostile;

    build_from(&harmless, pattern ? "x*" : "x");
    build_from(&hostile, text);
    assert_string_equal(buffer_text(&hostile.sql), buffer_text(&harmless.sql));
    assert_int_equal(hostile.count, 8);
    for (size_t i = 0; i < hostile.count; i++) {
        bool is_name = i >= 2 && i <= 5;

        if (!pattern || !is_name)
            assert_string_equal(hostile.values[i], text);
    }
    statement_free(&harmless);
    statement_free(&hostile);
}

static void check_begins(const struct statement *statement, const char *head, const char *rest)
{
    const char *sql = buffer_text(&statement->sql);

    if (strncmp(sql, head, strlen(head)) != 0 || strncmp(sql + strlen(head), rest, strlen(rest)) != 0)
        check_fail("%s does not begin with %s%s", sql, head, rest);
}

static void check_ends(const struct statement *statement, const char *end)
{
    const char *sql = buffer_text(&statement->sql);

    if (strlen(sql) < strlen(end) || strcmp(sql + strlen(sql) - strlen(end), end) != 0)
        check_fail("%s does not end with %s", sql, end);
}

/* The count and the page have the conditions of the export. Only the page is sorted, limited and computes times. */
static void count_and_page(void)
{
    static const char conditions[] =
        " FROM \"waybill\".\"container\" AS c" PROJECT " AND CASE WHEN true AND c.enterprise_project_id::text"
        " COLLATE \"C\" = ANY ($2::text[]) AND c.status::text COLLATE \"C\" = $3 THEN true ELSE false END"
        " AND c.profile_key = ANY (";
    static const char body[] =
        "{\"status\":\"Running\","
        "\"export_headers\":[[\"container_id\",\"I\"],[\"create_time\",\"T\"],[\"risky\",\"R\"]]}";
    char keys[] = "{1,2}";
    struct combinations combinations = {.profiles = keys};
    struct inventory_query query = whole_project;
    struct statement count = {0}, page = {0};
    struct selection *selection;
    struct error err;

    query.enterprise_projects = "{\"0\"}";
    query.combinations = &combinations;
    selection = selection_parse(body, strlen(body), &err);
    check_good(selection != NULL, &err);
    query.selection = selection;
    inventory_query_build_count(&count, &query);
    inventory_query_build_page(&page, &query, 30);
    selection_free(selection);

    check_values(&count, 0, (const char *const []) {"p1", "{\"0\"}", "Running", "{1,2}", NULL});
    check_values(&page, 0, (const char *const []) {"p1", "{\"0\"}", "Running", "{1,2}", NULL});
    check_begins(&count, "SELECT count(*) AS total", conditions);
    check_begins(&page, "SELECT c.container_id::text AS container_id, floor(extract(epoch FROM"
                 " c.create_time::timestamptz) * 1000)::text AS create_time, c.risky::text AS risky", conditions);
    check_ends(&count, " = ANY ($4::bigint[])");
    check_ends(&page, " = ANY ($4::bigint[]) ORDER BY c.container_id::text COLLATE \"C\" LIMIT 10 OFFSET 30");
    statement_free(&count);
    statement_free(&page);
}

/* Which conditions are outside of CASE, and which are in it. "P" and "L" stand for the conditions on the keys. */
static const struct implied_case {
    const char *label;
    bool profiles, labels; /* keys are found */
    const char *filters;   /* of the body */
    const char *conditions;
} implied_cases[] = {
    {"no keys", false, false, "\"status\":\"Running\"", "enterprise_project_id status"},
    {"profiles", true, false, "\"status\":\"Running\",\"risky\":true,\"container_name\":\"a\"",
     "container_name CASE enterprise_project_id status risky END P"},
    {"labels", false, true, "\"status\":\"Running\",\"image_name\":\"a*\"",
     "enterprise_project_id status CASE image_name END L"},
    {"both", true, true, "\"cpu_limit\":\"1\",\"container_name\":\"a\",\"create_time\":{\"start_time\":1}",
     "create_time CASE enterprise_project_id container_name cpu_limit END P L"},
    {"the beginning of a pod's name", false, true, "\"pod_name\":\"a-*\"", "enterprise_project_id CASE pod_name END L"},
    {"the end of a pod's name", false, true, "\"pod_name\":\"*-a\"", "enterprise_project_id pod_name CASE END L"},
    {"the name of a pod", false, true, "\"pod_name\":\"a\"", "enterprise_project_id pod_name CASE END L"},
};

/* Appends the names of the columns, and of CASE and END, in the order of the conditions. */
static void list_conditions(const char *sql, struct buffer *out)
{
    static const char *const parts[] = {
        "CASE WHEN", "ELSE false END", "c.profile_key = ANY", "c.label_key = ANY", "c.enterprise_project_id::text C",
        "c.container_name::text C", "c.image_name::text C", "c.pod_name::text C", "c.status::text C",
        "c.risky::boolean =", "quantity_key(c.cpu_limit::", "c.create_time::timestamptz",
    };
    static const char *const names[] = {
        "CASE", "END", "P", "L", "enterprise_project_id", "container_name", "image_name", "pod_name", "status", "risky",
        "cpu_limit", "create_time",
    };

    for (; *sql != '\0'; sql++) {
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
            if (strncmp(sql, parts[i], strlen(parts[i])) == 0)
                buffer_printf(out, "%s%s", out->length == 0 ? "" : " ", names[i]);
        }
    }
}

static void implied_conditions(const void *row)
{
    const struct implied_case *c = row;
    char keys[] = "{1}";
    struct combinations combinations = {c->profiles ? keys : NULL, c->labels ? keys : NULL};
    struct inventory_query query = whole_project;
    struct buffer body = {0}, found = {0};
    struct statement statement = {0};
    struct selection *selection;
    struct error err;

    buffer_printf(&body, "{%s,\"export_headers\":[[\"container_id\",\"I\"]]}", c->filters);
    selection = selection_parse(buffer_text(&body), body.length, &err);
    check_good(selection != NULL, &err);
    query.enterprise_projects = "{\"0\"}";
    query.combinations = &combinations;
    query.selection = selection;
    inventory_query_build(&statement, &query);
    list_conditions(strstr(buffer_text(&statement.sql), " WHERE "), &found);
    assert_string_equal(buffer_text(&found), c->conditions);
    statement_free(&statement);
    selection_free(selection);
    buffer_free(&body);
    buffer_free(&found);
}

int main(void)
{
    CHECK_EACH(implied_conditions, implied_cases, label);
    CHECK_EACH(each_filter, filter_cases, members);
    CHECK_EACH(patterns, pattern_cases, json);
    CHECK_EACH(times, time_cases, label);
    CHECK(columns_in_the_order_of_the_headers);
    CHECK_EACH(relations, relation_cases, relation);
    CHECK(relation_with_dollars);
    CHECK(scope_of_enterprise_projects);
    CHECK_EACH(limits, limit_cases, label);
    CHECK_EACH(no_text_of_a_caller_is_in_the_sql, hostile_texts, text);
    CHECK(count_and_page);
    return check_run("inventory/query");
}
