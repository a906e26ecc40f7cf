/*
 * COPY into a table: the fast way to store many rows. Rows are sent in pieces, so that memory does not grow with their
 * number. Between begin and end, the connection can do nothing else. The errors are those of db/connection.h. The
 * message for callers contains no data of a row; the detail, for the log, is PostgreSQL's message and may quote a
 * value.
 *
 * The server checks rows while they are sent. Its errors are noticed only after the last row, by db_copy_in_end. The
 * time limit of the server (query_timeout_ms) applies to the entire COPY; no call waits much longer than that.
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
 * "waybill.container (project_id, container_id)". Returns NULL on failure.
 */
MUST_CHECK struct db_copy_in *db_copy_in_begin(struct db *db, const char *target, struct error *err);

/*
 * Sends a row: one field for each column of the target, in its order, in the text format of the type and in UTF-8.
 * After a failure the connection is lost, and only db_copy_in_abort may follow.
 */
MUST_CHECK bool db_copy_in_row(struct db_copy_in *copy, const struct db_field *fields, size_t count,
                               struct error *err);

/*
 * Ends the COPY and frees it. *ret_rows is the number of stored rows; the pointer may be NULL. On failure no row is
 * stored, and a transaction must be rolled back.
 */
MUST_CHECK bool db_copy_in_end(struct db_copy_in *copy, int64_t *ret_rows, struct error *err);

/*
 * Aborts the COPY and frees it: no row is stored. Roll back the transaction; then the connection is usable, unless it
 * is lost. NULL is allowed.
 */
void db_copy_in_abort(struct db_copy_in *copy);

#endif
