/* The rows that a query returned. */
#ifndef WAYBILL_DB_RESULT_H
#define WAYBILL_DB_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db_result;

size_t db_rows(const struct db_result *result);

bool db_is_null(const struct db_result *result, size_t row, size_t column);
const char *db_text(const struct db_result *result, size_t row, size_t column); /* its own; NULL for SQL NULL */
int64_t db_integer(const struct db_result *result, size_t row, size_t column);  /* 0 for SQL NULL */
bool db_boolean(const struct db_result *result, size_t row, size_t column);     /* false for SQL NULL */

void db_result_free(struct db_result *result); /* NULL is fine */

#endif
