/*
 * The occurrences of a recurrence rule (RFC 5545 section 3.3.10) in a time zone. Instants are in milliseconds since
 * 1970-01-01T00:00:00Z; occurrences are whole seconds.
 *
 * libical parses the rules. The project's own code expands them, because libical 3.0 deviates from RFC 5545 in
 * BYSETPOS, negative BYMONTHDAY, YEARLY with BYMONTHDAY, HOURLY with BYHOUR and WEEKLY with INTERVAL, and takes seconds
 * to minutes for rules that rarely match.
 */
#ifndef WAYBILL_SCHEDULE_RECURRENCE_H
#define WAYBILL_SCHEDULE_RECURRENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

/* recurrence_count counts no further than this. */
#define RECURRENCE_COUNT_MAX 20000

struct recurrence; /* constant after recurrence_parse: any number of threads may use it */

/*
 * Parses a rule for occurrences on the local clock of a time zone, from `start` on, which is from 0 to the year 9999.
 * DTSTART of RFC 5545 is the start in local time, rounded up to a whole second. It is an occurrence only if the rule
 * matches it. UNTIL is an instant if it ends with Z, otherwise a local time.
 *
 * Returns NULL with ERROR_PARAMETER and a message that begins with `rule`, `time_zone` or `start_time`. A rule without
 * an occurrence within ten years of the start is refused too. Free the result with recurrence_free, which accepts NULL.
 */
MUST_CHECK struct recurrence *recurrence_parse(const char *rule, const char *time_zone, int64_t start,
                                               struct error *err);
void recurrence_free(struct recurrence *recurrence);

/* Finds the first occurrence at or after `from`. Returns false if there is none before the year 10000. */
bool recurrence_next(const struct recurrence *recurrence, int64_t from, int64_t *ret_instant);

/*
 * Counts the occurrences from `from` to `to`, both included, and finds the newest of them. Returns at most
 * RECURRENCE_COUNT_MAX; the newest is correct even if there are more. Returns 0 and leaves *ret_newest unchanged if
 * there is none.
 */
int64_t recurrence_count(const struct recurrence *recurrence, int64_t from, int64_t to, int64_t *ret_newest);

/*
 * Lists occurrences in ascending order, from the first one at or after `from`. A local time that a change of the clock
 * skips occurs with the offset before the change (RFC 5545 section 3.3.5). Local times that fall on one instant are one
 * occurrence. The recurrence must outlive the iterator. Free it with recurrence_end.
 */
struct recurrence_iterator;
MUST_CHECK struct recurrence_iterator *recurrence_begin(const struct recurrence *recurrence, int64_t from);
bool recurrence_step(struct recurrence_iterator *iterator, int64_t *ret_instant);
void recurrence_end(struct recurrence_iterator *iterator);

#endif
