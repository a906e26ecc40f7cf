/* What callers and the log are told of PostgreSQL's errors, and that they are counted (--wrap gives the errors). */
#include "db/failure.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "db/internal.h"

static struct {
    bool is_connected;
    const char *state, *message; /* of the result */
    const char *connection_message;
} server;

ConnStatusType __wrap_PQstatus(const PGconn *connection);
char *__wrap_PQerrorMessage(const PGconn *connection);
char *__wrap_PQresultErrorField(const PGresult *result, int field);

ConnStatusType __wrap_PQstatus(const PGconn *connection)
{
    (void) connection;
    return server.is_connected ? CONNECTION_OK : CONNECTION_BAD;
}

/* libpq returns text that callers must not change, as char *. */
static char *as_libpq(const char *text)
{
    char *result;

    memcpy(&result, &text, sizeof(result));
    return result;
}

char *__wrap_PQerrorMessage(const PGconn *connection)
{
    (void) connection;
    return as_libpq(server.connection_message);
}

char *__wrap_PQresultErrorField(const PGresult *result, int field)
{
    assert_non_null(result);
    return as_libpq(field == PG_DIAG_SQLSTATE ? server.state : server.message);
}

/* Forgets what was counted. */
static void take_all(void)
{
    for (enum error_code code = 0; code < ERROR_CODE_COUNT; code++)
        (void) db_failures_take(code);
}

static void fail_as(const char *state, struct error *err)
{
    static char result; /* never looked into */
    struct db db = {0};

    server.is_connected = true;
    server.state = state;
    server.message = "duplicate key value\nwith more";
    assert_false(db_fail(&db, (const PGresult *) &result, err));
}

static const struct state_case {
    const char *state;
    enum error_code code;
} state_cases[] = {
    {"08006", ERROR_UNAVAILABLE}, {"25006", ERROR_UNAVAILABLE}, {"25P02", ERROR_INTERNAL},
    {"28P01", ERROR_UNAVAILABLE}, {"3D000", ERROR_UNAVAILABLE}, {"40001", ERROR_UNAVAILABLE},
    {"40P01", ERROR_UNAVAILABLE}, {"40002", ERROR_INTERNAL},    {"53300", ERROR_UNAVAILABLE},
    {"53200", ERROR_INTERNAL},    {"55P03", ERROR_TIMEOUT},     {"57014", ERROR_TIMEOUT},
    {"57P01", ERROR_UNAVAILABLE}, {"57P03", ERROR_UNAVAILABLE}, {"23505", ERROR_INTERNAL},
};

static void states(const void *row)
{
    const struct state_case *c = row;
    struct error err;
    char detail[64];

    take_all();
    fail_as(c->state, &err);
    assert_int_equal(err.code, c->code);
    assert_null(strstr(err.message, "duplicate"));
    snprintf(detail, sizeof(detail), "%s: duplicate key value", c->state);
    assert_string_equal(err.detail, detail);
    for (enum error_code code = 0; code < ERROR_CODE_COUNT; code++)
        assert_int_equal(db_failures_take(code), code == c->code ? 1 : 0);
}

static const struct message_case {
    const char *state;
    const char *message;
} message_cases[] = {
    {"57P01", "the database cannot be reached; try again later"},
    {"57014", "the database did not respond in time"},
    {"23505", "internal error; for details, search the log of the service for the request_id"},
};

static void messages(const void *row)
{
    const struct message_case *c = row;
    struct error err;

    fail_as(c->state, &err);
    assert_string_equal(err.message, c->message);
}

/* Without a result, libpq's own message of the connection is the detail. */
static void a_lost_connection(void)
{
    struct db db = {0};
    struct error err;

    server.is_connected = false;
    server.connection_message = "server closed the connection unexpectedly\n\tThis probably means ...";
    assert_false(db_fail(&db, NULL, &err));
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    assert_string_equal(err.detail, "server closed the connection unexpectedly");
}

static void counts_until_taken(void)
{
    struct error err;

    take_all();
    assert_false(db_fail_with(&err, ERROR_TIMEOUT));
    assert_false(db_fail_with(&err, ERROR_UNAVAILABLE));
    assert_false(db_fail_with(&err, ERROR_TIMEOUT));
    assert_int_equal(db_failures_take(ERROR_TIMEOUT), 2);
    assert_int_equal(db_failures_take(ERROR_TIMEOUT), 0);
    assert_int_equal(db_failures_take(ERROR_UNAVAILABLE), 1);
}

#define THREADS 4
#define FAILURES 100000 /* of a thread: they take long enough for the threads to run at once */

static void *fail_often(void *start)
{
    struct error err;

    pthread_barrier_wait(start);
    for (int i = 0; i < FAILURES; i++)
        (void) db_fail_with(&err, ERROR_INTERNAL);
    return NULL;
}

static void threads_lose_no_count(void)
{
    pthread_t threads[THREADS];
    pthread_barrier_t start;

    take_all();
    pthread_barrier_init(&start, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fail_often, &start), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    assert_int_equal(db_failures_take(ERROR_INTERNAL), THREADS * FAILURES);
}

int main(void)
{
    CHECK_EACH(states, state_cases, state);
    CHECK_EACH(messages, message_cases, state);
    CHECK(a_lost_connection);
    CHECK(counts_until_taken);
    CHECK(threads_lose_no_count);
    return check_run("db/failure");
}
