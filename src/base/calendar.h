/* The Gregorian calendar. A day is the number of days since 1970-01-01, and may be negative. */
#ifndef WAYBILL_BASE_CALENDAR_H
#define WAYBILL_BASE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#define CALENDAR_DAY_SECONDS INT64_C(86400)
#define CALENDAR_DAY_MS INT64_C(86400000)

/* The calendar and its weekdays repeat after 400 years. */
#define CALENDAR_CYCLE_DAYS 146097

/* The last millisecond of the year 9999 in UTC. */
#define CALENDAR_MAX_MS INT64_C(253402300799999)

struct calendar_date {
    int year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
};

/* Division that rounds down, with a divisor above 0, and its remainder, which is never negative. */
int64_t calendar_divide(int64_t dividend, int64_t divisor);
int64_t calendar_remainder(int64_t dividend, int64_t divisor);

bool calendar_is_leap(int year);

/* Returns the number of days of a month, 28 to 31, or of a year, 365 or 366. */
int calendar_month_length(int year, int month);
int calendar_year_length(int year);

/*
 * Converts a date of the years 1 to 20000 to a day, and back. A day of the month beyond the end of the month continues
 * in the next one.
 */
int64_t calendar_day(int year, int month, int day);
struct calendar_date calendar_date(int64_t day);

/* Returns the day of the week: 0 is Monday, 6 is Sunday. */
int calendar_weekday(int64_t day);

#endif
