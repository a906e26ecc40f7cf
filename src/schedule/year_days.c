#include "schedule/year_days.h"

#include "base/calendar.h"

/* The number of a day or a week, counted from the start and from the end of its period, both from 1. */
struct ordinal {
    int from_start, from_end;
};

/* One day of a year. */
struct year_day {
    int month;
    int weekday; /* 0 is Monday */
    struct ordinal in_month, in_year;
    struct ordinal week;
};

static bool has_number(const struct rule_numbers *numbers, struct ordinal ordinal)
{
    return numbers->from_start[ordinal.from_start] || numbers->from_end[ordinal.from_end];
}

/* Returns the day of the year, from 0, on which week 1 begins: it is the first week with four days of the year. */
static int first_week(int year, int week_start)
{
    int days_before = (int) calendar_remainder(calendar_weekday(calendar_day(year, 1, 1)) - week_start, 7);

    return days_before <= 3 ? -days_before : 7 - days_before;
}

/* Finds the days of the year, from 0, on which week 1 of the year before, this year and the two after it begins. */
static void find_first_weeks(int year, int week_start, int firsts[4])
{
    firsts[0] = first_week(year - 1, week_start) - calendar_year_length(year - 1);
    firsts[1] = first_week(year, week_start);
    firsts[2] = first_week(year + 1, week_start) + calendar_year_length(year);
    firsts[3] = first_week(year + 2, week_start) + calendar_year_length(year) + calendar_year_length(year + 1);
}

/* Finds the week of a day, which may belong to the year before or after. */
static struct ordinal find_week(const int firsts[4], int day)
{
    int at = day < firsts[1] ? 0 : day < firsts[2] ? 1 : 2;
    int number = (day - firsts[at]) / 7 + 1;

    return (struct ordinal) {number, (firsts[at + 1] - firsts[at]) / 7 - number + 1};
}

/* Numbers in BYDAY count within the month of MONTHLY and of BYMONTH, otherwise within the year. */
static bool allows_weekday(const struct recurrence_rule *rule, const struct year_day *day)
{
    bool in_month = rule->frequency == RULE_MONTHLY || rule->months != 0;
    struct ordinal ordinal = in_month ? day->in_month : day->in_year;
    const struct ordinal week = {(ordinal.from_start + 6) / 7, (ordinal.from_end + 6) / 7};

    return (rule->weekdays >> day->weekday & 1) != 0 || has_number(&rule->numbered_weekdays[day->weekday], week);
}

static bool allows_day(const struct recurrence_rule *rule, const struct year_day *day)
{
    return (!rule->month_days.is_given || has_number(&rule->month_days, day->in_month))
           && (!rule->year_days.is_given || has_number(&rule->year_days, day->in_year))
           && (!rule->weeks.is_given || has_number(&rule->weeks, day->week))
           && (!rule->has_days || allows_weekday(rule, day));
}

void year_days_match(const struct recurrence_rule *rule, int year, bool *matches)
{
    int year_length = calendar_year_length(year);
    int weekday = calendar_weekday(calendar_day(year, 1, 1));
    struct year_day day = {.month = 1};
    int first_weeks[4] = {0};
    int at = 0;

    if (rule->weeks.is_given)
        find_first_weeks(year, rule->week_start, first_weeks);
    for (; day.month <= 12; day.month++) {
        int length = calendar_month_length(year, day.month);
        bool has_month = rule->months == 0 || (rule->months >> day.month & 1) != 0;

        for (int i = 0; i < length; i++, at++) {
            day.weekday = (weekday + at) % 7;
            day.in_month = (struct ordinal) {i + 1, length - i};
            day.in_year = (struct ordinal) {at + 1, year_length - at};
            if (rule->weeks.is_given)
                day.week = find_week(first_weeks, at);
            matches[at] = has_month && allows_day(rule, &day);
        }
    }
}
