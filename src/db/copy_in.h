/*
 * COPY into a table: the fast way to store many rows. Rows are sent in pieces, so that memory does not grow with their
 * number. Between begin and end the connection serves nothing else. The errors are those of db/connection.h; no message
 * contains data of a row.
 *
 * The server checks rows while they are sent, and reports an error when all are sent: db_copy_in_end fails then. Its
 * time limit (query_timeout_ms) is for the COPY as a whole; each call here waits no longer than that for the server.
 */
#ifndef WAYBILL_DB_COPY_IN_H
#define WAYBILL_DB_COPY_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/field.h"

struct db_copy_in;

/*
 * Begins a COPY into a table. `target` is SQL: the name of the table and its columns, as in
 * "waybill.container (project_id, container_id)". NULL on failure.
 */
MUST_CHECK struct db_copy_in *db_copy_in_begin(struct db *db, const char *target, struct error *err);

/*
 * Sends a row: a field for each column of the target, in its order. A value is what the column's type reads, in UTF-8.
 * After a failure the connection is lost, and only db_copy_in_abort may follow.
 */
MUST_CHECK bool db_copy_in_row(struct db_copy_in *copy, const struct db_field *fields, size_t count,
                               struct error *err);

/*
 * Ends the COPY and frees it. The number of rows that were stored goes to *ret_rows, which may be NULL. On failure none
 * is stored, and a transaction has to be rolled back.
 */
MUST_CHECK bool db_copy_in_end(struct db_copy_in *copy, int64_t *ret_rows, struct error *err);

/*
 * Gives the COPY up and frees it: no row is stored. A transaction has to be rolled back; the connection is usable
 * then, unless it is lost. NULL is fine.
 */
void db_copy_in_abort(struct db_copy_in *copy);

#endif
