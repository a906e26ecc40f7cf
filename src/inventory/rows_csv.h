/* Writes the rows of a query as a CSV file. */
#ifndef WAYBILL_INVENTORY_ROWS_CSV_H
#define WAYBILL_INVENTORY_ROWS_CSV_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "inventory/csv_writer.h"
#include "inventory/query.h"
#include "inventory/rows.h"

/*
 * Like inventory_rows, but writes the header line of the selection and then the rows to the output. Until the function
 * succeeds, *progress may count rows that the output has not received yet.
 */
MUST_CHECK bool inventory_rows_csv(struct db *db, const struct inventory_query *query,
                                   const struct csv_options *options, const struct csv_output *output,
                                   const struct inventory_watcher *watcher, struct inventory_progress *progress,
                                   struct error *err);

#endif
