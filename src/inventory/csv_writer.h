/*
 * The CSV: RFC 4180 in UTF-8 with CRLF, every field quoted but NULL, which is empty and unquoted. Fields are
 * written one by one into a buffer that goes to the output whenever it is full.
 */
#ifndef WAYBILL_INVENTORY_CSV_WRITER_H
#define WAYBILL_INVENTORY_CSV_WRITER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "inventory/columns.h"
#include "inventory/selection.h"

struct csv_options {
    bool bom;           /* begin with a byte order mark */
    bool formula_guard; /* put a ' before text that a spreadsheet would take for a formula */
    bool utc;           /* times are in UTC: their offset is written as Z */
};

/* Where the bytes go. */
struct csv_output {
    /* Takes all `length` bytes, or fills err and returns false. */
    bool (*write)(void *context, const char *data, size_t length, struct error *err);
    void *context;
};

struct csv_writer {
    struct csv_options options;
    struct csv_output output;
    struct buffer buffer;
    bool in_line; /* a field of the current line has been written */
};

/* Begins a file. End it with csv_writer_end, whatever happens in between. */
void csv_writer_begin(struct csv_writer *writer, const struct csv_options *options, const struct csv_output *output);

/*
 * Adds a field to the line. `data` NULL is SQL NULL; else it is the value as PostgreSQL writes it (for
 * COLUMN_TIME: in DateStyle ISO), or a header name as COLUMN_TEXT.
 */
void csv_writer_field(struct csv_writer *writer, enum column_type type, const char *data, size_t length);

/* Ends the line, and passes the buffer on if it is large enough. */
MUST_CHECK bool csv_writer_end_line(struct csv_writer *writer, struct error *err);

/* Writes the first line of a file: the selection's header names. */
MUST_CHECK bool csv_writer_header(struct csv_writer *writer, const struct selection *selection, struct error *err);

/* Passes on what is left. */
MUST_CHECK bool csv_writer_flush(struct csv_writer *writer, struct error *err);

/* Frees what it holds. */
void csv_writer_end(struct csv_writer *writer);

#endif
