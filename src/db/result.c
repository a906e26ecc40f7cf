#include "db/result.h"

#include <stdlib.h>

#include "db/internal.h"

static const PGresult *libpq_result(const struct db_result *result)
{
    return (const PGresult *) result;
}

size_t db_rows(const struct db_result *result)
{
    return (size_t) PQntuples(libpq_result(result));
}

bool db_is_null(const struct db_result *result, size_t row, size_t column)
{
    return PQgetisnull(libpq_result(result), (int) row, (int) column) != 0;
}

const char *db_text(const struct db_result *result, size_t row, size_t column)
{
    return db_is_null(result, row, column) ? NULL : PQgetvalue(libpq_result(result), (int) row, (int) column);
}

int64_t db_integer(const struct db_result *result, size_t row, size_t column)
{
    return strtoll(PQgetvalue(libpq_result(result), (int) row, (int) column), NULL, 10);
}

bool db_boolean(const struct db_result *result, size_t row, size_t column)
{
    return PQgetvalue(libpq_result(result), (int) row, (int) column)[0] == 't';
}

void db_result_free(struct db_result *result)
{
    PQclear((PGresult *) result);
}
