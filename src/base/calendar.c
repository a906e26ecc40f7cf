#include "base/calendar.h"

#define CYCLE_YEARS 400
#define DAYS_BEFORE_1970 719528 /* since 0000-01-01 */
#define THURSDAY 3              /* the weekday of 1970-01-01 */

int64_t calendar_divide(int64_t dividend, int64_t divisor)
{
    return dividend / divisor - (dividend % divisor < 0 ? 1 : 0);
}

int64_t calendar_remainder(int64_t dividend, int64_t divisor)
{
    int64_t remainder = dividend % divisor;

    return remainder < 0 ? remainder + divisor : remainder;
}

bool calendar_is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int calendar_month_length(int year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return lengths[month - 1] + (month == 2 && calendar_is_leap(year) ? 1 : 0);
}

int calendar_year_length(int year)
{
    return calendar_is_leap(year) ? 366 : 365;
}

/* Returns the days from 0000-01-01 to the first day of a year. */
static int64_t days_before_year(int year)
{
    int before = year - 1;

    return INT64_C(365) * year + before / 4 - before / 100 + before / CYCLE_YEARS + 1;
}

int64_t calendar_day(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};

    return days_before_year(year) - DAYS_BEFORE_1970 + before[month - 1] + (month > 2 && calendar_is_leap(year) ? 1 : 0)
           + day - 1;
}

struct calendar_date calendar_date(int64_t day)
{
    int64_t days = day + DAYS_BEFORE_1970;
    int year = (int) (days * CYCLE_YEARS / CALENDAR_CYCLE_DAYS); /* or one off */
    int month = 1;
    int left;

    while (days_before_year(year + 1) <= days)
        year++;
    while (days_before_year(year) > days)
        year--;
    left = (int) (days - days_before_year(year));
    while (left >= calendar_month_length(year, month))
        left -= calendar_month_length(year, month++);
    return (struct calendar_date) {.year = year, .month = month, .day = left + 1};
}

int calendar_weekday(int64_t day)
{
    return (int) calendar_remainder(day + THURSDAY, 7);
}
