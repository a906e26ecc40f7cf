/*
 * Builds an SQL statement: constant text with $1, $2 ... for values. Values are bound, or quoted by libpq where
 * PostgreSQL cannot bind them (db/script.h, db/stream.h). They never become part of the constant text. A $ elsewhere,
 * such as in a quoted identifier, has no special meaning.
 */
#ifndef WAYBILL_DB_STATEMENT_H
#define WAYBILL_DB_STATEMENT_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/compiler.h"

#define STATEMENT_MAX_VALUES 64

struct statement {
    struct buffer sql;
    size_t count;
    char *values[STATEMENT_MAX_VALUES];   /* copies */
    size_t places[STATEMENT_MAX_VALUES];  /* where the $n of each value begins in sql, ascending */
    size_t lengths[STATEMENT_MAX_VALUES]; /* of each $n */
};

/* Appends constant text without parameters. The arguments must not contain values from callers. */
void statement_append(struct statement *statement, const char *format, ...) PRINTF_LIKE(2, 3);

/* Appends the next $n and keeps a copy of the value. A statement has at most STATEMENT_MAX_VALUES values. */
void statement_bind(struct statement *statement, const char *value);

/* Appends "name" as a quoted identifier. */
void statement_identifier(struct statement *statement, const char *name, size_t length);

/* Frees the statement, which is empty afterwards. */
void statement_free(struct statement *statement);

#endif
