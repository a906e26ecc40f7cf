#include "db/db.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "db/internal.h"
#include "db/statement.h"

#define SERVER_TIMEOUT_SLACK_MS 500 /* the server's own timeout comes first: it leaves the connection usable */
#define WATCH_MS 250                /* between the calls of a watcher */

static const char too_long[] = "the database took too long to answer";
static const char unavailable[] = "the database can't be reached at the moment; try again later";
static const char faulty[] = "the service failed on its side; its log has the details under the request_id";

/* SQLSTATEs, or classes of them, that are not a fault of the statement. */
static const struct {
    const char *prefix;
    enum error_code code;
} sqlstates[] = {
    {"08", ERROR_UNAVAILABLE},    /* connection exception */
    {"25006", ERROR_UNAVAILABLE}, /* read-only: a server that is not (or no longer) the primary */
    {"28", ERROR_UNAVAILABLE},    /* login refused */
    {"3D000", ERROR_UNAVAILABLE}, /* no such database */
    {"40001", ERROR_UNAVAILABLE}, /* serialization failure */
    {"40P01", ERROR_UNAVAILABLE}, /* deadlock */
    {"53300", ERROR_UNAVAILABLE}, /* too many connections */
    {"55P03", ERROR_TIMEOUT},     /* lock not available */
    {"57014", ERROR_TIMEOUT},     /* query cancelled */
    {"57P", ERROR_UNAVAILABLE},   /* shutting down, crashed, starting */
};

static _Atomic uint64_t failures[ERROR_CODE_COUNT];

uint64_t db_failures_take(enum error_code code)
{
    return atomic_exchange(&failures[code], 0);
}

/* Always returns false. */
static bool fail_with(struct error *err, enum error_code code, const char *message)
{
    atomic_fetch_add(&failures[code], 1);
    return error_set(err, code, "%s", message);
}

bool db_fail(struct db *db, const PGresult *result, struct error *err)
{
    const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    enum error_code code = ERROR_INTERNAL;

    if (PQstatus(db->connection) != CONNECTION_OK)
        code = ERROR_UNAVAILABLE;
    for (size_t i = 0; state != NULL && i < ARRAY_SIZE(sqlstates); i++) {
        if (strncmp(state, sqlstates[i].prefix, strlen(sqlstates[i].prefix)) == 0)
            code = sqlstates[i].code;
    }

    fail_with(err, code, code == ERROR_UNAVAILABLE ? unavailable : code == ERROR_TIMEOUT ? too_long : faulty);
    if (message == NULL)
        message = PQerrorMessage(db->connection);
    return error_detail(err, "%s%s%.*s", state == NULL ? "" : state, state == NULL ? "" : ": ",
                        (int) strcspn(message, "\n"), message);
}

bool db_wait_socket(PGconn *connection, short events, int64_t deadline)
{
    struct pollfd socket = {.fd = PQsocket(connection), .events = events};
    int ready;

    do
        ready = poll(&socket, 1, clock_remaining_ms(deadline));
    while (ready < 0 && errno == EINTR);
    return ready != 0; /* an error of poll is for libpq to find on the socket */
}

bool db_wait(struct db *db, int64_t deadline, struct error *err)
{
    for (;;) {
        short events = PQflush(db->connection) > 0 ? POLLIN | POLLOUT : POLLIN;
        int64_t until = db->watcher == NULL ? deadline : clock_monotonic_ms() + WATCH_MS;

        if (db_wait_socket(db->connection, events, until < deadline ? until : deadline))
            return true;
        if (db->watcher != NULL && !db->watcher(db->watcher_context, err))
            break;
        if (clock_monotonic_ms() >= deadline) {
            /* The server's own timeout has not helped: it hangs, or the network does. */
            fail_with(err, ERROR_TIMEOUT, too_long);
            break;
        }
    }
    db->abandoned = true;
    return false;
}

void db_watch(struct db *db, db_watcher watcher, void *context)
{
    db->watcher = watcher;
    db->watcher_context = context;
}

struct db *db_open(const struct db_settings *settings, struct error *err)
{
    struct db *db = memory_zeroed(1, sizeof(*db));
    const char *encoding;

    db->query_timeout_ms = settings->query_timeout_ms;
    db->connection = db_connect(db, settings);
    if (db->connection == NULL || PQstatus(db->connection) != CONNECTION_OK) {
        const char *reason = db->connection == NULL                        ? "out of memory"
                             : PQstatus(db->connection) == CONNECTION_BAD ? PQerrorMessage(db->connection)
                                                                          : "no connection within the time allowed";

        fail_with(err, ERROR_UNAVAILABLE, unavailable);
        error_detail(err, "%s", reason);
        goto fail;
    }
    if (PQsetnonblocking(db->connection, 1) != 0) {
        db_fail(db, NULL, err);
        goto fail;
    }
    encoding = PQparameterStatus(db->connection, "server_encoding");
    if (encoding == NULL || strcmp(encoding, "UTF8") != 0) {
        error_set(err, ERROR_CONFIG, "the database must have the encoding UTF8");
        goto fail;
    }
    if (!db_pin_session(db, settings, err))
        goto fail;
    return db;

fail:
    db_close(db);
    return NULL;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    PQfinish(db->connection);
    free(db);
}

bool db_is_usable(struct db *db)
{
    if (db->abandoned || PQstatus(db->connection) != CONNECTION_OK
        || PQtransactionStatus(db->connection) != PQTRANS_IDLE)
        return false;
    if (!db_wait_socket(db->connection, POLLIN, 0))
        return true;
    /* An idle server says little but that it goes away: there is a last message (take_notice), or an end of file. */
    if (PQconsumeInput(db->connection) == 0 || PQisBusy(db->connection) != 0)
        return false;
    return !db->abandoned && PQstatus(db->connection) == CONNECTION_OK && !db_wait_socket(db->connection, POLLIN, 0);
}

PGresult *db_next_result(struct db *db, int64_t deadline, bool *ret_failed, struct error *err)
{
    *ret_failed = false;
    while (PQisBusy(db->connection)) {
        *ret_failed = !db_wait(db, deadline, err);
        if (!*ret_failed && PQconsumeInput(db->connection) == 0)
            *ret_failed = !db_fail(db, NULL, err);
        if (*ret_failed)
            return NULL;
    }
    return PQgetResult(db->connection);
}

/* What to do with one result more: keeps the first that is an error, else the last. */
static PGresult *keep(PGresult *kept, PGresult *result)
{
    if (kept != NULL && PQresultStatus(kept) == PGRES_FATAL_ERROR) {
        PQclear(result);
        return kept;
    }
    PQclear(kept);
    return result;
}

/* COPY waits for what nobody here sends or takes: there would be no end of results. The connection is lost to it. */
static bool is_copy(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

PGresult *db_collect(struct db *db, struct error *err)
{
    int64_t deadline = clock_monotonic_ms() + db->query_timeout_ms + SERVER_TIMEOUT_SLACK_MS;
    PGresult *kept = NULL;
    PGresult *result;
    bool failed;

    while ((result = db_next_result(db, deadline, &failed, err)) != NULL) {
        kept = keep(kept, result);
        if (is_copy(kept)) {
            fail_with(err, ERROR_INTERNAL, faulty);
            error_detail(err, "COPY to or from the client can't be used here");
            failed = true;
            break;
        }
    }
    if (failed) {
        PQclear(kept);
        return NULL;
    }
    if (kept == NULL || PQresultStatus(kept) == PGRES_FATAL_ERROR || PQresultStatus(kept) == PGRES_BAD_RESPONSE) {
        db_fail(db, kept, err);
        PQclear(kept);
        return NULL;
    }
    return kept;
}

static bool as_expected(const PGresult *result, enum db_expect expect)
{
    int rows = PQntuples(result);

    switch (expect) {
    case DB_NOTHING:
        return PQresultStatus(result) == PGRES_COMMAND_OK;
    case DB_ONE_ROW:
        return PQresultStatus(result) == PGRES_TUPLES_OK && rows == 1;
    case DB_ONE_OR_NO_ROW:
        return PQresultStatus(result) == PGRES_TUPLES_OK && rows <= 1;
    case DB_ROWS:
        return PQresultStatus(result) == PGRES_TUPLES_OK;
    }
    return false;
}

struct db_result *db_query(struct db *db, enum db_expect expect, const char *sql, size_t count,
                           const char *const *values, struct error *err)
{
    PGresult *result;

    if (PQsendQueryParams(db->connection, sql, (int) count, NULL, values, NULL, NULL, 0) == 0) {
        db_fail(db, NULL, err);
        return NULL;
    }
    result = db_collect(db, err);
    if (result != NULL && !as_expected(result, expect)) {
        fail_with(err, ERROR_INTERNAL, faulty);
        error_detail(err, "unexpected result: %s, %d rows", PQresStatus(PQresultStatus(result)), PQntuples(result));
        PQclear(result);
        return NULL;
    }
    return (struct db_result *) result;
}

bool db_execute(struct db *db, const char *sql, size_t count, const char *const *values, int64_t *ret_changed,
                struct error *err)
{
    PGresult *result = (PGresult *) db_query(db, DB_NOTHING, sql, count, values, err);

    if (result == NULL)
        return false;
    if (ret_changed != NULL)
        *ret_changed = strtoll(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return true;
}

bool db_run_script(struct db *db, const char *script, struct error *err)
{
    PGresult *result;

    if (PQsendQuery(db->connection, script) == 0)
        return db_fail(db, NULL, err);
    result = db_collect(db, err);
    PQclear(result);
    return result != NULL;
}

bool db_begin_locked(struct db *db, int64_t lock, struct error *err)
{
    struct buffer script = {0};
    bool begun;

    /* The lock has a statement of its own: those after it have their snapshots from when it is held. */
    buffer_printf(&script, "BEGIN; SELECT pg_catalog.pg_advisory_xact_lock(%" PRId64 ")", lock);
    begun = db_run_script(db, buffer_text(&script), err);
    buffer_free(&script);
    if (!begun)
        db_rollback(db);
    return begun;
}

bool db_commit(struct db *db, struct error *err)
{
    /* PostgreSQL takes COMMIT of a failed transaction for ROLLBACK, and of none for a success. */
    if (PQtransactionStatus(db->connection) != PQTRANS_INTRANS) {
        fail_with(err, ERROR_INTERNAL, faulty);
        return error_detail(err, "the transaction ended before its COMMIT");
    }
    return db_run_script(db, "COMMIT", err);
}

void db_rollback(struct db *db)
{
    PGTransactionStatusType status = PQtransactionStatus(db->connection);
    struct error ignored;

    if (status == PQTRANS_INTRANS || status == PQTRANS_INERROR)
        (void) !db_run_script(db, "ROLLBACK", &ignored);
}

bool db_ping(struct db *db, struct error *err)
{
    return db_run_script(db, "SELECT 1", err);
}

static const PGresult *result_of(const struct db_result *result)
{
    return (const PGresult *) result;
}

size_t db_rows(const struct db_result *result)
{
    return (size_t) PQntuples(result_of(result));
}

bool db_is_null(const struct db_result *result, size_t row, size_t column)
{
    return PQgetisnull(result_of(result), (int) row, (int) column) != 0;
}

const char *db_text(const struct db_result *result, size_t row, size_t column)
{
    return db_is_null(result, row, column) ? NULL : PQgetvalue(result_of(result), (int) row, (int) column);
}

int64_t db_integer(const struct db_result *result, size_t row, size_t column)
{
    return strtoll(PQgetvalue(result_of(result), (int) row, (int) column), NULL, 10);
}

bool db_boolean(const struct db_result *result, size_t row, size_t column)
{
    return PQgetvalue(result_of(result), (int) row, (int) column)[0] == 't';
}

void db_result_free(struct db_result *result)
{
    PQclear((PGresult *) result);
}

char *db_array_literal(const char *const *texts, size_t count)
{
    struct buffer literal = {0};

    buffer_append_text(&literal, "{");
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(&literal, i == 0 ? "\"" : ",\"");
        for (const char *c = texts[i]; *c != '\0'; c++) {
            if (*c == '"' || *c == '\\')
                buffer_append_text(&literal, "\\");
            buffer_append(&literal, c, 1);
        }
        buffer_append_text(&literal, "\"");
    }
    buffer_append_text(&literal, "}");
    return literal.data;
}

bool db_estimate_rows(struct db *db, const struct statement *query, int64_t *ret_rows, struct error *err)
{
    struct buffer sql = {0};
    struct db_result *plan;
    const char *rows;

    buffer_printf(&sql, "EXPLAIN %s", buffer_text(&query->sql));
    plan = db_query(db, DB_ROWS, buffer_text(&sql), query->count, (const char *const *) query->values, err);
    buffer_free(&sql);
    if (plan == NULL)
        return false;

    /* The first line is the outermost node: Limit  (cost=0.42..8.44 rows=1 width=32) */
    rows = db_rows(plan) == 0 ? NULL : strstr(db_text(plan, 0, 0), " rows=");
    *ret_rows = rows == NULL ? 0 : strtoll(rows + strlen(" rows="), NULL, 10);
    db_result_free(plan);
    return true;
}
