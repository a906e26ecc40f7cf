/*
 * Connections to PostgreSQL. src/db is the only user of libpq. Each SQL statement is in the file that owns its table
 * (see CONTRIBUTING.md). Every name outside pg_catalog in that SQL is schema-qualified, because the search path is
 * empty.
 *
 * A connection belongs to one thread at a time. If a statement is abandoned, because a deadline passed or a watcher
 * returned false, the connection is lost too. After it is closed, the server cancels the query within a second.
 *
 * Errors: ERROR_UNAVAILABLE if PostgreSQL cannot be reached or is shutting down, ERROR_TIMEOUT if a deadline passed,
 * else ERROR_INTERNAL with the SQLSTATE and PostgreSQL's message in the detail.
 */
#ifndef WAYBILL_DB_CONNECTION_H
#define WAYBILL_DB_CONNECTION_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"

struct db;

struct db_settings {
    const char *conninfo;         /* libpq's connection string */
    const char *application_name; /* shown in pg_stat_activity */
    const char *time_zone;        /* of timestamps in text format */
    bool prefers_indexes;         /* plan with indexes whatever the size of a table: plans are kept while tables grow */
    bool reads_inventory;         /* the session reads many rows of the inventory in order */
    const char *role;             /* that the session becomes after the login; NULL: it remains the login role */
    int connect_timeout_ms;       /* with several hosts or a service: for each host, in whole seconds, at least 2 s */
    int query_timeout_ms;         /* for a statement; both sides enforce it */
};

/*
 * Opens a connection and sets the settings that the SQL relies on (db/session.c). Returns NULL on failure, also with
 * ERROR_CONFIG if the database is not set up for the service.
 */
MUST_CHECK struct db *db_open(const struct db_settings *settings, struct error *err);

/* NULL is allowed. */
void db_close(struct db *db);

/* Whether an idle connection is usable, as far as this can be checked without a round trip. */
bool db_is_usable(struct db *db);

#define DB_WATCH_MS 250 /* interval between calls of a watcher */

/*
 * Sets a function that is called every DB_WATCH_MS while a call waits for the server, or NULL. When it returns false,
 * the call fails with its error, and the connection is lost.
 */
typedef bool (*db_watcher)(void *context, struct error *err);
void db_watch(struct db *db, db_watcher watcher, void *context);

#endif
