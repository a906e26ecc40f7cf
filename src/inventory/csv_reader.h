/*
 * Reads CSV (RFC 4180), record by record, with memory that does not grow with the input. Lines end with CRLF or LF.
 * Blank lines are skipped. Spaces belong to a field, and so does a byte order mark. Whether the text is UTF-8 is not
 * checked.
 */
#ifndef WAYBILL_INVENTORY_CSV_READER_H
#define WAYBILL_INVENTORY_CSV_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/input.h"
#include "db/field.h"

#define CSV_READER_MAX_RECORD (1024 * 1024) /* bytes of the input */
#define CSV_READER_MAX_FIELDS 1000

struct csv_record {
    const struct db_field *fields; /* valid until the next call; an empty field without quotes is NULL */
    size_t count;                  /* at least 1 */
    int64_t line;                  /* where the record begins, from 1 */
};

enum csv_reader_state {
    CSV_READER_RECORD, /* a record was filled in */
    CSV_READER_END,    /* the input has ended */
    CSV_READER_FAILED, /* see err; do not call again */
};

struct csv_reader;

/* The input must outlive the reader. */
struct csv_reader *csv_reader_new(struct input *input);
void csv_reader_free(struct csv_reader *reader); /* NULL is allowed */

/*
 * Reads the next record. Fails with ERROR_BODY, and a message that begins with the line, if a quote is not closed, is
 * followed by text or is within a field without quotes, if there is a NUL byte, or a carriage return that does not
 * belong to a line end or a field with quotes, or if the record exceeds the limits above; with the error of input_peek
 * if the input cannot be read.
 */
MUST_CHECK enum csv_reader_state csv_reader_next(struct csv_reader *reader, struct csv_record *ret_record,
                                                 struct error *err);

#endif
