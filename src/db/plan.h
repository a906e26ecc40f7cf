/* Estimates of the PostgreSQL planner. */
#ifndef WAYBILL_DB_PLAN_H
#define WAYBILL_DB_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/statement.h"

/*
 * Estimates the number of rows of a query. *ret_rows is 0 if the plan cannot be parsed. Returns false if the query
 * cannot be planned.
 */
MUST_CHECK bool db_estimate_rows(struct db *db, const struct statement *query, int64_t *ret_rows, struct error *err);

#endif
