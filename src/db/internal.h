/*
 * Declarations that the files of src/db share. Only this file includes the header of libpq. connection.c uses connect.c
 * and session.c. session.c and all files that run statements use query.c. query.c uses scope.c. stream.c uses
 * script.c. query.c and connect.c use wait.c, which uses failure.c.
 */
#ifndef WAYBILL_DB_INTERNAL_H
#define WAYBILL_DB_INTERNAL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/statement.h"

#define DB_MAX_PREPARED 64
#define DB_MAX_SHAPES 8 /* exports of a site use few sets of columns */

/* Begins a transaction whose statements see one snapshot and change nothing. */
#define DB_BEGIN_SNAPSHOT "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"

struct db {
    PGconn *connection;
    int query_timeout_ms;
    bool abandoned; /* unusable: a statement was abandoned and may still return results, or the server closed it */
    const char *prepared[DB_MAX_PREPARED]; /* the SQL of prepared statements; the index is the number in their names */
    size_t prepared_count;
    char *shapes[DB_MAX_SHAPES]; /* of db/script.h; the index is the number in the names of their statements */
    size_t next_shape;           /* to replace */
    db_watcher watcher;
    void *watcher_context;
    char *scope_project; /* of db/scope.h; NULL: no scope */
    char *scope_enterprise_projects;
};

/* failure.c */

/* Sets err to the message for callers with this code, and counts the error. Always returns false. */
bool db_fail_with(struct error *err, enum error_code code);

/* Like db_fail_with, from a result or, if NULL, from the connection. The detail is the message of PostgreSQL. */
bool db_fail(struct db *db, const PGresult *result, struct error *err);

/* wait.c */

/*
 * Returns the deadline, in monotonic time, for the response to a statement that is sent now. The timeout of the server
 * is shorter, and leaves the connection usable.
 */
int64_t db_response_deadline(const struct db *db);

/* Waits for these poll events. Returns false if the monotonic deadline passed. */
bool db_wait_socket(PGconn *connection, short events, int64_t deadline);

/*
 * Waits until the socket is readable or, if something is left to send, writable. Returns false if the monotonic
 * deadline passed or the watcher returned false; in that case, the connection is lost.
 */
bool db_wait(struct db *db, int64_t deadline, struct error *err);

/*
 * Waits until everything is sent. Returns false if the monotonic deadline passed, the watcher returned false or the
 * connection failed; in that case, the connection is lost.
 */
bool db_flush(struct db *db, int64_t deadline, struct error *err);

/*
 * Waits for the next result of the statement that was sent. Returns NULL if there are no more, or on failure, which
 * sets *ret_failed. A result that holds an error is returned like any other.
 */
PGresult *db_next_result(struct db *db, int64_t deadline, bool *ret_failed, struct error *err);

/* Reads and discards all results. If they do not arrive in time, the connection is lost. */
void db_discard_results(struct db *db);

/* query.c */

/* Reads all results and returns the last one, which the caller clears. Returns NULL if one is an error. */
PGresult *db_collect(struct db *db, struct error *err);

/*
 * Sends a COPY statement, and waits until the server is ready for it: `status` is PGRES_COPY_IN or PGRES_COPY_OUT.
 * `deadline` is in monotonic time.
 */
MUST_CHECK bool db_begin_copy(struct db *db, const char *sql, ExecStatusType status, int64_t deadline,
                              struct error *err);

/* script.c */

/* Appends the statement with a quoted literal in place of each $n, where the server does not accept parameters. */
MUST_CHECK bool db_append_quoted(struct db *db, const struct statement *statement, struct buffer *sql,
                                 struct error *err);

/* scope.c */

/* Appends the statements that set the scope, if there is one, for the rest of the transaction: "; SET LOCAL ...". */
MUST_CHECK bool db_append_scope(struct db *db, struct buffer *script, struct error *err);

/* Appends the statement that prepares the one that sets the scope, for the script of a new session. */
void db_append_scope_statement(struct buffer *script);

/*
 * If there is a scope and no transaction, enters pipeline mode and sends the statement that sets the scope. The next
 * statement and PQpipelineSync must follow; then db_collect returns its result and leaves pipeline mode. The server
 * executes a pipeline as one transaction. Returns false on failure; then the connection is lost.
 */
MUST_CHECK bool db_begin_pipeline(struct db *db);

/* connect.c */

/*
 * Connects. Check the result with PQstatus. Returns NULL if memory cannot be allocated. Notices of the server are
 * logged; a notice that the server closes the connection sets db->abandoned.
 */
PGconn *db_connect(struct db *db, const struct db_settings *settings);

/* session.c */

/* Sets all settings that the SQL of this program relies on. They override those of the role and the database. */
MUST_CHECK bool db_pin_session(struct db *db, const struct db_settings *settings, struct error *err);

#endif
