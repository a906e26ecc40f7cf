/* Statements, their results and transactions, with a real server. */
#include "db/query.h"

#include <stdio.h>
#include <string.h>

#include "../unit/check.h"
#include "base/clock.h"
#include "db/internal.h"
#include "server.h"

static void an_open_connection_is_usable(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;

    check_good(db_ping(db, &err), &err);
    assert_true(db_is_usable(db));
    db_close(db);
}

static void columns_have_the_names_of_the_statement(void)
{
    static const char sql[] =
        "SELECT relname, 40 + $1::integer AS number, relname = 'pg_class' AS found, NULL::text AS nothing"
        " FROM pg_catalog.pg_class WHERE relname = $2";
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;
    struct db_result *row = db_query(db, DB_ONE_ROW, sql, 2, (const char *const[]) {"2", "pg_class"}, &err);

    check_good(row != NULL, &err);
    assert_string_equal(db_text(row, 0, "relname"), "pg_class");
    assert_int_equal(db_integer(row, 0, "number"), 42);
    assert_true(db_boolean(row, 0, "found"));
    assert_true(db_is_null(row, 0, "nothing"));
    db_result_free(row);
    db_close(db);
}

static const struct expect_case {
    const char *label;
    enum db_expect expect;
    int rows;
    bool is_good;
} expect_cases[] = {
    {"one of none", DB_ONE_ROW, 0, false},        {"one of one", DB_ONE_ROW, 1, true},
    {"one of two", DB_ONE_ROW, 2, false},         {"one or none of none", DB_ONE_OR_NO_ROW, 0, true},
    {"one or none of one", DB_ONE_OR_NO_ROW, 1, true}, {"one or none of two", DB_ONE_OR_NO_ROW, 2, false},
    {"any of two", DB_ROWS, 2, true},             {"nothing, but a row", DB_NOTHING, 1, false},
    {"nothing, but a result", DB_NOTHING, 0, false},
};

/* The connection stays usable when a result is not as expected. */
static void expectations(const void *row)
{
    const struct expect_case *c = row;
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct db_result *result;
    struct error err;
    char count[16];

    snprintf(count, sizeof(count), "%d", c->rows);
    result = db_query(db, c->expect, "SELECT generate_series(1, $1::integer)", 1, (const char *const[]) {count}, &err);
    assert_int_equal(result != NULL, c->is_good);
    if (!c->is_good)
        check_refusal(&err, ERROR_INTERNAL, "internal error");
    assert_true(db_is_usable(db));
    db_result_free(result);
    db_close(db);
}

static void changed_rows_are_counted(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    int64_t changed = -1;
    struct error err;

    server_run(db, "CREATE TEMPORARY TABLE numbers AS SELECT generate_series(1, 10) AS number");
    check_good(db_execute(db, "UPDATE pg_temp.numbers SET number = 0 WHERE number > $1::integer", 1,
                          (const char *const[]) {"7"}, &changed, &err), &err);
    assert_int_equal(changed, 3);
    db_close(db);
}

/* PostgreSQL reports such a COMMIT as a ROLLBACK, and as a success. */
static void a_failed_transaction_is_not_committed(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;

    check_good(db_begin_locked(db, 4711, &err), &err);
    assert_false(db_run_script(db, "SELECT 1 / 0", &err));
    assert_non_null(strstr(err.detail, "22012: division by zero"));
    assert_false(db_is_usable(db));
    assert_false(db_commit(db, &err));
    check_refusal(&err, ERROR_INTERNAL, "internal error");
    db_rollback(db);
    assert_true(db_is_usable(db));
    db_close(db);
}

/* Runs a prepared statement that returns the column `number`, and checks its value. */
static void expect_number(struct db *db, const char *sql, const char *value, int64_t expected)
{
    struct error err;
    struct db_result *row = db_query_prepared(db, DB_ONE_ROW, sql, 1, &value, &err);

    check_good(row != NULL, &err);
    assert_int_equal(db_integer(row, 0, "number"), expected);
    db_result_free(row);
}

/* Each statement is prepared once, and keeps its meaning. */
static void statements_are_prepared_once(void)
{
    static const char add[] = "SELECT $1::integer + 1 AS number";
    static const char multiply[] = "SELECT $1::integer * 2 AS number";
    static const char prepared[] =
        "SELECT count(*) + $1::integer AS number FROM pg_catalog.pg_prepared_statements WHERE NOT from_sql";
    struct db *db = server_open(SERVER_PATIENT_MS);

    for (int i = 0; i < 3; i++) {
        expect_number(db, add, "41", 42);
        expect_number(db, multiply, "41", 82);
    }
    expect_number(db, prepared, "0", 3);
    db_close(db);
}

/* It is prepared once it is right. The connection stays usable, in a transaction too. */
static void a_statement_that_cannot_be_prepared(void)
{
    static const char sql[] = "SELECT value::integer AS number FROM pg_temp.later WHERE value = $1";
    const char *value = "7";
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;

    check_good(db_begin(db, &err), &err);
    assert_null(db_query_prepared(db, DB_ONE_ROW, sql, 1, &value, &err));
    check_refusal(&err, ERROR_INTERNAL, "internal error");
    db_rollback(db);
    server_run(db, "CREATE TEMP TABLE later AS SELECT '7' AS value");
    expect_number(db, sql, value, 7);
    db_close(db);
}

static const struct copy_case {
    const char *script;
} copy_cases[] = {
    {"COPY waybill.counter TO STDOUT"},
    {"COPY waybill.counter FROM STDIN"},
    {"SELECT 1; COPY waybill.counter TO STDOUT"},
};

/* Such a statement would never end: the connection is lost to it. */
static void copy_is_refused(const void *row)
{
    const struct copy_case *c = row;
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;

    assert_false(db_run_script(db, c->script, &err));
    assert_non_null(strstr(err.detail, "COPY"));
    assert_false(db_is_usable(db));
    db_close(db);
}

/* The server ends it: the connection can be used again. */
static void a_statement_that_takes_too_long(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;

    server_run(db, "SET statement_timeout = 300");
    assert_false(db_run_script(db, "SELECT pg_sleep(60)", &err));
    check_refusal(&err, ERROR_TIMEOUT, "the database did not respond in time");
    assert_true(db_is_usable(db));
    db_close(db);
}

/* The server's time limit comes first, because it leaves the connection usable. */
static void the_client_waits_longer_than_the_server(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    int64_t now = clock_monotonic_ms();

    assert_true(db_response_deadline(db) > now + db->query_timeout_ms);
    db_close(db);
}

/* A server that does not keep its own time limit. */
static void a_server_that_does_not_answer(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;

    server_limit_client(db, 300);
    assert_false(db_run_script(db, "SELECT pg_sleep(60)", &err));
    check_refusal(&err, ERROR_TIMEOUT, "the database did not respond in time");
    assert_false(db_is_usable(db));
    db_close(db);
}

static void a_watcher_gives_up(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;
    int calls = 0;

    db_watch(db, server_watcher_gives_up, &calls);
    assert_false(db_run_script(db, "SELECT pg_sleep(60)", &err));
    check_refusal(&err, ERROR_CANCELLED, "the watcher gave up");
    assert_int_equal(calls, 1);
    assert_false(db_is_usable(db));
    db_close(db);
}

int main(void)
{
    CHECK(an_open_connection_is_usable);
    CHECK(columns_have_the_names_of_the_statement);
    CHECK_EACH(expectations, expect_cases, label);
    CHECK(changed_rows_are_counted);
    CHECK(a_failed_transaction_is_not_committed);
    CHECK(statements_are_prepared_once);
    CHECK(a_statement_that_cannot_be_prepared);
    CHECK_EACH(copy_is_refused, copy_cases, script);
    CHECK(a_statement_that_takes_too_long);
    CHECK(the_client_waits_longer_than_the_server);
    CHECK(a_server_that_does_not_answer);
    CHECK(a_watcher_gives_up);
    return check_run("db/query");
}
