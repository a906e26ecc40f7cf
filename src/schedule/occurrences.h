/*
 * Expands a recurrence rule on the local clock, without time zones. Local times are seconds since 1970-01-01T00:00:00
 * on that clock.
 *
 * A period is what FREQ names: an hour, a day, a week, a month or a year. It has a list of days, and each day has the
 * same list of times, so an occurrence is a number and is calculated when it is needed.
 */
#ifndef WAYBILL_SCHEDULE_OCCURRENCES_H
#define WAYBILL_SCHEDULE_OCCURRENCES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "schedule/recurrence_rule.h"

/* The last local time that can be an occurrence: 9999-12-31T23:59:59. */
#define OCCURRENCES_MAX INT64_C(253402300799)

#define OCCURRENCES_MAX_DAYS 366 /* of a period */

/* A rule with its start. */
struct occurrence_set {
    struct recurrence_rule rule; /* has a value wherever RFC 5545 takes it from the start */
    int64_t start;
    int64_t first_period;        /* that of the start */
    int64_t end;                 /* no occurrence is later */
    int hours[24], minutes[60], seconds[60]; /* ascending */
    int hour_count, minute_count, second_count;
};

/* A position in the set. Its members are private. */
struct occurrence_cursor {
    const struct occurrence_set *set;
    int year; /* of `matches`; 0: none */
    int64_t year_start;
    bool matches[OCCURRENCES_MAX_DAYS]; /* the days of the year that the BY parts allow */
    int64_t period;
    int64_t days[OCCURRENCES_MAX_DAYS]; /* of the period */
    int64_t day_count;
    /* BYSETPOS: which times occur in a period that has selected_from times, ascending */
    int64_t indexes[RULE_MAX_POSITIONS];
    int64_t selected_from, selected_count;
    int64_t count; /* occurrences in the period */
    int64_t at;    /* the next of them */
    bool is_at_end;
};

/* Prepares the set of a rule and its start, which is in 1969 to 9999. Its end is that of UNTIL on the local clock. */
void occurrence_set_init(struct occurrence_set *set, const struct recurrence_rule *rule, int64_t start);

/* Moves the end to that of COUNT. A rule that never matches costs most here, so find its first occurrence before. */
void occurrence_set_apply_count(struct occurrence_set *set);

/* Sets the cursor to the first occurrence at or after a local time. The set must outlive the cursor. */
void occurrences_seek(struct occurrence_cursor *cursor, const struct occurrence_set *set, int64_t local);

/* Returns the occurrence at the cursor and moves it forward. Returns false if there is none left. */
bool occurrences_next(struct occurrence_cursor *cursor, int64_t *ret_local);

#endif
