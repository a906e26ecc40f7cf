/* One page of the containers that match a selection. */
#ifndef WAYBILL_INVENTORY_PAGE_H
#define WAYBILL_INVENTORY_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/result.h"
#include "inventory/query.h"

struct inventory_page {
    int64_t total;          /* number of rows that match, on all pages */
    int64_t load_time;      /* of the last load of the project (inventory/load_time.h) */
    struct db_result *rows; /* as inventory_query_build_page describes; NULL if the page is beyond the last row */
};

/*
 * Reads the page that begins after `offset` rows and has at most `query->limit` rows. All of it is from one snapshot. A
 * view in the inventory sees this time zone, so that it returns the rows that an export would have. The connection must
 * not be in a transaction. Free the page with inventory_page_free.
 *
 * A failure can leave the connection unusable; check db_is_usable. Fails with ERROR_CONFIG if the relation lacks a
 * column that the query uses, or has one that is unusable (contract.h).
 */
MUST_CHECK bool inventory_page_read(struct db *db, const struct inventory_query *query, int offset,
                                    const char *time_zone, struct inventory_page *ret_page, struct error *err);

void inventory_page_free(struct inventory_page *page);

#endif
