#include "db/statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "db/query.h"

static void appends_and_binds(void)
{
    struct statement statement = {0};

    statement_append(&statement, "SELECT %s FROM t WHERE a = ", "a");
    statement_bind(&statement, "x");
    statement_append(&statement, " AND b LIKE ");
    statement_bind(&statement, "100%'; DROP TABLE t; -- $1");
    statement_append(&statement, " LIMIT %d", 5);
    assert_string_equal(buffer_text(&statement.sql), "SELECT a FROM t WHERE a = $1 AND b LIKE $2 LIMIT 5");
    assert_int_equal(statement.count, 2);
    assert_string_equal(statement.values[0], "x");
    assert_string_equal(statement.values[1], "100%'; DROP TABLE t; -- $1");
    statement_free(&statement);
}

/* Only a bound value is a parameter: its position distinguishes it from any other $. */
static void knows_where_values_stand(void)
{
    struct statement statement = {0};

    statement_append(&statement, "SELECT '$2' FROM ");
    statement_identifier(&statement, BYTES("weird$1"));
    statement_append(&statement, " WHERE a = ");
    statement_bind(&statement, "x");
    statement_append(&statement, " OR ");
    statement_identifier(&statement, BYTES("$3"));
    statement_append(&statement, " = ");
    for (int i = 2; i <= 10; i++)
        statement_bind(&statement, "y");
    assert_string_equal(buffer_text(&statement.sql),
                        "SELECT '$2' FROM \"weird$1\" WHERE a = $1 OR \"$3\" = $2$3$4$5$6$7$8$9$10");
    for (size_t i = 0; i < statement.count; i++) {
        char expected[32];

        snprintf(expected, sizeof(expected), "$%zu", i + 1);
        assert_int_equal(statement.lengths[i], strlen(expected));
        assert_memory_equal(buffer_text(&statement.sql) + statement.places[i], expected, statement.lengths[i]);
    }
    assert_int_equal(statement.places[0], strlen("SELECT '$2' FROM \"weird$1\" WHERE a = "));
    assert_int_equal(statement.places[1], strlen("SELECT '$2' FROM \"weird$1\" WHERE a = $1 OR \"$3\" = "));
    statement_free(&statement);
}

static void keeps_copies(void)
{
    struct statement statement = {0};
    char value[] = "before";

    statement_bind(&statement, value);
    strcpy(value, "after");
    assert_string_equal(statement.values[0], "before");
    statement_free(&statement);
}

static void binds_the_empty_text(void)
{
    struct statement statement = {0};

    statement_bind(&statement, "");
    assert_string_equal(statement.values[0], "");
    assert_string_equal(buffer_text(&statement.sql), "$1");
    statement_free(&statement);
}

static void binds_as_many_as_it_may(void)
{
    struct statement statement = {0};

    for (int i = 0; i < STATEMENT_MAX_VALUES; i++) {
        statement_bind(&statement, "v");
        statement_append(&statement, ",");
    }
    assert_int_equal(statement.count, STATEMENT_MAX_VALUES);
    assert_non_null(strstr(buffer_text(&statement.sql), ",$9,$10,$11,"));
    assert_non_null(strstr(buffer_text(&statement.sql), ",$63,$64,"));
    statement_free(&statement);
}

static const struct identifier_case {
    const char *name;
    const char *quoted;
} identifier_cases[] = {
    {"container", "\"container\""},
    {"Mixed Case", "\"Mixed Case\""},
    {"a\"b", "\"a\"\"b\""},
    {"\"", "\"\"\"\""},
    {"a\\b'c", "\"a\\b'c\""},
    {"x\"; DROP TABLE t; --", "\"x\"\"; DROP TABLE t; --\""},
    {"b\xC3\xBCro", "\"b\xC3\xBCro\""},
    {"100%s", "\"100%s\""},
};

static void quotes_identifiers(const void *row)
{
    const struct identifier_case *c = row;
    struct statement statement = {0};

    statement_identifier(&statement, c->name, strlen(c->name));
    assert_string_equal(buffer_text(&statement.sql), c->quoted);
    assert_int_equal(statement.count, 0);
    statement_free(&statement);
}

static void quotes_a_part_of_a_name(void)
{
    struct statement statement = {0};

    statement_identifier(&statement, "schema.table", 6);
    assert_string_equal(buffer_text(&statement.sql), "\"schema\"");
    statement_free(&statement);
}

static void is_empty_after_free(void)
{
    struct statement statement = {0};

    statement_append(&statement, "SELECT ");
    statement_bind(&statement, "x");
    statement_free(&statement);
    assert_int_equal(statement.count, 0);
    statement_append(&statement, "again ");
    statement_bind(&statement, "y");
    assert_string_equal(buffer_text(&statement.sql), "again $1");
    statement_free(&statement);
    statement_free(&statement);
}

static const struct array_case {
    const char *literal;
    size_t count;
    const char *texts[3];
} array_cases[] = {
    {"{}", 0, {NULL}},
    {"{\"0\"}", 1, {"0"}},
    {"{\"\"}", 1, {""}},
    {"{\"a\",\"b\",\"c\"}", 3, {"a", "b", "c"}},
    {"{\"a,b\",\"{c}\",\"NULL\"}", 3, {"a,b", "{c}", "NULL"}},
    {"{\"a\\\"b\",\"\\\\\",\"\\\\\\\"\"}", 3, {"a\"b", "\\", "\\\""}},
    {"{\" a \",\"'\",\"\xC3\xA9\n\"}", 3, {" a ", "'", "\xC3\xA9\n"}},
};

static void array_literals(const void *row)
{
    const struct array_case *c = row;
    char *literal = db_array_literal(c->texts, c->count);

    assert_string_equal(literal, c->literal);
    free(literal);
}

int main(void)
{
    CHECK(appends_and_binds);
    CHECK(knows_where_values_stand);
    CHECK(keeps_copies);
    CHECK(binds_the_empty_text);
    CHECK(binds_as_many_as_it_may);
    CHECK_EACH(quotes_identifiers, identifier_cases, name);
    CHECK(quotes_a_part_of_a_name);
    CHECK(is_empty_after_free);
    CHECK_EACH(array_literals, array_cases, literal);
    return check_run("db/statement");
}
