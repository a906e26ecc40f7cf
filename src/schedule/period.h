/* Periods before an instant, such as the last seven days, as ISO 8601 durations. */
#ifndef WAYBILL_SCHEDULE_PERIOD_H
#define WAYBILL_SCHEDULE_PERIOD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/time_zone.h"

struct period {
    int64_t months;  /* with the years */
    int64_t days;    /* with the weeks */
    int64_t seconds; /* with the hours and minutes */
};

/*
 * Parses a duration such as P7D, P2W, PT24H or P1Y2M10DT2H30M: integers of at most 8 digits, in this order, without a
 * sign, and not all 0. Weeks stand alone. Otherwise fails with ERROR_PARAMETER and a message that begins with `field`.
 */
MUST_CHECK bool period_parse(const char *text, const char *field, struct period *ret_period, struct error *err);

/*
 * Returns the instant that is a period before another, which is in 1970 to 9999; never less than 0. Years and months
 * are those of the calendar of the zone, where a day beyond the end of the month becomes its last day. Days and weeks
 * keep the local time, which is converted as time_zone_from_local says. Hours, minutes and seconds are exact.
 */
int64_t period_before(const struct period *period, const struct time_zone *zone, int64_t instant);

#endif
