#include "db/query.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/digest.h"
#include "db/internal.h"

/* Keeps one of two results: the first that is an error, else the last. */
static PGresult *keep(PGresult *kept, PGresult *result)
{
    if (kept != NULL && PQresultStatus(kept) == PGRES_FATAL_ERROR) {
        PQclear(result);
        return kept;
    }
    PQclear(kept);
    return result;
}

/*
 * Whether the statement was a COPY from or to the client. db_collect does not transfer the data, so the COPY would
 * never end. It fails instead, and the connection is lost.
 */
static bool is_copy(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

/*
 * Reads the next result into *kept. *ret_more is false after the last one. Returns false if the connection is lost.
 */
static bool collect_next(struct db *db, int64_t deadline, PGresult **kept, bool *ret_more, struct error *err)
{
    bool is_pipeline = PQpipelineStatus(db->connection) != PQ_PIPELINE_OFF;
    bool failed;
    PGresult *result = db_next_result(db, deadline, &failed, err);

    if (failed)
        return false;
    *ret_more = result != NULL;
    if (result == NULL) {
        *ret_more = is_pipeline; /* this only ends the results of one of its statements */
        return !is_pipeline || PQstatus(db->connection) == CONNECTION_OK || db_fail(db, *kept, err);
    }
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        *ret_more = false;
        return PQexitPipelineMode(db->connection) == 1 || db_fail(db, NULL, err);
    }
    *kept = keep(*kept, result);
    if (!is_copy(*kept))
        return true;
    db_fail_with(err, ERROR_INTERNAL);
    return error_detail(err, "COPY to or from the client cannot be used here");
}

PGresult *db_collect(struct db *db, struct error *err)
{
    int64_t deadline = db_response_deadline(db);
    PGresult *kept = NULL;
    bool more = true;

    while (more) {
        if (!collect_next(db, deadline, &kept, &more, err)) {
            PQclear(kept);
            return NULL;
        }
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

/*
 * Receives the result of a statement; `sent` is whether it and what precedes it in its pipeline could be sent. If not,
 * what the server has received is unknown, and the connection is lost.
 */
static struct db_result *receive(struct db *db, bool sent, enum db_expect expect, struct error *err)
{
    PGresult *result;

    if (sent && PQpipelineStatus(db->connection) != PQ_PIPELINE_OFF)
        sent = PQpipelineSync(db->connection) == 1;
    if (!sent) {
        db_fail(db, NULL, err);
        db->abandoned = true;
        return NULL;
    }
    result = db_collect(db, err);
    if (result != NULL && !as_expected(result, expect)) {
        db_fail_with(err, ERROR_INTERNAL);
        error_detail(err, "unexpected result: %s, %d rows", PQresStatus(PQresultStatus(result)), PQntuples(result));
        PQclear(result);
        return NULL;
    }
    return (struct db_result *) result;
}

struct db_result *db_query(struct db *db, enum db_expect expect, const char *sql, size_t count,
                           const char *const *values, struct error *err)
{
    bool sent = db_begin_pipeline(db)
                && PQsendQueryParams(db->connection, sql, (int) count, NULL, values, NULL, NULL, 0) == 1;

    return receive(db, sent, expect, err);
}

struct db_result *db_query_built(struct db *db, enum db_expect expect, struct statement *statement, struct error *err)
{
    struct db_result *result = db_query(db, expect, buffer_text(&statement->sql), statement->count,
                                        (const char *const *) statement->values, err);

    statement_free(statement);
    return result;
}

#define PREPARED_NAME_SIZE 32

/* Finds or prepares a statement, and writes its name. */
static bool prepare(struct db *db, const char *sql, char name[PREPARED_NAME_SIZE], struct error *err)
{
    size_t number = 0;
    struct db_result *result;

    while (number < db->prepared_count && db->prepared[number] != sql)
        number++;
    snprintf(name, PREPARED_NAME_SIZE, "waybill_%zu", number);
    if (number < db->prepared_count)
        return true;
    assert(number < DB_MAX_PREPARED);
    result = receive(db, PQsendPrepare(db->connection, name, sql, 0, NULL) == 1, DB_NOTHING, err);
    if (result == NULL)
        return false;
    db_result_free(result);
    db->prepared[db->prepared_count++] = sql;
    return true;
}

struct db_result *db_query_prepared(struct db *db, enum db_expect expect, const char *sql, size_t count,
                                    const char *const *values, struct error *err)
{
    char name[PREPARED_NAME_SIZE];
    bool sent;

    if (!prepare(db, sql, name, err))
        return NULL;
    sent = db_begin_pipeline(db)
           && PQsendQueryPrepared(db->connection, name, (int) count, values, NULL, NULL, 0) == 1;
    return receive(db, sent, expect, err);
}

struct db_result *db_query_after(struct db *db, const char *before, enum db_expect expect, const char *sql,
                                 size_t count, const char *const *values, struct error *err)
{
    char first[PREPARED_NAME_SIZE], second[PREPARED_NAME_SIZE];
    bool sent;

    assert(PQtransactionStatus(db->connection) != PQTRANS_INTRANS);
    if (!prepare(db, before, first, err) || !prepare(db, sql, second, err))
        return NULL;
    sent = db_begin_pipeline(db)
           && (PQpipelineStatus(db->connection) == PQ_PIPELINE_ON || PQenterPipelineMode(db->connection) == 1)
           && PQsendQueryPrepared(db->connection, first, 0, NULL, NULL, NULL, 0) == 1
           && PQsendQueryPrepared(db->connection, second, (int) count, values, NULL, NULL, 0) == 1;
    return receive(db, sent, expect, err);
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

struct db_result *db_query_page(struct db *db, const char *sql, size_t count, const char *const *values, int limit,
                                int offset, struct error *err)
{
    const char *all[DB_PAGE_MAX_VALUES + 2];
    char limit_text[16], offset_text[16];

    assert(count <= DB_PAGE_MAX_VALUES);
    memcpy(all, values, count * sizeof(*values));
    snprintf(limit_text, sizeof(limit_text), "%d", limit);
    snprintf(offset_text, sizeof(offset_text), "%d", offset);
    all[count] = limit_text;
    all[count + 1] = offset_text;
    return db_query_prepared(db, DB_ROWS, sql, count + 2, all, err);
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

bool db_begin_copy(struct db *db, const char *sql, ExecStatusType status, int64_t deadline, struct error *err)
{
    PGresult *result;
    bool failed, begun;

    if (PQsendQuery(db->connection, sql) == 0)
        return db_fail(db, NULL, err);
    result = db_next_result(db, deadline, &failed, err);
    if (failed)
        return false;
    begun = PQresultStatus(result) == status;
    if (!begun) {
        db_fail(db, result, err);
        db_discard_results(db);
    }
    PQclear(result);
    return begun;
}

/* Begins a transaction with its scope. `after` is the rest of the script, which begins with a semicolon, or "". */
static bool begin_with(struct db *db, const char *begin, const char *after, struct error *err)
{
    struct buffer script = {0};
    bool begun;

    buffer_append_text(&script, begin);
    begun = db_append_scope(db, &script, err);
    buffer_append_text(&script, after);
    begun = begun && db_run_script(db, buffer_text(&script), err);
    buffer_free(&script);
    if (!begun)
        db_rollback(db);
    return begun;
}

bool db_begin(struct db *db, struct error *err)
{
    return begin_with(db, "BEGIN", "", err);
}

bool db_begin_snapshot(struct db *db, struct error *err)
{
    return begin_with(db, DB_BEGIN_SNAPSHOT, "", err);
}

bool db_begin_locked(struct db *db, int64_t lock, struct error *err)
{
    char acquire[80];

    /* The lock is acquired in its own statement, so that later statements take their snapshots after it. */
    snprintf(acquire, sizeof(acquire), "; SELECT pg_catalog.pg_advisory_xact_lock(%" PRId64 ")", lock);
    return begin_with(db, "BEGIN", acquire, err);
}

int64_t db_lock_of(const char *subject)
{
    unsigned char sha256[SHA256_SIZE];
    int64_t lock;

    digest_sha256(subject, strlen(subject), sha256);
    memcpy(&lock, sha256, sizeof(lock));
    return lock;
}

bool db_commit(struct db *db, struct error *err)
{
    /* PostgreSQL executes COMMIT of a failed transaction as ROLLBACK, and accepts COMMIT without a transaction. */
    if (PQtransactionStatus(db->connection) != PQTRANS_INTRANS) {
        db_fail_with(err, ERROR_INTERNAL);
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
