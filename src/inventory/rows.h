/*
 * The rows of a query, sent one by one from a connection to a sink. Whatever reads the inventory shares it: it needs
 * neither a task nor a lease nor a pool.
 */
#ifndef WAYBILL_INVENTORY_ROWS_H
#define WAYBILL_INVENTORY_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/db.h"
#include "inventory/query.h"

struct inventory_progress {
    int64_t expected; /* the planner's estimate of the rows, 0 until the server has given it */
    int64_t rows;     /* that the sink has taken */
    bool truncated;   /* more rows match than the query's limit */
    bool answered;    /* false if the connection was lost before the server answered anything */
};

struct inventory_sink {
    /*
     * Takes a row: its fields are the selection's columns, each as text, and last until the function returns. Fills err
     * and returns false to stop.
     */
    bool (*take_row)(void *context, const struct db_row *row, struct error *err);
    void *context;
};

struct inventory_watcher {
    /* Fills err and returns false to stop. */
    bool (*may_go_on)(void *context, const struct inventory_progress *progress, struct error *err);
    void *context;
};

/*
 * Sends the rows of the query to the sink, from one snapshot, in the order of the query, at most as many as its limit.
 * The connection must not be in a transaction.
 *
 * The watcher is called every 250 ms, between two rows or while the server is awaited; NULL if nobody watches. Neither
 * it nor the sink may use the connection.
 *
 * *progress is filled in as the rows go, and is valid on failure too. A failure can leave the connection unusable:
 * db_is_usable tells.
 */
MUST_CHECK bool inventory_rows(struct db *db, const struct inventory_query *query, const struct inventory_sink *sink,
                               const struct inventory_watcher *watcher, struct inventory_progress *progress,
                               struct error *err);

#endif
