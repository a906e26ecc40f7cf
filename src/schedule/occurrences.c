#include "schedule/occurrences.h"

#include <stdlib.h>

#include "base/calendar.h"
#include "schedule/year_days.h"

/* The days of one period: `end` is not one of them. */
struct day_range {
    int64_t start, end;
};

static int64_t day_of(int64_t local)
{
    return calendar_divide(local, CALENDAR_DAY_SECONDS);
}

/* Returns the number of the period that contains a local time. */
static int64_t period_of(const struct recurrence_rule *rule, int64_t local)
{
    int64_t day = day_of(local);
    struct calendar_date date;

    if (rule->frequency == RULE_HOURLY)
        return calendar_divide(local, 3600);
    if (rule->frequency == RULE_DAILY)
        return day;
    if (rule->frequency == RULE_WEEKLY)
        return calendar_divide(day - calendar_remainder(calendar_weekday(day) - rule->week_start, 7), 7);
    date = calendar_date(day);
    return rule->frequency == RULE_MONTHLY ? date.year * INT64_C(12) + date.month - 1 : date.year;
}

static struct day_range range_of(const struct recurrence_rule *rule, int64_t period)
{
    struct day_range range = {.start = period, .end = period + 1};
    int year;

    switch (rule->frequency) {
    case RULE_HOURLY:
        range.start = calendar_divide(period, 24);
        range.end = range.start + 1;
        break;
    case RULE_DAILY:
        break;
    case RULE_WEEKLY:
        range.start = period * 7;
        range.start += calendar_remainder(rule->week_start - calendar_weekday(range.start), 7);
        range.end = range.start + 7;
        break;
    case RULE_MONTHLY:
        year = (int) (period / 12);
        range.start = calendar_day(year, (int) (period % 12) + 1, 1);
        range.end = range.start + calendar_month_length(year, (int) (period % 12) + 1);
        break;
    case RULE_YEARLY:
        range.start = calendar_day((int) period, 1, 1);
        range.end = calendar_day((int) period + 1, 1, 1);
        break;
    }
    return range;
}

static int list_bits(uint64_t bits, int list[])
{
    int count = 0;

    for (int i = 0; i < 64; i++) {
        if ((bits >> i & 1) != 0)
            list[count++] = i;
    }
    return count;
}

/* Takes from the start what the rule needs and does not say (RFC 5545 section 3.3.10). */
static void add_defaults(struct recurrence_rule *rule, int64_t start)
{
    int64_t day = day_of(start);
    int64_t time = start - day * CALENDAR_DAY_SECONDS;
    struct calendar_date date = calendar_date(day);
    bool has_days = rule->has_days || rule->month_days.is_given || rule->year_days.is_given;

    if (rule->seconds == 0)
        rule->seconds = UINT64_C(1) << time % 60;
    if (rule->minutes == 0)
        rule->minutes = UINT64_C(1) << time / 60 % 60;
    if (rule->hours == 0)
        rule->hours = rule->frequency == RULE_HOURLY ? (UINT64_C(1) << 24) - 1 : UINT64_C(1) << time / 3600;
    if (has_days || rule->frequency == RULE_HOURLY || rule->frequency == RULE_DAILY)
        return;
    if (rule->frequency == RULE_WEEKLY || rule->weeks.is_given) {
        rule->has_days = true;
        rule->weekdays = UINT64_C(1) << calendar_weekday(day);
        return;
    }
    rule->month_days.is_given = true;
    rule->month_days.from_start[date.day] = true;
    if (rule->frequency == RULE_YEARLY && rule->months == 0)
        rule->months = UINT64_C(1) << date.month;
}

/* Sets matches to those of the year that contains a day. */
static void load_year(struct occurrence_cursor *cursor, int64_t day)
{
    if (cursor->year != 0 && day >= cursor->year_start && day < cursor->year_start + calendar_year_length(cursor->year))
        return;
    cursor->year = calendar_date(day).year;
    cursor->year_start = calendar_day(cursor->year, 1, 1);
    year_days_match(&cursor->set->rule, cursor->year, cursor->matches);
}

/* Returns the first day at or after this one that the BY parts allow, or a day after the set's end. */
static int64_t next_match(struct occurrence_cursor *cursor, int64_t day)
{
    int64_t last = day_of(cursor->set->end);

    for (; day <= last; day++) {
        load_year(cursor, day);
        if (cursor->matches[day - cursor->year_start])
            break;
    }
    return day;
}

static int64_t times_per_day(const struct occurrence_set *set)
{
    return (set->rule.frequency == RULE_HOURLY ? 1 : set->hour_count) * set->minute_count * set->second_count;
}

/* Returns a time of the period, counted before BYSETPOS. */
static int64_t time_at(const struct occurrence_cursor *cursor, int64_t index)
{
    const struct occurrence_set *set = cursor->set;
    int64_t per_day = times_per_day(set);
    int64_t in_day = index % per_day;
    int64_t hour = set->rule.frequency == RULE_HOURLY
                       ? calendar_remainder(cursor->period, 24)
                       : set->hours[in_day / (set->minute_count * set->second_count)];

    return cursor->days[index / per_day] * CALENDAR_DAY_SECONDS + hour * 3600
           + set->minutes[in_day / set->second_count % set->minute_count] * 60
           + set->seconds[in_day % set->second_count];
}

static int64_t occurrence_at(const struct occurrence_cursor *cursor, int64_t at)
{
    return time_at(cursor, cursor->set->rule.position_count > 0 ? cursor->indexes[at] : at);
}

static int compare_indexes(const void *a, const void *b)
{
    int64_t first = *(const int64_t *) a;
    int64_t second = *(const int64_t *) b;

    return (first > second) - (first < second);
}

/* Applies BYSETPOS to a period of `total` times. */
static void select_positions(struct occurrence_cursor *cursor, int64_t total)
{
    const struct recurrence_rule *rule = &cursor->set->rule;
    int64_t count = 0;
    int64_t kept = 0;

    if (cursor->selected_from == total) {
        cursor->count = cursor->selected_count;
        return;
    }
    for (int i = 0; i < rule->position_count; i++) {
        int position = rule->positions[i];
        int64_t index = position > 0 ? position - 1 : total + position;

        if (index >= 0 && index < total)
            cursor->indexes[count++] = index;
    }
    qsort(cursor->indexes, (size_t) count, sizeof(cursor->indexes[0]), compare_indexes);
    for (int64_t i = 0; i < count; i++) {
        if (kept == 0 || cursor->indexes[i] != cursor->indexes[kept - 1])
            cursor->indexes[kept++] = cursor->indexes[i];
    }
    cursor->selected_from = total;
    cursor->selected_count = kept;
    cursor->count = kept;
}

/* Fills in the days and occurrences of the period. */
static void load_period(struct occurrence_cursor *cursor)
{
    const struct occurrence_set *set = cursor->set;
    struct day_range range = range_of(&set->rule, cursor->period);

    cursor->at = 0;
    cursor->day_count = 0;
    for (int64_t day = range.start; day < range.end; day++) {
        load_year(cursor, day);
        if (cursor->matches[day - cursor->year_start])
            cursor->days[cursor->day_count++] = day;
    }
    if (set->rule.frequency == RULE_HOURLY && (set->rule.hours >> calendar_remainder(cursor->period, 24) & 1) == 0)
        cursor->day_count = 0;
    cursor->count = cursor->day_count * times_per_day(set);
    if (set->rule.position_count > 0)
        select_positions(cursor, cursor->count);
}

/*
 * Moves to the first period at or after this one that INTERVAL allows and that has an occurrence. Returns false at the
 * end of the set; the cursor has no occurrences then.
 */
static bool find_period(struct occurrence_cursor *cursor, int64_t period)
{
    const struct occurrence_set *set = cursor->set;
    int64_t last = period_of(&set->rule, set->end);

    for (;;) {
        int64_t next;

        period += calendar_remainder(set->first_period - period, set->rule.interval);
        if (period > last)
            break;
        cursor->period = period;
        load_period(cursor);
        if (cursor->count > 0)
            return true;
        period++;
        next = next_match(cursor, range_of(&set->rule, period).start);
        next = period_of(&set->rule, next * CALENDAR_DAY_SECONDS);
        if (next > period)
            period = next;
    }
    cursor->is_at_end = true;
    return false;
}

/* Moves to the first occurrence of the period that is not before a local time. */
static void skip_before(struct occurrence_cursor *cursor, int64_t local)
{
    int64_t high = cursor->count;

    while (cursor->at < high) {
        int64_t middle = cursor->at + (high - cursor->at) / 2;

        if (occurrence_at(cursor, middle) < local)
            cursor->at = middle + 1;
        else
            high = middle;
    }
}

void occurrences_seek(struct occurrence_cursor *cursor, const struct occurrence_set *set, int64_t local)
{
    int64_t from = local > set->start ? local : set->start;

    cursor->set = set;
    cursor->year = 0;
    cursor->selected_from = -1;
    cursor->is_at_end = from > set->end;
    if (!cursor->is_at_end && find_period(cursor, period_of(&set->rule, from)))
        skip_before(cursor, from);
}

/* Moves to the next period if the current one has no occurrence left. Returns false at the end of the set. */
static bool settle(struct occurrence_cursor *cursor)
{
    return !cursor->is_at_end && (cursor->at < cursor->count || find_period(cursor, cursor->period + 1));
}

bool occurrences_next(struct occurrence_cursor *cursor, int64_t *ret_local)
{
    int64_t local;

    if (!settle(cursor))
        return false;
    local = occurrence_at(cursor, cursor->at);
    if (local > cursor->set->end)
        return false;
    cursor->at++;
    *ret_local = local;
    return true;
}

void occurrence_set_init(struct occurrence_set *set, const struct recurrence_rule *rule, int64_t start)
{
    set->rule = *rule;
    set->start = start;
    add_defaults(&set->rule, start);
    set->first_period = period_of(&set->rule, start);
    set->end = OCCURRENCES_MAX;
    if (rule->has_until && !rule->until_is_utc && rule->until < set->end)
        set->end = rule->until;
    set->hour_count = list_bits(set->rule.hours, set->hours);
    set->minute_count = list_bits(set->rule.minutes, set->minutes);
    set->second_count = list_bits(set->rule.seconds, set->seconds);
}

void occurrence_set_apply_count(struct occurrence_set *set)
{
    struct occurrence_cursor cursor;
    int64_t left = set->rule.count;

    if (left == 0)
        return;
    occurrences_seek(&cursor, set, set->start);
    while (settle(&cursor)) {
        int64_t available = cursor.count - cursor.at;

        if (left <= available) {
            set->end = occurrence_at(&cursor, cursor.at + left - 1);
            return;
        }
        left -= available;
        cursor.at = cursor.count;
    }
}
