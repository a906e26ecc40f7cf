/* A pool of connections that threads share. Connections are opened on demand, and replaced after they are lost. */
#ifndef WAYBILL_DB_POOL_H
#define WAYBILL_DB_POOL_H

#include "db/connection.h"

struct db_pool;

/* `settings` and the texts in it must outlive the pool. No connection is opened yet. */
struct db_pool *db_pool_new(const struct db_settings *settings, int size);

/*
 * Acquires a connection for the calling thread. If all are in use, waits for at most connect_timeout_ms of the
 * settings. Waiting threads are served in order. Returns NULL on failure, with ERROR_UNAVAILABLE or the error of
 * db_open. Release the connection with db_pool_release.
 */
MUST_CHECK struct db *db_pool_acquire(struct db_pool *pool, struct error *err);

/* Like db_pool_acquire, and sets the watcher of the connection (db_watch) until it is released. */
MUST_CHECK struct db *db_pool_acquire_watched(struct db_pool *pool, db_watcher watcher, void *context,
                                              struct error *err);

/*
 * Makes the connection available to other threads, without a watcher and a scope, or closes it if lost. NULL is not
 * allowed.
 */
void db_pool_release(struct db_pool *pool, struct db *db);

/* All connections must have been released. NULL is allowed. */
void db_pool_free(struct db_pool *pool);

#endif
