/*
 * A stream of rows: COPY of a query, the last one of a transaction, with one row in memory at a time. Between begin and
 * end, the connection can do nothing else. The errors are those of db/connection.h.
 */
#ifndef WAYBILL_DB_STREAM_H
#define WAYBILL_DB_STREAM_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/field.h"
#include "db/statement.h"

struct db_stream;

#define DB_STREAM_MAX_FIELDS 32

enum db_stream_state {
    DB_STREAM_ROW,    /* a row was filled in */
    DB_STREAM_END,    /* there are no more rows */
    DB_STREAM_FAILED, /* see err */
};

struct db_row {
    size_t count;
    struct db_field fields[DB_STREAM_MAX_FIELDS]; /* valid until the next call for this stream */
};

/* Starts the query. Returns NULL on failure. */
MUST_CHECK struct db_stream *db_stream_begin(struct db *db, const struct statement *query, struct error *err);

/*
 * Reads the next row, whose fields are in the text format of their types. After the last one, DB_STREAM_END means that
 * the transaction has been committed. The time limit of the connection applies to each wait for the server.
 */
MUST_CHECK enum db_stream_state db_stream_next(struct db_stream *stream, struct db_row *row, struct error *err);

/* Ends the stream. If unread rows remain, the connection is lost; close it to cancel the query. NULL is allowed. */
void db_stream_end(struct db_stream *stream);

#endif
