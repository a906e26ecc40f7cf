/* Time. Instants are in milliseconds since 1970-01-01T00:00:00Z, durations in milliseconds. */
#ifndef WAYBILL_BASE_CLOCK_H
#define WAYBILL_BASE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define CLOCK_ISO8601_SIZE 40
#define CLOCK_HTTP_DATE_SIZE 32

/* The last instant that PostgreSQL's timestamptz can hold: 294276-12-31T23:59:59.999Z. */
#define CLOCK_MAX_MS INT64_C(9224318015999999)

/* Returns the current time. */
int64_t clock_now_ms(void);

/* Returns the time of the monotonic clock, for deadlines. */
int64_t clock_monotonic_ms(void);

/* Returns the milliseconds until a deadline of the monotonic clock: at least 0, at most INT_MAX. */
int clock_remaining_ms(int64_t deadline);

/* Returns the monotonic time `ms` milliseconds from now. Timed waits of the condition variable use the same clock. */
struct timespec clock_timespec_after(int ms);
void clock_init_condition(pthread_cond_t *condition);

/* Writes an instant of 0 to CLOCK_MAX_MS as 2026-04-03T08:15:00.123Z. */
void clock_format_iso8601(char out[CLOCK_ISO8601_SIZE], int64_t instant);

/*
 * Parses a time of ISO 8601 in the years 1970 to 9999, such as 2026-04-03, 2026-04-03T08:15, 2026-04-03T08:15:00 or
 * 2026-04-03T08:15:00.123, the last three with or without Z, +02:00 or +0200. *ret_ms is an instant if there is such an
 * offset, otherwise the milliseconds from 1970-01-01T00:00:00 on the local clock. Returns false if it is invalid.
 */
bool clock_parse_iso8601(const char *text, int64_t *ret_ms, bool *ret_has_offset);

/* Writes an instant as Fri, 03 Apr 2026 08:15:00 GMT (RFC 9110 section 5.6.7). */
void clock_format_http_date(char out[CLOCK_HTTP_DATE_SIZE], int64_t instant);

/* Parses such a date, or one in the two older formats of that section. Returns false if it is invalid. */
bool clock_parse_http_date(const char *text, int64_t *ret_instant);

/* Parses a duration such as 90s, 15m, 12h, 30d or 4w, from 1s to 36600d. Returns false if it is invalid. */
bool clock_parse_duration(const char *text, int64_t *ret_duration);

#endif
