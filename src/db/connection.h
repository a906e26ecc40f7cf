/*
 * Connections to PostgreSQL. src/db is the only user of libpq. Each SQL statement stands with the code that owns its
 * table (see CONTRIBUTING.md). Every name in that SQL is schema-qualified, because the search path is empty.
 *
 * A connection belongs to one thread at a time. A statement that is given up, because a deadline passed or a watcher
 * said so, takes its connection with it: closing the connection tells the server within a second, and the query ends
 * there.
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
    const char *application_name; /* as pg_stat_activity shows it */
    const char *time_zone;        /* how timestamps are written as text */
    int connect_timeout_ms;       /* for each of several hosts, and for a service, in full seconds, 2 at least */
    int query_timeout_ms;         /* per statement, enforced by both sides */
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

#endif
