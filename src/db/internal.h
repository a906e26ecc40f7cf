/*
 * What the files of src/db share: the one place that includes libpq's header. connection.c stands on connect.c and
 * session.c; these, and all that runs statements, stand on query.c, wait.c and failure.c, in this order.
 */
#ifndef WAYBILL_DB_INTERNAL_H
#define WAYBILL_DB_INTERNAL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

struct db {
    PGconn *connection;
    int query_timeout_ms;
    bool abandoned; /* no use any more: a statement was given up, and its answer may still come; or the server left */
    db_watcher watcher;
    void *watcher_context;
};

/* failure.c */

/* Sets err to what callers are told of this code, and counts it. Always returns false. */
bool db_fail_with(struct error *err, enum error_code code);

/* As db_fail_with, from a result, or from the connection where there is none; the detail is PostgreSQL's message. */
bool db_fail(struct db *db, const PGresult *result, struct error *err);

/* wait.c */

/*
 * The monotonic time by which the server must have answered a statement that is sent now. The server's own timeout
 * comes first, and leaves the connection usable.
 */
int64_t db_answer_deadline(const struct db *db);

/* Waits for these events of poll. False if the monotonic deadline passed. */
bool db_wait_socket(PGconn *connection, short events, int64_t deadline);

/*
 * Waits until the connection's socket has something to read, or takes more if something is left to
 * send. False if the monotonic deadline passed or the watcher gave up: err says which, and the connection is lost.
 */
bool db_wait(struct db *db, int64_t deadline, struct error *err);

/*
 * Waits until the server has taken all that is to be sent. False if the monotonic deadline passed, the watcher gave up
 * or the connection failed; then it is lost.
 */
bool db_flush(struct db *db, int64_t deadline, struct error *err);

/*
 * Waits for the next result of the statement that was sent. NULL when there are no more, or on failure;
 * then *ret_failed says which of the two. A result that holds an error is returned like any other.
 */
PGresult *db_next_result(struct db *db, int64_t deadline, bool *ret_failed, struct error *err);

/* Reads and drops all results of what was sent; if they do not come in time, the connection is lost. */
void db_discard_results(struct db *db);

/* query.c */

/* Reads all results of what was sent and returns the last one, for the caller to clear. NULL if one is an error. */
PGresult *db_collect(struct db *db, struct error *err);

/* connect.c */

/*
 * Connects, or fails as PQstatus says; NULL if there is no memory. What the server says unasked is logged, and `db`
 * learns of it when the server ends the connection.
 */
PGconn *db_connect(struct db *db, const struct db_settings *settings);

/* session.c */

/* Pins what the SQL of this program relies on, whatever the role or the database has set. */
MUST_CHECK bool db_pin_session(struct db *db, const struct db_settings *settings, struct error *err);

#endif
