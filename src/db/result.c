#include "db/result.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "db/internal.h"

static const PGresult *libpq_result(const struct db_result *result)
{
    return (const PGresult *) result;
}

/* Does not use PQfnumber, which would allocate memory and fold the case of the name. */
static int column_number(const PGresult *result, const char *column)
{
    int count = PQnfields(result);
    int number = 0;

    while (number < count && strcmp(PQfname(result, number), column) != 0)
        number++;
    assert(number < count);
    return number;
}

/* Returns the value of a column by its number; NULL for SQL NULL. */
static const char *column_value(const PGresult *result, int row, int number)
{
    return PQgetisnull(result, row, number) != 0 ? NULL : PQgetvalue(result, row, number);
}

size_t db_rows(const struct db_result *result)
{
    return (size_t) PQntuples(libpq_result(result));
}

const char *db_text(const struct db_result *result, size_t row, const char *column)
{
    const PGresult *rows = libpq_result(result);

    return column_value(rows, (int) row, column_number(rows, column));
}

bool db_is_null(const struct db_result *result, size_t row, const char *column)
{
    return db_text(result, row, column) == NULL;
}

int64_t db_integer(const struct db_result *result, size_t row, const char *column)
{
    const char *text = db_text(result, row, column);

    return text == NULL ? 0 : strtoll(text, NULL, 10);
}

bool db_boolean(const struct db_result *result, size_t row, const char *column)
{
    const char *text = db_text(result, row, column);

    return text != NULL && text[0] == 't';
}

void db_each_column(const struct db_result *result, size_t row,
                    void (*each)(void *context, const char *column, const char *value), void *context)
{
    const PGresult *rows = libpq_result(result);

    for (int i = 0; i < PQnfields(rows); i++)
        each(context, PQfname(rows, i), column_value(rows, (int) row, i));
}

void db_result_free(struct db_result *result)
{
    PQclear((PGresult *) result);
}
