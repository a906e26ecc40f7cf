/* Rows that are copied into a table of a real server, and what becomes of them when something fails. */
#include "db/copy_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/check.h"
#include "base/clock.h"
#include "base/memory.h"
#include "db/failure.h"
#include "server.h"

#define MANY 100000

static struct db_field text(const char *value)
{
    return (struct db_field) {value, value == NULL ? 0 : strlen(value)};
}

static struct db_copy_in *begin(struct db *db, const char *target)
{
    struct error err;
    struct db_copy_in *copy = db_copy_in_begin(db, target, &err);

    check_good(copy != NULL, &err);
    return copy;
}

static void send_row(struct db_copy_in *copy, const char *first, const char *second)
{
    const struct db_field fields[] = {text(first), text(second)};
    struct error err;

    check_good(db_copy_in_row(copy, fields, ARRAY_SIZE(fields), &err), &err);
}

/* Sends rows that the table takes. */
static void send_rows(struct db_copy_in *copy, int count)
{
    for (int i = 0; i < count; i++) {
        char number[16];

        snprintf(number, sizeof(number), "%d", i);
        send_row(copy, number, "a value of the usual length that fills the buffers");
    }
}

/* A connection in a transaction, with a table of numbers and texts that is there as long as the connection. */
static struct db *open_with_table(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);

    server_run(db, "CREATE TEMPORARY TABLE entry ("
                   "    number integer PRIMARY KEY, value text CHECK (value <> 'forbidden'))");
    server_run(db, "BEGIN");
    return db;
}

/* After a failure of the COPY alone, the connection serves again once the transaction is rolled back. */
static void check_rolled_back(struct db *db)
{
    db_rollback(db);
    assert_true(db_is_usable(db));
    assert_int_equal(server_ask(db, "SELECT count(*) AS number FROM pg_temp.entry"), 0);
}

static const struct value_case {
    const char *label;
    const char *data;
    size_t length;
} value_cases[] = {
    {"NULL", NULL, 0},
    {"empty", BYTES("")},
    {"the mark of NULL", BYTES("\\N")},
    {"the mark of the end", BYTES("\\.")},
    {"backslashes", BYTES("\\\\server\\n\\t\\")},
    {"a tab", BYTES("a\tb\t")},
    {"line ends", BYTES("\na\r\nb\n\rc\r")},
    {"control characters", BYTES("\b\f\v\x01\x7F")},
    {"quotes", BYTES("\"it's\"")},
    {"UTF-8", BYTES("Gr\xC3\xBC\xC3\x9F""e \xE2\x82\xAC \xF0\x9F\x90\xB3")},
    {"a field that does not end with a NUL", "abcdef", 3},
};

/* The server has exactly the bytes that were sent. */
static void values(const void *row)
{
    const struct value_case *c = row;
    struct db *db = open_with_table();
    struct db_copy_in *copy = begin(db, "pg_temp.entry (value, number)");
    const struct db_field fields[] = {{c->data, c->length}, text("7")};
    struct db_result *result;
    int64_t rows = 0;
    struct error err;

    check_good(db_copy_in_row(copy, fields, 2, &err), &err);
    check_good(db_copy_in_end(copy, &rows, &err), &err);
    assert_int_equal(rows, 1);
    result = db_query(db, DB_ONE_ROW, "SELECT number, value FROM pg_temp.entry", 0, NULL, &err);
    check_good(result != NULL, &err);
    assert_int_equal(db_integer(result, 0, "number"), 7);
    if (c->data == NULL) {
        assert_true(db_is_null(result, 0, "value"));
    } else {
        assert_int_equal(strlen(db_text(result, 0, "value")), c->length);
        assert_memory_equal(db_text(result, 0, "value"), c->data, c->length);
    }
    db_result_free(result);
    db_close(db);
}

static const char *const samples[] = {
    NULL, "", "tab\there", "line\r\nend", "back\\slash", "\xE2\x82\xAC \xF0\x9F\x90\xB3",
};

/* Far more than the server and libpq hold at once. The server compares what it has with what it makes itself. */
static void many_rows(void)
{
    static const char sql[] =
        "SELECT count(*) AS number FROM pg_temp.entry JOIN generate_series(0, 99999) AS made (number) USING (number)"
        " WHERE value IS NOT DISTINCT FROM"
        "       (ARRAY[NULL, '', E'tab\\there', E'line\\r\\nend', E'back\\\\slash', E'\\u20AC \\U0001F433'])"
        "       [made.number % 6 + 1]";
    struct db *db = open_with_table();
    struct db_copy_in *copy = begin(db, "pg_temp.entry");
    int64_t rows = 0;
    struct error err;

    for (int i = 0; i < MANY; i++) {
        char number[16];

        snprintf(number, sizeof(number), "%d", i);
        send_row(copy, number, samples[(size_t) i % ARRAY_SIZE(samples)]);
    }
    check_good(db_copy_in_end(copy, &rows, &err), &err);
    assert_int_equal(rows, MANY);
    check_good(db_commit(db, &err), &err);
    assert_true(db_is_usable(db));
    assert_int_equal(server_ask(db, sql), MANY);
    assert_int_equal(server_ask(db, "SELECT count(*) AS number FROM pg_temp.entry"), MANY);
    db_close(db);
}

static void no_rows(void)
{
    struct db *db = open_with_table();
    int64_t rows = -1;
    struct error err;

    check_good(db_copy_in_end(begin(db, "pg_temp.entry"), &rows, &err), &err);
    assert_int_equal(rows, 0);
    check_good(db_copy_in_end(begin(db, "pg_temp.entry"), NULL, &err), &err);
    check_good(db_commit(db, &err), &err);
    db_close(db);
}

/* A row is larger than a piece, and than what a socket takes at once. */
static void a_large_row(void)
{
    struct db *db = open_with_table();
    struct db_copy_in *copy = begin(db, "pg_temp.entry");
    size_t size = 3000000;
    char *value = memory_zeroed(size + 1, 1);
    struct error err;

    memset(value, '\\', size);
    send_row(copy, "1", value);
    check_good(db_copy_in_end(copy, NULL, &err), &err);
    assert_int_equal(server_ask(db, "SELECT length(value) AS number FROM pg_temp.entry"), size);
    free(value);
    db_close(db);
}

static const struct refused_case {
    const char *label;
    const char *target;
} refused_cases[] = {
    {"no table", "pg_temp.missing"}, {"no column", "pg_temp.entry (missing)"}, {"no SQL", "pg_temp.entry ("},
};

static void targets_that_are_refused(const void *row)
{
    const struct refused_case *c = row;
    struct db *db = open_with_table();
    struct error err;

    assert_null(db_copy_in_begin(db, c->target, &err));
    check_refusal(&err, ERROR_INTERNAL, "internal error");
    check_rolled_back(db);
    db_close(db);
}

static const struct bad_case {
    const char *label;
    const char *number, *value;
    const char *state;
} bad_cases[] = {
    {"a key that is there", "10", "secret", "23505"},
    {"a value that a constraint forbids", "999999", "forbidden", "23514"},
    {"a value that the type refuses", "secret", "x", "22P02"},
    {"a NULL that is not allowed", NULL, "secret", "23502"},
    {"bytes that are not UTF-8", "999999", "\xFFsecret", "22021"},
};

/* An error in the middle of many rows is reported at the end. The message for callers does not contain the row. */
static void an_error_of_the_server(const void *row)
{
    const struct bad_case *c = row;
    struct db *db = open_with_table();
    struct db_copy_in *copy = begin(db, "pg_temp.entry");
    int64_t rows = -1;
    struct error err;

    send_rows(copy, 500);
    send_row(copy, c->number, c->value);
    send_rows(copy, 20000);
    assert_false(db_copy_in_end(copy, &rows, &err));
    check_refusal(&err, ERROR_INTERNAL, "internal error");
    assert_null(strstr(err.message, "secret"));
    assert_memory_equal(err.detail, c->state, 5);
    assert_int_equal(rows, -1);
    check_rolled_back(db);
    db_close(db);
}

static const struct count_case {
    const char *label;
    size_t count;
} count_cases[] = {{"a field too few", 1}, {"a field too many", 3}};

static void rows_of_another_width(const void *row)
{
    const struct count_case *c = row;
    const struct db_field fields[] = {text("1"), text("a"), text("b")};
    struct db *db = open_with_table();
    struct db_copy_in *copy = begin(db, "pg_temp.entry");
    struct error err;

    check_good(db_copy_in_row(copy, fields, c->count, &err), &err);
    assert_false(db_copy_in_end(copy, NULL, &err));
    assert_memory_equal(err.detail, "22P04", 5);
    check_rolled_back(db);
    db_close(db);
}

static const struct abort_case {
    const char *label;
    int rows;
} abort_cases[] = {{"before the first row", 0}, {"before anything is sent", 5}, {"when much is sent", 50000}};

static void an_abort_stores_nothing(const void *row)
{
    const struct abort_case *c = row;
    struct db *db = open_with_table();
    struct db_copy_in *copy = begin(db, "pg_temp.entry");
    uint64_t failures;

    for (enum error_code code = 0; code < ERROR_CODE_COUNT; code++)
        (void) db_failures_take(code);
    send_rows(copy, c->rows);
    db_copy_in_abort(copy);
    failures = db_failures_take(ERROR_TIMEOUT) + db_failures_take(ERROR_INTERNAL);
    assert_int_equal(failures, 0); /* nothing failed */
    check_rolled_back(db);
    db_close(db);
}

/* Outside a transaction an abort alone must see to it that no row is stored. */
static void an_abort_without_a_transaction(void)
{
    struct db *db = open_with_table();
    struct db_copy_in *copy;
    struct error err;

    check_good(db_commit(db, &err), &err);
    copy = begin(db, "pg_temp.entry");
    send_rows(copy, 50000);
    db_copy_in_abort(copy);
    assert_true(db_is_usable(db));
    assert_int_equal(server_ask(db, "SELECT count(*) AS number FROM pg_temp.entry"), 0);
    db_copy_in_abort(NULL);
    db_close(db);
}

/* Sends rows until that fails; there are far more than fit between here and a server that takes none. */
static void send_until_failure(struct db_copy_in *copy, struct error *err)
{
    const struct db_field fields[] = {text("1"), text("a value of the usual length that fills the buffers")};
    int rows = 0;

    while (db_copy_in_row(copy, fields, ARRAY_SIZE(fields), err)) {
        if (++rows == 5000000)
            check_fail("rows are sent to a server that takes none");
    }
}

/* Ends the server's process of a connection and waits until it has ended. */
static void kill_server(int64_t pid)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    char text_of_pid[24];
    struct db_result *row;
    struct error err;

    snprintf(text_of_pid, sizeof(text_of_pid), "%d", (int) pid);
    row = db_query(db, DB_ONE_ROW, "SELECT pg_terminate_backend($1::integer, 30000) AS ended", 1,
                   (const char *const[]) {text_of_pid}, &err);
    check_good(row != NULL, &err);
    assert_true(db_boolean(row, 0, "ended"));
    db_result_free(row);
    db_close(db);
}

static const struct kill_case {
    const char *label;
    bool while_sending;
} kill_cases[] = {{"while rows are sent", true}, {"before the end", false}};

static void a_server_that_is_killed(const void *row)
{
    const struct kill_case *c = row;
    struct db *db = open_with_table();
    int64_t pid = server_ask(db, "SELECT pg_backend_pid() AS number");
    struct db_copy_in *copy = begin(db, "pg_temp.entry");
    struct error err;

    send_row(copy, "0", "the first");
    kill_server(pid);
    if (c->while_sending) {
        send_until_failure(copy, &err);
        db_copy_in_abort(copy);
    } else {
        assert_false(db_copy_in_end(copy, NULL, &err));
    }
    check_refusal(&err, ERROR_UNAVAILABLE, "the database");
    assert_false(db_is_usable(db));
    db_close(db);
}

/* A table for whose first row the server takes a minute. */
static struct db *open_with_slow_table(void)
{
    struct db *db = open_with_table();

    server_run(db, "CREATE FUNCTION pg_temp.wait() RETURNS trigger LANGUAGE plpgsql"
                   "    AS 'BEGIN PERFORM pg_catalog.pg_sleep(60); RETURN NEW; END';"
                   "CREATE TRIGGER wait BEFORE INSERT ON pg_temp.entry FOR EACH ROW EXECUTE FUNCTION pg_temp.wait()");
    return db;
}

static const struct slow_case {
    const char *label;
    bool while_sending;
} slow_cases[] = {{"rows", true}, {"the end", false}};

/* No call waits for a server that hangs longer than the time limit, and half a second. */
static void a_deadline(const void *row)
{
    const struct slow_case *c = row;
    struct db *db = open_with_slow_table();
    struct db_copy_in *copy = begin(db, "pg_temp.entry");
    int64_t start = clock_monotonic_ms();
    struct error err;

    server_limit_client(db, 300);
    if (c->while_sending) {
        send_until_failure(copy, &err);
        db_copy_in_abort(copy);
    } else {
        send_row(copy, "1", "a");
        assert_false(db_copy_in_end(copy, NULL, &err));
    }
    check_refusal(&err, ERROR_TIMEOUT, "the database did not respond in time");
    assert_true(clock_monotonic_ms() - start >= 300);
    assert_true(clock_monotonic_ms() - start < 20000);
    assert_false(db_is_usable(db));
    db_close(db);
}

/* The server's time limit is for the COPY as a whole, and leaves the connection usable. */
static void a_time_limit_of_the_server(void)
{
    struct db *db = open_with_slow_table();
    struct db_copy_in *copy;
    struct error err;

    server_run(db, "SET statement_timeout = 300");
    copy = db_copy_in_begin(db, "pg_temp.entry", &err);
    if (copy != NULL) { /* else the machine is that slow */
        send_row(copy, "1", "a");
        assert_false(db_copy_in_end(copy, NULL, &err));
    }
    check_refusal(&err, ERROR_TIMEOUT, "the database did not respond in time");
    db_rollback(db);
    assert_true(db_is_usable(db));
    db_close(db);
}

/* Another transaction holds the table: nothing is sent at all. */
static void a_table_that_is_locked(void)
{
    struct db *owner = server_open(SERVER_PATIENT_MS), *db = server_open(SERVER_PATIENT_MS);
    struct error err;

    server_run(db, "SET statement_timeout = 300");
    server_run(owner, "BEGIN; LOCK TABLE waybill.counter");
    assert_null(db_copy_in_begin(db, "waybill.counter", &err));
    check_refusal(&err, ERROR_TIMEOUT, "the database did not respond in time");
    assert_true(db_is_usable(db));
    db_close(db);
    db_close(owner);
}

static void a_watcher_gives_up(const void *row)
{
    const struct slow_case *c = row;
    struct db *db = open_with_slow_table();
    struct db_copy_in *copy = begin(db, "pg_temp.entry");
    struct error err;
    int calls = 0;

    db_watch(db, server_watcher_gives_up, &calls);
    if (c->while_sending) {
        send_until_failure(copy, &err);
        db_copy_in_abort(copy);
    } else {
        send_row(copy, "1", "a");
        assert_false(db_copy_in_end(copy, NULL, &err));
    }
    check_refusal(&err, ERROR_CANCELLED, "the watcher gave up");
    assert_int_equal(calls, 1); /* an abort waits no more */
    assert_false(db_is_usable(db));
    db_close(db);
}

int main(void)
{
    CHECK_EACH(values, value_cases, label);
    CHECK(many_rows);
    CHECK(no_rows);
    CHECK(a_large_row);
    CHECK_EACH(targets_that_are_refused, refused_cases, label);
    CHECK_EACH(an_error_of_the_server, bad_cases, label);
    CHECK_EACH(rows_of_another_width, count_cases, label);
    CHECK_EACH(an_abort_stores_nothing, abort_cases, label);
    CHECK(an_abort_without_a_transaction);
    CHECK_EACH(a_server_that_is_killed, kill_cases, label);
    CHECK_EACH(a_deadline, slow_cases, label);
    CHECK(a_time_limit_of_the_server);
    CHECK(a_table_that_is_locked);
    CHECK_EACH(a_watcher_gives_up, slow_cases, label);
    return check_run("db/copy_in");
}
