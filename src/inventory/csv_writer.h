/*
 * The CSV format: RFC 4180 in UTF-8 with CRLF. Every field is quoted, except NULL, which is empty and unquoted. Fields
 * are written to a buffer, which is passed to the output at the end of a line, once it is large enough.
 */
#ifndef WAYBILL_INVENTORY_CSV_WRITER_H
#define WAYBILL_INVENTORY_CSV_WRITER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/config.h"
#include "base/error.h"
#include "inventory/columns.h"
#include "inventory/selection.h"

struct csv_options {
    bool bom;           /* begin with a byte order mark */
    bool formula_guard; /* put a ' before text that a spreadsheet would interpret as a formula */
    bool utc;           /* times are in UTC, and their offset is written as Z */
};

/* Returns the options that [csv] sets. */
struct csv_options csv_options_configured(const struct config *config);

/* The destination of the bytes. */
struct csv_output {
    /* Consumes all `length` bytes, or fills err and returns false. */
    bool (*write)(void *context, const char *data, size_t length, struct error *err);
    void *context;
};

struct csv_writer {
    struct csv_options options;
    struct csv_output output;
    struct buffer buffer;
    bool in_line; /* a field of the current line has been written */
};

/* Begins a file. Call csv_writer_end afterwards, even if another function fails. */
void csv_writer_begin(struct csv_writer *writer, const struct csv_options *options, const struct csv_output *output);

/*
 * Adds a field to the line: a value in the text format of PostgreSQL (COLUMN_TIME with DateStyle ISO), or a header name
 * as COLUMN_TEXT. `data` is NULL for SQL NULL.
 */
void csv_writer_field(struct csv_writer *writer, enum column_type type, const char *data, size_t length);

/* Ends the line. Passes the buffer to the output if it is large enough. */
MUST_CHECK bool csv_writer_end_line(struct csv_writer *writer, struct error *err);

/* Writes the header line: the header names of the selection. */
MUST_CHECK bool csv_writer_header(struct csv_writer *writer, const struct selection *selection, struct error *err);

/* Passes the rest of the buffer to the output. */
MUST_CHECK bool csv_writer_flush(struct csv_writer *writer, struct error *err);

/* Frees the buffer. */
void csv_writer_end(struct csv_writer *writer);

#endif
