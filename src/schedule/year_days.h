/* Which days of a year the BY parts of a recurrence rule allow. */
#ifndef WAYBILL_SCHEDULE_YEAR_DAYS_H
#define WAYBILL_SCHEDULE_YEAR_DAYS_H

#include <stdbool.h>

#include "schedule/recurrence_rule.h"

/*
 * Sets matches[n] for the day n of the year, 0 is 1 January. BYMONTH, BYWEEKNO, BYYEARDAY, BYMONTHDAY and BYDAY each
 * allow some days, and a day must be allowed by every part that the rule has. A week of BYWEEKNO may begin in the year
 * before or end in the year after: its days count in the year in which they are.
 */
void year_days_match(const struct recurrence_rule *rule, int year, bool *matches);

#endif
