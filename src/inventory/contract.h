/*
 * The contract of [inventory] relation: the columns of waybill.container that exports read, with usable types, and the
 * privilege to read them. It is compared with the catalog of the database. No row is read.
 */
#ifndef WAYBILL_INVENTORY_CONTRACT_H
#define WAYBILL_INVENTORY_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "inventory/query.h"
#include "inventory/record.h"

#define CONTRACT_COLUMN_COUNT (RECORD_FIELD_COUNT + 1) /* project_id, and those of record_columns */

/* A column that is missing or unusable, or the relation itself. */
struct contract_problem {
    const char *column; /* NULL: the relation */
    char *text;         /* for the operator, on one line: the column, what is wrong, and what mends it */
};

/* All problems at once, in the order of the columns. A problem of the relation is the only one. */
struct contract_result {
    size_t count; /* 0: the relation fulfils the contract */
    struct contract_problem problems[CONTRACT_COLUMN_COUNT];
};

/* Compares all columns with the catalog. Free the result with contract_free. */
MUST_CHECK bool contract_compare(struct db *db, const char *relation, struct contract_result *ret, struct error *err);

/* Frees the texts. The result is empty afterwards. */
void contract_free(struct contract_result *result);

/*
 * Compares the columns that the query uses with the catalog. Fails with ERROR_CONFIG if one is missing or unusable: the
 * message names the columns, and the detail contains the problems.
 */
MUST_CHECK bool contract_check_query(struct db *db, const struct inventory_query *query, struct error *err);

/*
 * Appends a query without rows that returns the columns that the query uses. As long as its shape stays (db/script.h),
 * the columns stay as usable as they were.
 */
void contract_append_shape(struct statement *statement, const struct inventory_query *query);

#endif
