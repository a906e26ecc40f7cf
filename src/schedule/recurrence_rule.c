#include "schedule/recurrence_rule.h"

#include <libical/ical.h>
#include <string.h>

#include "base/calendar.h"
#include "schedule/rule_syntax.h"

/* Converts a weekday of libical, in which 1 is Sunday. */
static int weekday_of(enum icalrecurrencetype_weekday weekday)
{
    return ((int) weekday + 5) % 7;
}

static uint64_t bits_of(const short *list, int size, int max)
{
    uint64_t bits = 0;

    for (int i = 0; i < size && list[i] != ICAL_RECURRENCE_ARRAY_MAX; i++)
        bits |= UINT64_C(1) << (list[i] > max ? max : list[i]);
    return bits;
}

static void add_number(struct rule_numbers *numbers, int number)
{
    numbers->is_given = true;
    if (number > 0)
        numbers->from_start[number] = true;
    else
        numbers->from_end[-number] = true;
}

static void add_numbers(struct rule_numbers *numbers, const short *list, int size)
{
    for (int i = 0; i < size && list[i] != ICAL_RECURRENCE_ARRAY_MAX; i++)
        add_number(numbers, list[i]);
}

static void add_days(struct recurrence_rule *rule, const short *list)
{
    for (int i = 0; i < ICAL_BY_DAY_SIZE && list[i] != ICAL_RECURRENCE_ARRAY_MAX; i++) {
        int weekday = weekday_of(icalrecurrencetype_day_day_of_week(list[i]));
        int number = icalrecurrencetype_day_position(list[i]);

        rule->has_days = true;
        if (number == 0)
            rule->weekdays |= UINT64_C(1) << weekday;
        else
            add_number(&rule->numbered_weekdays[weekday], number);
    }
}

static void add_positions(struct recurrence_rule *rule, const short *list)
{
    struct rule_numbers known = {.is_given = false};

    for (int i = 0; rule->position_count < RULE_MAX_POSITIONS && list[i] != ICAL_RECURRENCE_ARRAY_MAX; i++) {
        if (!known.from_start[list[i] > 0 ? list[i] : 0] && !known.from_end[list[i] < 0 ? -list[i] : 0])
            rule->positions[rule->position_count++] = list[i];
        add_number(&known, list[i]);
    }
}

static void add_until(struct recurrence_rule *rule, const struct icaltimetype *until)
{
    int second = until->second > 59 ? 59 : until->second;

    rule->has_until = true;
    rule->until_is_utc = icaltime_is_utc(*until) != 0;
    rule->until = calendar_day(until->year, until->month, until->day) * CALENDAR_DAY_SECONDS + until->hour * 3600
                  + until->minute * 60 + second;
}

static enum rule_frequency frequency_of(icalrecurrencetype_frequency frequency)
{
    switch (frequency) {
    case ICAL_HOURLY_RECURRENCE:
        return RULE_HOURLY;
    case ICAL_DAILY_RECURRENCE:
        return RULE_DAILY;
    case ICAL_WEEKLY_RECURRENCE:
        return RULE_WEEKLY;
    case ICAL_MONTHLY_RECURRENCE:
        return RULE_MONTHLY;
    default:
        return RULE_YEARLY;
    }
}

bool recurrence_rule_parse(const char *text, struct recurrence_rule *ret_rule, struct error *err)
{
    struct recurrence_rule rule = {.interval = 1};
    struct icalrecurrencetype parsed;

    if (!rule_syntax_check(text, err))
        return false;
    parsed = icalrecurrencetype_from_string(text);
    if (parsed.freq == ICAL_NO_RECURRENCE)
        return error_set(err, ERROR_PARAMETER, "rule must be a recurrence rule of RFC 5545");
    rule.frequency = frequency_of(parsed.freq);
    rule.interval = parsed.interval;
    rule.count = parsed.count;
    if (!icaltime_is_null_time(parsed.until))
        add_until(&rule, &parsed.until);
    rule.week_start = weekday_of(parsed.week_start == ICAL_NO_WEEKDAY ? ICAL_MONDAY_WEEKDAY : parsed.week_start);
    rule.seconds = bits_of(parsed.by_second, ICAL_BY_SECOND_SIZE, 59);
    rule.minutes = bits_of(parsed.by_minute, ICAL_BY_MINUTE_SIZE, 59);
    rule.hours = bits_of(parsed.by_hour, ICAL_BY_HOUR_SIZE, 23);
    rule.months = bits_of(parsed.by_month, ICAL_BY_MONTH_SIZE, 12);
    add_days(&rule, parsed.by_day);
    add_numbers(&rule.month_days, parsed.by_month_day, ICAL_BY_MONTHDAY_SIZE);
    add_numbers(&rule.year_days, parsed.by_year_day, ICAL_BY_YEARDAY_SIZE);
    add_numbers(&rule.weeks, parsed.by_week_no, ICAL_BY_WEEKNO_SIZE);
    add_positions(&rule, parsed.by_set_pos);
    *ret_rule = rule;
    return true;
}
