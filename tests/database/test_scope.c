/* The scope of a connection, with a real server: which statements have it, and what it does to errors. */
#include "db/scope.h"

#include <stdio.h>
#include <string.h>

#include "../unit/check.h"
#include "db/internal.h"
#include "server.h"

#define READ                                                                                                        \
    "SELECT current_setting('waybill.project_id') AS project_id,"                                                    \
    " current_setting('waybill.enterprise_projects') AS enterprise_projects"

static const char read_prepared[] = READ; /* a constant of static lifetime, as db_query_prepared requires */

static void check_scope(struct db_result *row, const char *project_id, const char *enterprise_projects)
{
    assert_non_null(row);
    assert_string_equal(db_text(row, 0, "project_id"), project_id);
    assert_string_equal(db_text(row, 0, "enterprise_projects"), enterprise_projects);
    db_result_free(row);
}

/* The next statement has this scope, prepared or not. */
static void expect_scope(struct db *db, const char *project_id, const char *enterprise_projects)
{
    struct error err;

    check_scope(db_query(db, DB_ONE_ROW, READ, 0, NULL, &err), project_id, enterprise_projects);
    check_scope(db_query_prepared(db, DB_ONE_ROW, read_prepared, 0, NULL, &err), project_id, enterprise_projects);
    assert_true(PQtransactionStatus(db->connection) == PQTRANS_INTRANS || db_is_usable(db));
}

static struct db *open_with_scope(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);

    db_set_scope(db, "demo", NULL);
    return db;
}

static const struct scope_case {
    const char *project_id;
    const char *enterprise_projects; /* as set */
    const char *setting;             /* that this becomes */
} scope_cases[] = {
    {"demo", NULL, "all"},
    {"demo", "{\"0\",\"a b\"}", "{\"0\",\"a b\"}"},
    {"it's \\ \"x\" $1 -- ;", "{\"'\",\"\\\\\"}", "{\"'\",\"\\\\\"}"},
    {"\xe6\x97\xa5\xe6\x9c\xac", "{}", "{}"},
};

/* Outside transactions and in all kinds of them. None has it afterwards. */
static void each_transaction_has_it(const void *row)
{
    const struct scope_case *c = row;
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;

    for (int kind = 0; kind < 4; kind++) {
        db_set_scope(db, c->project_id, c->enterprise_projects);
        if (kind == 1)
            check_good(db_begin(db, &err), &err);
        else if (kind == 2)
            check_good(db_begin_snapshot(db, &err), &err);
        else if (kind == 3)
            check_good(db_begin_locked(db, 4712, &err), &err);
        expect_scope(db, c->project_id, c->setting);
        expect_scope(db, c->project_id, c->setting);
        if (kind > 0)
            check_good(db_commit(db, &err), &err);
        db_set_scope(db, NULL, NULL);
        expect_scope(db, "", "");
    }
    db_close(db);
}

/* Neither the statements of another scope nor those without one have an earlier scope. */
static void another_scope(void)
{
    struct db *db = open_with_scope();

    expect_scope(db, "demo", "all");
    db_set_scope(db, "other", "{a}");
    expect_scope(db, "other", "{a}");
    db_set_scope(db, NULL, "{a}");
    expect_scope(db, "", "");
    db_close(db);
}

static int64_t number_of(const char *sql)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;
    struct db_result *row = db_query(db, DB_ONE_ROW, sql, 0, NULL, &err);
    int64_t number;

    check_good(row != NULL, &err);
    number = db_integer(row, 0, "number");
    db_result_free(row);
    db_close(db);
    return number;
}

#define COUNT "SELECT count(*) AS number FROM waybill.counter WHERE name LIKE 'scope%'"

/* The pipeline is a transaction, which is committed unless the statement fails. */
static void a_statement_commits(void)
{
    struct db *db = open_with_scope();
    int64_t changed = 0;
    struct error err;

    server_run(db, "DELETE FROM waybill.counter WHERE name LIKE 'scope%'");
    check_good(db_execute(db, "INSERT INTO waybill.counter VALUES ('scope 1', 1)", 0, NULL, &changed, &err), &err);
    assert_int_equal(changed, 1);
    assert_int_equal(number_of(COUNT), 1);
    assert_false(db_execute(db, "INSERT INTO waybill.counter SELECT 'scope ' || i, 1 / (3 - i)"
                            " FROM generate_series(2, 3) AS i", 0, NULL, NULL, &err));
    check_refusal(&err, ERROR_INTERNAL, "internal error");
    assert_non_null(strstr(err.detail, "22012: division by zero"));
    assert_int_equal(number_of(COUNT), 1);
    expect_scope(db, "demo", "all");
    db_close(db);
}

/* The statement is not executed. A transaction does not begin. */
static void a_scope_that_cannot_be_set(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    int64_t before = number_of(COUNT);
    struct error err;

    db_set_scope(db, "\xff", NULL);
    assert_false(db_execute(db, "INSERT INTO waybill.counter VALUES ('scope x', 1)", 0, NULL, NULL, &err));
    check_refusal(&err, ERROR_INTERNAL, "internal error");
    assert_non_null(strstr(err.detail, "22021: "));
    assert_true(db_is_usable(db));
    assert_int_equal(number_of(COUNT), before);
    assert_false(db_begin(db, &err));
    check_refusal(&err, ERROR_INTERNAL, "internal error");
    assert_true(db_is_usable(db));
    db_set_scope(db, "demo", NULL);
    expect_scope(db, "demo", "all");
    db_close(db);
}

/* A statement that cannot be prepared, and a result that is not as expected. */
static void the_connection_stays_usable(void)
{
    static const char wrong[] = "SELECT nothing";
    struct db *db = open_with_scope();
    struct error err;

    assert_null(db_query_prepared(db, DB_ONE_ROW, wrong, 0, NULL, &err));
    assert_non_null(strstr(err.detail, "42703: "));
    expect_scope(db, "demo", "all");
    assert_null(db_query(db, DB_ONE_ROW, "SELECT generate_series(1, 2)", 0, NULL, &err));
    assert_non_null(strstr(err.detail, "2 rows"));
    expect_scope(db, "demo", "all");
    db_close(db);
}

static void a_statement_that_takes_too_long(void)
{
    struct db *db = open_with_scope();
    struct error err;

    server_run(db, "SET statement_timeout = 300");
    assert_null(db_query(db, DB_ONE_ROW, "SELECT pg_sleep(60)", 0, NULL, &err));
    check_refusal(&err, ERROR_TIMEOUT, "the database did not respond in time");
    expect_scope(db, "demo", "all");
    db_close(db);
}

static void a_server_that_does_not_answer(void)
{
    struct db *db = open_with_scope();
    struct error err;

    server_limit_client(db, 300);
    assert_null(db_query(db, DB_ONE_ROW, "SELECT pg_sleep(60)", 0, NULL, &err));
    check_refusal(&err, ERROR_TIMEOUT, "the database did not respond in time");
    assert_false(db_is_usable(db));
    db_close(db);
}

static void a_watcher_gives_up(void)
{
    struct db *db = open_with_scope();
    struct error err;
    int calls = 0;

    db_watch(db, server_watcher_gives_up, &calls);
    assert_null(db_query(db, DB_ONE_ROW, "SELECT pg_sleep(60)", 0, NULL, &err));
    check_refusal(&err, ERROR_CANCELLED, "the watcher gave up");
    assert_false(db_is_usable(db));
    db_close(db);
}

/* The result of the first statement of the pipeline is not taken for that of the second. */
static void a_connection_that_is_lost(void)
{
    struct db *db = open_with_scope();
    struct error err;

    assert_null(db_query(db, DB_ONE_ROW, "SELECT pg_terminate_backend(pg_backend_pid())", 0, NULL, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "the database cannot be reached");
    assert_false(db_is_usable(db));
    assert_null(db_query(db, DB_ONE_ROW, "SELECT 1", 0, NULL, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "the database cannot be reached");
    db_close(db);
}

static void copy_is_refused(void)
{
    struct db *db = open_with_scope();
    struct error err;

    assert_false(db_execute(db, "COPY waybill.counter TO STDOUT", 0, NULL, NULL, &err));
    check_refusal(&err, ERROR_INTERNAL, "internal error");
    assert_false(db_is_usable(db));
    db_close(db);
}

/* Until the end of the transaction, and only if there is a scope. */
static void a_scope_is_widened(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;

    db_set_scope(db, "demo", "{a}");
    check_good(db_begin(db, &err), &err);
    check_good(db_widen_scope(db, &err), &err);
    expect_scope(db, "demo", "all");
    check_good(db_commit(db, &err), &err);
    expect_scope(db, "demo", "{a}");

    db_set_scope(db, NULL, NULL);
    check_good(db_begin(db, &err), &err);
    check_good(db_widen_scope(db, &err), &err);
    expect_scope(db, "", "");
    db_rollback(db);
    db_close(db);
}

int main(void)
{
    CHECK_EACH(each_transaction_has_it, scope_cases, project_id);
    CHECK(another_scope);
    CHECK(a_statement_commits);
    CHECK(a_scope_that_cannot_be_set);
    CHECK(the_connection_stays_usable);
    CHECK(a_statement_that_takes_too_long);
    CHECK(a_server_that_does_not_answer);
    CHECK(a_watcher_gives_up);
    CHECK(a_connection_that_is_lost);
    CHECK(copy_is_refused);
    CHECK(a_scope_is_widened);
    return check_run("db/scope");
}
