/* Connections shared by threads: opened when first needed, opened anew when they are lost. */
#ifndef WAYBILL_DB_POOL_H
#define WAYBILL_DB_POOL_H

#include "db/connection.h"

struct db_pool;

/* `settings` and what it points to must outlive the pool. Opens nothing yet. */
struct db_pool *db_pool_new(const struct db_settings *settings, int size);

/*
 * Takes a connection for the calling thread, waiting for one to come back if all are out, no longer than
 * the settings' connect_timeout_ms. Threads that wait are served in the order in which they came. NULL on failure:
 * ERROR_UNAVAILABLE, or the error of db_open. Give it back with db_pool_give.
 */
MUST_CHECK struct db *db_pool_take(struct db_pool *pool, struct error *err);

void db_pool_give(struct db_pool *pool, struct db *db);

/* All connections must have been given back. NULL is fine. */
void db_pool_free(struct db_pool *pool);

#endif
