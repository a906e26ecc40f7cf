/* The rows of a query as a CSV file. Exports and the shell share it. */
#ifndef WAYBILL_INVENTORY_ROWS_CSV_H
#define WAYBILL_INVENTORY_ROWS_CSV_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/db.h"
#include "inventory/csv_writer.h"
#include "inventory/query.h"
#include "inventory/rows.h"

/*
 * As inventory_rows: writes the header line of the query's selection and the rows to the output. The rows of *progress
 * can be more than the output has received, until the function succeeds.
 */
MUST_CHECK bool inventory_rows_csv(struct db *db, const struct inventory_query *query,
                                   const struct csv_options *options, const struct csv_output *output,
                                   const struct inventory_watcher *watcher, struct inventory_progress *progress,
                                   struct error *err);

#endif
