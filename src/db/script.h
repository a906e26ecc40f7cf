/* Runs several statements in one round trip. The errors are those of db/connection.h. */
#ifndef WAYBILL_DB_SCRIPT_H
#define WAYBILL_DB_SCRIPT_H

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/result.h"
#include "db/statement.h"

/*
 * Begins a transaction like db_begin_snapshot and runs a script in it, in one round trip. The script consists of
 * statements with a semicolon between them; its values are quoted. Returns the result of its last statement. Free it
 * with db_result_free. Returns NULL on failure; then there is no transaction.
 */
MUST_CHECK struct db_result *db_begin_snapshot_with(struct db *db, const struct statement *script, struct error *err);

/*
 * A connection can remember the shape of a query: the names and types of the columns that it returns. The query has no
 * values. If its relation changes later, so that the query would fail or return other columns, the check of the shape
 * fails with ERROR_INTERNAL. The check costs far less than a look into the catalog.
 */

/* Remembers the shape that the query has now. Forgets another if there are too many. Not in a transaction. */
MUST_CHECK bool db_remember_shape(struct db *db, const char *query, struct error *err);

/*
 * Appends a statement that checks the shape, and returns no row. Returns false if the connection does not remember the
 * shape of this query.
 */
bool db_append_shape_check(const struct db *db, const char *query, struct statement *script);

/* The query may be unknown. */
void db_forget_shape(struct db *db, const char *query);

#endif
