/*
 * Connections to PostgreSQL, and the only place that knows libpq. What the SQL means stands with its
 * callers: export/task.c, claim.c, task_admin.c and retention.c for tasks, metrics/totals.c,
 * inventory/query.c, access/token.c, db/migrations.c. Every name in that SQL is schema-qualified:
 * the search path is empty.
 *
 * A connection belongs to one thread at a time. A statement that is given up, because a deadline passed or
 * a watcher said so, takes its connection with it: closed, it lets the server know within a second, and the
 * query ends there.
 *
 * Errors: ERROR_UNAVAILABLE when PostgreSQL can't be reached or is going down, ERROR_TIMEOUT when a deadline
 * passed, else ERROR_INTERNAL with the SQLSTATE and PostgreSQL's message in the detail.
 */
#ifndef WAYBILL_DB_DB_H
#define WAYBILL_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

struct db;
struct db_result;
struct statement;

struct db_settings {
    const char *conninfo;         /* libpq's connection string */
    const char *application_name; /* as pg_stat_activity shows it */
    const char *time_zone;        /* how timestamps are written as text */
    int connect_timeout_ms;       /* for each of several hosts, and for a service, in full seconds, 2 at least */
    int query_timeout_ms;         /* per statement, enforced by both sides */
};

/* Returns how many statements and connections of this process have failed with this code since the last call. */
uint64_t db_failures_take(enum error_code code);

/* What a query must give; anything else is ERROR_INTERNAL. */
enum db_expect {
    DB_NOTHING,    /* no rows: INSERT, UPDATE ... without RETURNING */
    DB_ONE_ROW,
    DB_ONE_OR_NO_ROW,
    DB_ROWS,       /* any number */
};

/* Opens a connection and pins what the SQL relies on: see db/session.c. NULL on failure. */
MUST_CHECK struct db *db_open(const struct db_settings *settings, struct error *err);

/* NULL is fine. */
void db_close(struct db *db);

/* False if the connection is known to be lost: noticed without a round trip, while it is idle. */
bool db_is_usable(struct db *db);

/*
 * While a call waits for the server, the watcher is called several times a second. When it returns false, the call
 * fails with the watcher's error and the connection is no longer usable. NULL: nobody watches.
 */
typedef bool (*db_watcher)(void *context, struct error *err);
void db_watch(struct db *db, db_watcher watcher, void *context);

/* Asks the server for a sign of life. */
MUST_CHECK bool db_ping(struct db *db, struct error *err);

/*
 * Sends one statement with its values as text parameters ($1 ...; a NULL value is SQL NULL), waits, and
 * checks what came back. NULL on failure, else free it with db_result_free.
 */
MUST_CHECK struct db_result *db_query(struct db *db, enum db_expect expect, const char *sql, size_t count,
                                      const char *const *values, struct error *err);

/* As db_query with DB_NOTHING; the number of rows it changed goes to *ret_changed, which may be NULL. */
MUST_CHECK bool db_execute(struct db *db, const char *sql, size_t count, const char *const *values,
                           int64_t *ret_changed, struct error *err);

/*
 * A transaction that begins once it holds the advisory lock with this number, which only has to be nobody else's. What
 * follows sees all that earlier holders committed. End it with db_commit, or db_rollback when something failed.
 */
MUST_CHECK bool db_begin_locked(struct db *db, int64_t lock, struct error *err);
MUST_CHECK bool db_commit(struct db *db, struct error *err);
void db_rollback(struct db *db); /* if that fails, or the state is unknown, the connection is no longer usable */

/* Runs a script of several statements, without values and without COPY to or from the client. */
MUST_CHECK bool db_run_script(struct db *db, const char *script, struct error *err);

size_t db_rows(const struct db_result *result);
bool db_is_null(const struct db_result *result, size_t row, size_t column);
const char *db_text(const struct db_result *result, size_t row, size_t column); /* its own; NULL for SQL NULL */
int64_t db_integer(const struct db_result *result, size_t row, size_t column);  /* 0 for SQL NULL */
bool db_boolean(const struct db_result *result, size_t row, size_t column);     /* false for SQL NULL */
void db_result_free(struct db_result *result); /* NULL is fine */

/*
 * Writes texts as the input form of text[]: {"a","b"}. Free with free().
 */
char *db_array_literal(const char *const *texts, size_t count);

/*
 * A row stream: COPY of a query's rows, in which every column is text, one row in memory at a time.
 * Between begin and end the connection serves nothing else.
 */
struct db_stream;

#define DB_STREAM_MAX_FIELDS 32

struct db_field {
    const char *data; /* NULL is SQL NULL; not followed by a NUL byte */
    size_t length;
};

enum db_stream_state {
    DB_STREAM_ROW,    /* a row was filled in */
    DB_STREAM_END,    /* there are no more */
    DB_STREAM_FAILED, /* err says why */
};

struct db_row {
    size_t count;
    struct db_field fields[DB_STREAM_MAX_FIELDS]; /* valid until the next call for this stream */
};

/* Starts the query. NULL on failure. */
MUST_CHECK struct db_stream *db_stream_begin(struct db *db, const struct statement *query, struct error *err);

/* The next row. */
MUST_CHECK enum db_stream_state db_stream_next(struct db_stream *stream, struct db_row *row, struct error *err);

/* Ends it. If rows are left the connection is given up: close it, and the server ends the query. NULL is fine. */
void db_stream_end(struct db_stream *stream);

/* The planner's guess of how many rows the query gives. False on failure. */
MUST_CHECK bool db_estimate_rows(struct db *db, const struct statement *query, int64_t *ret_rows, struct error *err);

/* Subscribes the connection to a channel of NOTIFY. */
MUST_CHECK bool db_listen(struct db *db, const char *channel, struct error *err);

#define DB_NOTICE_SIZE 64

enum db_notice {
    DB_NOTICE,        /* the payload was filled in, cut to what fits */
    DB_NOTICE_NONE,   /* none has come in the time given, or the descriptor became readable */
    DB_NOTICE_FAILED, /* the connection is lost: err says why */
};

/* Waits for a notification, no longer than timeout_ms nor than until `wake` is readable. */
MUST_CHECK enum db_notice db_next_notice(struct db *db, int wake, int timeout_ms, char payload[DB_NOTICE_SIZE],
                                         struct error *err);

#endif
