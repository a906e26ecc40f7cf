/*
 * Sends the rows of a query, one by one, from a connection to a sink. All readers of the inventory use this code. It
 * does not depend on tasks, leases or the connection pool.
 */
#ifndef WAYBILL_INVENTORY_ROWS_H
#define WAYBILL_INVENTORY_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/stream.h"
#include "inventory/query.h"

struct inventory_progress {
    int64_t rows;     /* number of rows that the sink has accepted */
    bool truncated;   /* more rows match than the limit of the query */
    bool answered;    /* false if the connection was lost before the server responded */
};

struct inventory_sink {
    /*
     * Consumes a row. Its fields are the columns of the selection as text, valid until the function returns. To stop,
     * fill err and return false.
     */
    bool (*consume_row)(void *context, const struct db_row *row, struct error *err);
    void *context;
};

struct inventory_watcher {
    /* To stop, fill err and return false. */
    bool (*may_continue)(void *context, const struct inventory_progress *progress, struct error *err);
    void *context;
};

/*
 * Sends the rows of the query to the sink, from one snapshot, in the order of the query, up to its limit. The
 * connection must not be in a transaction.
 *
 * The watcher, which may be NULL, is called every DB_WATCH_MS, between rows and while waiting for the server. The
 * watcher and the sink must not use the connection.
 *
 * *progress is updated during the transfer, and is also valid on failure. A failure can leave the connection unusable;
 * check db_is_usable.
 *
 * Fails with ERROR_CONFIG, before any row, if the relation lacks a column that the query uses, or has one that is
 * unusable (contract.h).
 */
MUST_CHECK bool inventory_rows(struct db *db, const struct inventory_query *query, const struct inventory_sink *sink,
                               const struct inventory_watcher *watcher, struct inventory_progress *progress,
                               struct error *err);

#endif
