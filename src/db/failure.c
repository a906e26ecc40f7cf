/* Translates errors of libpq and of the server for callers, and counts them. */
#include "db/failure.h"

#include <stdatomic.h>
#include <string.h>

#include "db/internal.h"

static _Atomic uint64_t failures[ERROR_CODE_COUNT]; /* since the last db_failures_take */

/* SQLSTATEs, or prefixes of them, of errors that the statement itself did not cause. */
static const struct {
    const char *prefix;
    enum error_code code;
} sqlstates[] = {
    {"08", ERROR_UNAVAILABLE},    /* connection exception */
    {"25006", ERROR_UNAVAILABLE}, /* read-only: the server is not the primary */
    {"28", ERROR_UNAVAILABLE},    /* login rejected */
    {"3D000", ERROR_UNAVAILABLE}, /* no such database */
    {"40001", ERROR_UNAVAILABLE}, /* serialization failure */
    {"40P01", ERROR_UNAVAILABLE}, /* deadlock */
    {"53300", ERROR_UNAVAILABLE}, /* too many connections */
    {"55P03", ERROR_TIMEOUT},     /* lock not available */
    {"57014", ERROR_TIMEOUT},     /* query cancelled */
    {"57P", ERROR_UNAVAILABLE},   /* shutting down, crashed or starting */
};

static const char *message_for_callers(enum error_code code)
{
    switch (code) {
    case ERROR_UNAVAILABLE:
        return "the database cannot be reached; try again later";
    case ERROR_TIMEOUT:
        return "the database did not respond in time";
    default:
        return "internal error; for details, search the log of the service for the request_id";
    }
}

bool db_fail_with(struct error *err, enum error_code code)
{
    atomic_fetch_add(&failures[code], 1);
    return error_set(err, code, "%s", message_for_callers(code));
}

uint64_t db_failures_take(enum error_code code)
{
    return atomic_exchange(&failures[code], 0);
}

bool db_fail(struct db *db, const PGresult *result, struct error *err)
{
    const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    enum error_code code = ERROR_INTERNAL;

    if (PQstatus(db->connection) != CONNECTION_OK)
        code = ERROR_UNAVAILABLE;
    for (size_t i = 0; state != NULL && i < ARRAY_SIZE(sqlstates); i++) {
        if (strncmp(state, sqlstates[i].prefix, strlen(sqlstates[i].prefix)) == 0)
            code = sqlstates[i].code;
    }

    db_fail_with(err, code);
    if (message == NULL)
        message = PQerrorMessage(db->connection);
    return error_detail(err, "%s%s%.*s", state == NULL ? "" : state, state == NULL ? "" : ": ",
                        (int) strcspn(message, "\n"), message);
}
