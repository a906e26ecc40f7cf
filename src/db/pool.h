/* A pool of connections that threads share. They are opened on demand, and again when they are lost. */
#ifndef WAYBILL_DB_POOL_H
#define WAYBILL_DB_POOL_H

#include "db/connection.h"

struct db_pool;

/* `settings` and the texts in it must outlive the pool. No connection is opened yet. */
struct db_pool *db_pool_new(const struct db_settings *settings, int size);

/*
 * Takes a connection for the calling thread. If all are in use, waits for at most connect_timeout_ms of the settings.
 * Waiting threads are served in order. Returns NULL on failure: ERROR_UNAVAILABLE, or the error of db_open. Return the
 * connection with db_pool_give.
 */
MUST_CHECK struct db *db_pool_take(struct db_pool *pool, struct error *err);

void db_pool_give(struct db_pool *pool, struct db *db);

/* All connections must have been returned. NULL is allowed. */
void db_pool_free(struct db_pool *pool);

#endif
