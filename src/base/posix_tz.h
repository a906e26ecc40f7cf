/* The rule for the time after the last change in a TZif file: a POSIX TZ string (RFC 9636 section 3.3.2). */
#ifndef WAYBILL_BASE_POSIX_TZ_H
#define WAYBILL_BASE_POSIX_TZ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

/* The day of a year on which the offset changes. */
struct posix_tz_date {
    char kind;              /* 'J': day 1 to 365 without 29 February, 'n': day 0 to 365, 'M': weekday of a month */
    int day;                /* of 'J' and 'n' */
    int month, week, weekday; /* of 'M': 1 to 12; 1 to 5, 5 is the last; 0 is Sunday */
    int32_t time;           /* seconds after midnight of the local time before the change; may be negative */
};

struct posix_tz {
    int32_t standard_offset; /* seconds, east of Greenwich positive */
    bool has_daylight;
    int32_t daylight_offset; /* the members below are set if has_daylight */
    struct posix_tz_date start, end; /* of daylight saving time */
};

/*
 * Parses a TZ string, such as CET-1CEST,M3.5.0,M10.5.0/3. The hours of a change may be -167 to 167. Returns false if it
 * is invalid, or names daylight saving time without its dates.
 */
MUST_CHECK bool posix_tz_parse(const char *text, struct posix_tz *ret_tz);

/* Return the instant at which daylight saving time starts or ends in a year. */
int64_t posix_tz_start(const struct posix_tz *tz, int year);
int64_t posix_tz_end(const struct posix_tz *tz, int year);

#endif
