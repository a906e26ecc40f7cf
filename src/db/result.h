/*
 * The rows that a query returned. Values are selected by the name of their column in the statement. A name that the
 * result does not have is a bug, and ends the process.
 */
#ifndef WAYBILL_DB_RESULT_H
#define WAYBILL_DB_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db_result;

size_t db_rows(const struct db_result *result);

bool db_is_null(const struct db_result *result, size_t row, const char *column);
/* The result owns the text. Returns NULL for SQL NULL. */
const char *db_text(const struct db_result *result, size_t row, const char *column);
int64_t db_integer(const struct db_result *result, size_t row, const char *column);  /* 0 for SQL NULL */
bool db_boolean(const struct db_result *result, size_t row, const char *column);     /* false for SQL NULL */

/* Calls `each` for every column of a row, in the order of the statement. The value is NULL for SQL NULL. */
void db_each_column(const struct db_result *result, size_t row,
                    void (*each)(void *context, const char *column, const char *value), void *context);

void db_result_free(struct db_result *result); /* NULL is allowed */

#endif
