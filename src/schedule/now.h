/*
 * The current time in the SQL of the scheduler: that of the database, which all processes share, unless a test sets it.
 * It is a parameter of the type timestamptz.
 */
#ifndef WAYBILL_SCHEDULE_NOW_H
#define WAYBILL_SCHEDULE_NOW_H

#include "base/clock.h"

/* Returns the value of the parameter for a time in milliseconds since 1970. 0 means the clock of the database. */
static inline const char *now_value(char out[CLOCK_ISO8601_SIZE], int64_t now)
{
    if (now == 0)
        return "now"; /* for PostgreSQL, the start of the transaction */
    clock_format_iso8601(out, now);
    return out;
}

#endif
