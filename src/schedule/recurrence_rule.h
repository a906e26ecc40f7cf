/* Parses recurrence rules (RFC 5545 section 3.3.10). */
#ifndef WAYBILL_SCHEDULE_RECURRENCE_RULE_H
#define WAYBILL_SCHEDULE_RECURRENCE_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

#define RULE_MAX_LENGTH 512
#define RULE_MAX_COUNT 10000
#define RULE_MAX_NUMBER 366    /* the largest number in a BY part */
#define RULE_MAX_POSITIONS 256 /* more than a rule of RULE_MAX_LENGTH can have */

enum rule_frequency {
    RULE_HOURLY,
    RULE_DAILY,
    RULE_WEEKLY,
    RULE_MONTHLY,
    RULE_YEARLY,
};

/* Numbers that count from 1 at the start of a period, or from -1 at its end. */
struct rule_numbers {
    bool is_given;
    bool from_start[RULE_MAX_NUMBER + 1]; /* [1] is 1 */
    bool from_end[RULE_MAX_NUMBER + 1];   /* [1] is -1 */
};

struct recurrence_rule {
    enum rule_frequency frequency;
    int interval;
    int count;          /* 0: none */
    bool has_until;
    bool until_is_utc;  /* otherwise, until is a local time */
    int64_t until;      /* seconds since 1970-01-01T00:00:00 in UTC or on the local clock */
    int week_start;     /* 0 is Monday */
    /* Bit n is the number n. 0: the rule does not have this part. */
    uint64_t seconds, minutes, hours, months;
    uint64_t weekdays;  /* BYDAY without numbers; bit 0 is Monday */
    bool has_days;      /* BYDAY is given, with or without numbers */
    struct rule_numbers numbered_weekdays[7]; /* BYDAY with numbers; [0] is Monday */
    struct rule_numbers month_days, year_days, weeks;
    int positions[RULE_MAX_POSITIONS]; /* BYSETPOS, without duplicates */
    int position_count;
};

/*
 * Parses a rule of at most RULE_MAX_LENGTH characters. Accepts what RFC 5545 allows, except for the frequencies
 * SECONDLY and MINUTELY, a COUNT above RULE_MAX_COUNT, an INTERVAL above 32767, and lists of more values than the part
 * can have. BYSECOND=60 is 59 (RFC 5545 section 3.3.12). Returns false with ERROR_PARAMETER and a message that begins
 * with "rule" otherwise.
 */
MUST_CHECK bool recurrence_rule_parse(const char *text, struct recurrence_rule *ret_rule, struct error *err);

#endif
