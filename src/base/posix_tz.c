#include "base/posix_tz.h"

#include <ctype.h>

#include "base/calendar.h"

#define MAX_OFFSET_HOURS 24
#define MAX_CHANGE_HOURS 167

/* Skips a name: at least three letters, or letters, digits and signs between < and >. */
static bool skip_zone_name(const char **at)
{
    const char *start = *at;
    bool is_quoted = *start == '<';
    const char *c = is_quoted ? start + 1 : start;

    while (isalpha((unsigned char) *c) || (is_quoted && (isdigit((unsigned char) *c) || *c == '+' || *c == '-')))
        c++;
    if (c - start < 3 || (is_quoted && *c != '>'))
        return false;
    *at = is_quoted ? c + 1 : c;
    return true;
}

static bool read_tz_number(const char **at, int min, int max, int *ret_number)
{
    int number = 0;

    if (!isdigit((unsigned char) **at))
        return false;
    for (; isdigit((unsigned char) **at); ++*at) {
        number = number * 10 + (**at - '0');
        if (number > max)
            return false;
    }
    *ret_number = number;
    return number >= min;
}

/* Reads [+-]hh[:mm[:ss]]. */
static bool read_tz_time(const char **at, int max_hours, int32_t *ret_seconds)
{
    int sign = **at == '-' ? -1 : 1;
    int hours, minutes = 0, seconds = 0;

    if (**at == '-' || **at == '+')
        ++*at;
    if (!read_tz_number(at, 0, max_hours, &hours))
        return false;
    if (**at == ':') {
        ++*at;
        if (!read_tz_number(at, 0, 59, &minutes))
            return false;
        if (**at == ':') {
            ++*at;
            if (!read_tz_number(at, 0, 59, &seconds))
                return false;
        }
    }
    *ret_seconds = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool skip_character(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

/* Reads ,date[/time]. */
static bool read_tz_date(const char **at, struct posix_tz_date *date)
{
    if (!skip_character(at, ','))
        return false;
    date->time = 2 * 3600;
    if (skip_character(at, 'M')) {
        date->kind = 'M';
        if (!read_tz_number(at, 1, 12, &date->month) || !skip_character(at, '.')
            || !read_tz_number(at, 1, 5, &date->week) || !skip_character(at, '.')
            || !read_tz_number(at, 0, 6, &date->weekday))
            return false;
    } else {
        date->kind = skip_character(at, 'J') ? 'J' : 'n';
        if (!read_tz_number(at, date->kind == 'J' ? 1 : 0, 365, &date->day))
            return false;
    }
    return !skip_character(at, '/') || read_tz_time(at, MAX_CHANGE_HOURS, &date->time);
}

bool posix_tz_parse(const char *text, struct posix_tz *ret_tz)
{
    struct posix_tz tz = {.has_daylight = false};

    if (!skip_zone_name(&text) || !read_tz_time(&text, MAX_OFFSET_HOURS, &tz.standard_offset))
        return false;
    tz.standard_offset = -tz.standard_offset;
    if (*text != '\0') {
        tz.has_daylight = true;
        tz.daylight_offset = -(tz.standard_offset + 3600);
        if (!skip_zone_name(&text) || (*text != ',' && !read_tz_time(&text, MAX_OFFSET_HOURS, &tz.daylight_offset))
            || !read_tz_date(&text, &tz.start) || !read_tz_date(&text, &tz.end) || *text != '\0')
            return false;
        tz.daylight_offset = -tz.daylight_offset;
    }
    *ret_tz = tz;
    return true;
}

/* Returns the seconds from 1970-01-01T00:00:00 to the change, both in the local time before the change. */
static int64_t locate_change(const struct posix_tz_date *date, int year)
{
    int64_t day;

    if (date->kind == 'M') {
        int64_t first = calendar_day(year, date->month, 1);
        int to_weekday = (int) calendar_remainder(date->weekday + 6 - calendar_weekday(first), 7);

        day = first + to_weekday + 7 * (date->week - 1);
        if (day >= first + calendar_month_length(year, date->month))
            day -= 7;
    } else {
        day = calendar_day(year, 1, 1) + date->day;
        if (date->kind == 'J' && !(calendar_is_leap(year) && date->day >= 60))
            day--;
    }
    return day * CALENDAR_DAY_SECONDS + date->time;
}

int64_t posix_tz_start(const struct posix_tz *tz, int year)
{
    return locate_change(&tz->start, year) - tz->standard_offset;
}

int64_t posix_tz_end(const struct posix_tz *tz, int year)
{
    return locate_change(&tz->end, year) - tz->daylight_offset;
}
