/*
 * An SQL statement in the making: text of ours with $1, $2 ... for each value of a caller. Values are
 * bound, or quoted by libpq where PostgreSQL can't bind (db_stream_begin); they never become text here.
 * A $ anywhere else, such as in a quoted identifier, is a character like any other.
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
    char *values[STATEMENT_MAX_VALUES];   /* own copies */
    size_t places[STATEMENT_MAX_VALUES];  /* where in sql each one's $n begins, in ascending order */
    size_t lengths[STATEMENT_MAX_VALUES]; /* of its $n */
};

/* Appends text of ours, without parameters: no value of a caller may come in through the arguments. */
void statement_append(struct statement *statement, const char *format, ...) PRINTF_LIKE(2, 3);

/* Appends the next $n and keeps a copy of the value. At most STATEMENT_MAX_VALUES times. */
void statement_bind(struct statement *statement, const char *value);

/* Appends "name" as a quoted identifier. */
void statement_identifier(struct statement *statement, const char *name, size_t length);

/* Frees what it holds and leaves it empty. */
void statement_free(struct statement *statement);

#endif
