/*
 * The time zones of the time zone database, in /usr/share/zoneinfo. A local time is the time that a clock on the wall
 * shows, in milliseconds since 1970-01-01T00:00:00 on the same clock.
 *
 * The project has its own code for them because tzset() of glibc serves one zone per process, and the libraries at hand
 * are wrong around changes (libical), end in 2037 (GLib) or have a database of their own (ICU).
 */
#ifndef WAYBILL_BASE_TIME_ZONE_H
#define WAYBILL_BASE_TIME_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

/* The rule for names, for messages. */
#define TIME_ZONE_NAME_RULE "must be a name of the time zone database, such as UTC or Europe/Berlin"

struct time_zone; /* constant after time_zone_open: any number of threads may use it */

/*
 * Whether the name has the form of a time zone, and the database has a file of that name. On a host without the
 * database, the form is sufficient.
 */
bool time_zone_is_name(const char *name);

/*
 * Opens a zone. UTC does not need the database. Returns NULL with ERROR_PARAMETER and a message that begins with
 * time_zone if there is no such zone, or its file is invalid. Close it with time_zone_close, which accepts NULL.
 */
MUST_CHECK struct time_zone *time_zone_open(const char *name, struct error *err);
void time_zone_close(struct time_zone *zone);

/* Like time_zone_open, with the content of a TZif file. Fails with ERROR_INTERNAL. */
MUST_CHECK struct time_zone *time_zone_read(const void *data, size_t length, struct error *err);

/*
 * Convert between instants and local times, within 1900 to 11000. A local time that occurs twice is the first of the
 * two. One that a change skips counts with the offset before the change, so that 02:30 becomes 03:30 (RFC 5545 section
 * 3.3.5). *ret_skipped says whether it is such a time; the pointer may be NULL.
 */
int64_t time_zone_to_local(const struct time_zone *zone, int64_t instant);
int64_t time_zone_from_local(const struct time_zone *zone, int64_t local, bool *ret_skipped);

#endif
