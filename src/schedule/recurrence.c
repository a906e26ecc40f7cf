#include "schedule/recurrence.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/calendar.h"
#include "base/memory.h"
#include "base/time_zone.h"
#include "base/tzif.h"
#include "schedule/occurrences.h"
#include "schedule/recurrence_rule.h"

#define MATCH_YEARS 10

struct recurrence {
    struct time_zone *zone;
    struct occurrence_set set;
    int64_t start; /* no occurrence is before this instant or after `end`; both are in seconds */
    int64_t end;
};

/*
 * Merges two ascending sequences of instants, in seconds: the local times that exist, and those that a change of the
 * clock skips. The latter fall among local times that come after them.
 */
struct recurrence_iterator {
    const struct recurrence *recurrence;
    struct occurrence_cursor cursor;
    int64_t from;     /* instants before it have passed */
    bool has_next;    /* `next` is the next local time that exists */
    int64_t next;
    int64_t *skipped; /* skipped_at to skipped_count are still to come */
    size_t skipped_at, skipped_count, skipped_room;
};

static int64_t local_of(const struct recurrence *recurrence, int64_t instant)
{
    return time_zone_to_local(recurrence->zone, instant * 1000) / 1000;
}

/* Sets the cursor to the first local time that can occur at or after `from`. */
static void seek_instant(struct recurrence_iterator *iterator)
{
    const struct recurrence *recurrence = iterator->recurrence;
    int64_t from = iterator->from;
    int64_t local = local_of(recurrence, from);
    int64_t gap = local - local_of(recurrence, from - CALENDAR_DAY_SECONDS) - CALENDAR_DAY_SECONDS;

    /* A time that the clock skipped in the last day may occur after this instant. */
    occurrences_seek(&iterator->cursor, &recurrence->set, gap > 0 ? local - gap : local);
}

struct recurrence_iterator *recurrence_begin(const struct recurrence *recurrence, int64_t from)
{
    struct recurrence_iterator *iterator = memory_zeroed(1, sizeof(*iterator));
    int64_t seconds = from / 1000 + (from % 1000 > 0 ? 1 : 0);

    iterator->recurrence = recurrence;
    iterator->from = seconds > recurrence->start ? seconds : recurrence->start;
    if (iterator->from <= recurrence->end)
        seek_instant(iterator);
    else
        iterator->cursor.is_at_end = true;
    return iterator;
}

static void append_skipped(struct recurrence_iterator *iterator, int64_t instant)
{
    if (iterator->skipped_at == iterator->skipped_count)
        iterator->skipped_at = iterator->skipped_count = 0;
    if (iterator->skipped_count == iterator->skipped_room) {
        iterator->skipped_room = 2 * iterator->skipped_room + 16;
        iterator->skipped = memory_resize(iterator->skipped, iterator->skipped_room * sizeof(int64_t));
    }
    iterator->skipped[iterator->skipped_count++] = instant;
}

/* Reads the cursor up to the next local time that exists. */
static void read_cursor(struct recurrence_iterator *iterator)
{
    int64_t local;

    while (!iterator->has_next && occurrences_next(&iterator->cursor, &local)) {
        bool is_skipped;
        int64_t instant = time_zone_from_local(iterator->recurrence->zone, local * 1000, &is_skipped) / 1000;

        if (is_skipped) {
            append_skipped(iterator, instant);
        } else {
            iterator->has_next = true;
            iterator->next = instant;
        }
    }
}

/* Takes the earlier of the next instants of both sequences. */
static bool take_instant(struct recurrence_iterator *iterator, int64_t *ret_instant)
{
    bool has_skipped;

    read_cursor(iterator);
    has_skipped = iterator->skipped_at < iterator->skipped_count;
    if (has_skipped && (!iterator->has_next || iterator->skipped[iterator->skipped_at] < iterator->next)) {
        *ret_instant = iterator->skipped[iterator->skipped_at++];
        return true;
    }
    if (iterator->has_next)
        *ret_instant = iterator->next;
    else
        return false;
    iterator->has_next = false;
    return true;
}

bool recurrence_step(struct recurrence_iterator *iterator, int64_t *ret_instant)
{
    int64_t instant;

    while (take_instant(iterator, &instant)) {
        if (instant > iterator->recurrence->end)
            return false;
        if (instant >= iterator->from) {
            iterator->from = instant + 1;
            *ret_instant = instant * 1000;
            return true;
        }
    }
    return false;
}

void recurrence_end(struct recurrence_iterator *iterator)
{
    if (iterator != NULL)
        free(iterator->skipped);
    free(iterator);
}

bool recurrence_next(const struct recurrence *recurrence, int64_t from, int64_t *ret_instant)
{
    struct recurrence_iterator *iterator = recurrence_begin(recurrence, from);
    bool has_next = recurrence_step(iterator, ret_instant);

    recurrence_end(iterator);
    return has_next;
}

/* Finds the newest occurrence, by bisection. `newest` is an occurrence. */
static int64_t find_newest(const struct recurrence *recurrence, int64_t newest)
{
    int64_t low = newest + 1;
    int64_t high = recurrence->end * 1000 + 1; /* there is no occurrence from here on */

    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int64_t instant;

        if (recurrence_next(recurrence, middle, &instant)) {
            newest = instant;
            low = instant + 1;
        } else {
            high = middle;
        }
    }
    return newest;
}

/* Ends a recurrence at `to`, so that no search goes beyond it. The result shares the zone. */
static struct recurrence end_at(const struct recurrence *recurrence, int64_t to)
{
    struct recurrence ended = *recurrence;
    int64_t end = calendar_divide(to, 1000);

    if (end < ended.end) {
        int64_t local_end = end + TZIF_OFFSET_LIMIT; /* no local time is later */

        ended.end = end;
        if (local_end < ended.set.end)
            ended.set.end = local_end;
    }
    return ended;
}

int64_t recurrence_count(const struct recurrence *recurrence, int64_t from, int64_t to, int64_t *ret_newest)
{
    const struct recurrence ended = end_at(recurrence, to);
    struct recurrence_iterator *iterator = recurrence_begin(&ended, from);
    int64_t count = 0;
    int64_t newest = 0;

    while (count < RECURRENCE_COUNT_MAX && recurrence_step(iterator, &newest))
        count++;
    recurrence_end(iterator);
    if (count == RECURRENCE_COUNT_MAX)
        newest = find_newest(&ended, newest);
    if (count > 0)
        *ret_newest = newest;
    return count;
}

static bool check_occurrence(const struct recurrence *recurrence, struct error *err)
{
    int64_t first;

    return recurrence_next(recurrence, 0, &first)
           || error_set(err, ERROR_PARAMETER, "rule must have an occurrence within %d years of start_time",
                        MATCH_YEARS);
}

/* Refuses a rule that has no occurrence within ten years. Only then, a search to the end of COUNT is short. */
static bool bound_set(struct recurrence *recurrence, struct error *err)
{
    struct occurrence_set *set = &recurrence->set;
    struct calendar_date date = calendar_date(calendar_divide(set->start, CALENDAR_DAY_SECONDS));
    int64_t horizon = (calendar_day(date.year + MATCH_YEARS, date.month, date.day) + 1) * CALENDAR_DAY_SECONDS;
    int64_t end = set->end;

    if (horizon < end)
        set->end = horizon;
    if (!check_occurrence(recurrence, err))
        return false;
    set->end = end;
    occurrence_set_apply_count(set);
    /* COUNT includes a start in the second of two equal hours, which occurs in the first, before the start. */
    return check_occurrence(recurrence, err);
}

struct recurrence *recurrence_parse(const char *rule, const char *time_zone, int64_t start, struct error *err)
{
    struct recurrence *recurrence = memory_zeroed(1, sizeof(*recurrence));
    struct recurrence_rule parsed;

    if (!recurrence_rule_parse(rule, &parsed, err))
        goto failed;
    recurrence->zone = time_zone_open(time_zone, err);
    if (recurrence->zone == NULL)
        goto failed;
    if (start < 0 || start > CALENDAR_MAX_MS) {
        error_set(err, ERROR_PARAMETER, "start_time must be 0 to %" PRId64 ", got %" PRId64, CALENDAR_MAX_MS, start);
        goto failed;
    }
    recurrence->start = start / 1000 + (start % 1000 > 0 ? 1 : 0);
    recurrence->end = CALENDAR_MAX_MS / 1000;
    if (parsed.has_until && parsed.until_is_utc && parsed.until < recurrence->end)
        recurrence->end = parsed.until;
    occurrence_set_init(&recurrence->set, &parsed, local_of(recurrence, recurrence->start));
    if (bound_set(recurrence, err))
        return recurrence;

failed:
    recurrence_free(recurrence);
    return NULL;
}

void recurrence_free(struct recurrence *recurrence)
{
    if (recurrence != NULL)
        time_zone_close(recurrence->zone);
    free(recurrence);
}
