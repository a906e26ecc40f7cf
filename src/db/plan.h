/* What the server's planner expects of a query. */
#ifndef WAYBILL_DB_PLAN_H
#define WAYBILL_DB_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/statement.h"

/*
 * Asks for the planner's estimate of how many rows the query returns, 0 if its plan cannot be read. False if the query
 * cannot be planned.
 */
MUST_CHECK bool db_estimate_rows(struct db *db, const struct statement *query, int64_t *ret_rows, struct error *err);

#endif
