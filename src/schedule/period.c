#include "schedule/period.h"

#include <ctype.h>
#include <string.h>

#include "base/calendar.h"
#include "base/text.h"

#define MAX_DIGITS 8
#define FIRST_MONTH (INT64_C(1969) * 12) /* December may be that of a local time in 1970 */

enum unit_part {
    DATE_PART,
    TIME_PART,
    WEEK_PART, /* stands alone */
};

static const struct unit {
    char letter;
    enum unit_part part;
    int64_t months, days, seconds;
} units[] = {
    {'Y', DATE_PART, 12, 0, 0},   {'M', DATE_PART, 1, 0, 0},   {'D', DATE_PART, 0, 1, 0}, {'W', WEEK_PART, 0, 7, 0},
    {'H', TIME_PART, 0, 0, 3600}, {'M', TIME_PART, 0, 0, 60}, {'S', TIME_PART, 0, 0, 1},
};

/* Reads a number of at most MAX_DIGITS digits. */
static bool read_amount(const char **at, int64_t *ret_amount)
{
    int digits = 0;

    *ret_amount = 0;
    for (; isdigit((unsigned char) **at); ++*at, digits++) {
        if (digits == MAX_DIGITS)
            return false;
        *ret_amount = *ret_amount * 10 + (**at - '0');
    }
    return digits > 0;
}

/* Reads the amounts after P. */
static bool read_amounts(const char *at, struct period *period)
{
    bool is_time = false;
    bool has_weeks = false;
    size_t next = 0; /* the first unit that may follow */

    while (*at != '\0') {
        int64_t amount;
        size_t unit;

        if (*at == 'T') {
            if (is_time || has_weeks)
                return false;
            is_time = true;
            at++;
        }
        if (!read_amount(&at, &amount))
            return false;
        for (unit = next; unit < ARRAY_SIZE(units); unit++) {
            if (units[unit].letter == *at && (units[unit].part == TIME_PART) == is_time)
                break;
        }
        if (unit == ARRAY_SIZE(units) || (units[unit].part == WEEK_PART && next > 0))
            return false;
        has_weeks = units[unit].part == WEEK_PART;
        period->months += amount * units[unit].months;
        period->days += amount * units[unit].days;
        period->seconds += amount * units[unit].seconds;
        next = unit + 1;
        at++;
    }
    return period->months + period->days + period->seconds > 0;
}

bool period_parse(const char *text, const char *field, struct period *ret_period, struct error *err)
{
    struct period period = {0};
    char excerpt[TEXT_EXCERPT_SIZE];

    if (*text != 'P' || !read_amounts(text + 1, &period))
        return error_set(err, ERROR_PARAMETER,
                         "%s must be a positive ISO 8601 duration of integers, such as P7D, P1M or PT24H, got %s",
                         field, text_excerpt(excerpt, text, strlen(text)));
    *ret_period = period;
    return true;
}

int64_t period_before(const struct period *period, const struct time_zone *zone, int64_t instant)
{
    int64_t before = instant;

    if (period->months > 0 || period->days > 0) {
        int64_t local = time_zone_to_local(zone, instant);
        int64_t day = calendar_divide(local, CALENDAR_DAY_MS);
        struct calendar_date date = calendar_date(day);
        int64_t month = date.year * INT64_C(12) + date.month - 1 - period->months;
        int year = (int) (month / 12);
        int length;

        if (month < FIRST_MONTH)
            return 0;
        length = calendar_month_length(year, (int) (month % 12) + 1);
        local -= day * CALENDAR_DAY_MS;
        day = calendar_day(year, (int) (month % 12) + 1, date.day < length ? date.day : length) - period->days;
        if (day < -1)
            return 0;
        before = time_zone_from_local(zone, day * CALENDAR_DAY_MS + local, NULL);
    }
    before -= period->seconds * 1000;
    return before > 0 ? before : 0;
}
