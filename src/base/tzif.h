/*
 * Reads TZif files (RFC 9636), the compiled files of the time zone database. All times are seconds, instants are
 * seconds since 1970-01-01T00:00:00Z.
 */
#ifndef WAYBILL_BASE_TZIF_H
#define WAYBILL_BASE_TZIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

/* Offsets are below this: RFC 9636 section 3.2 limits them to 26 hours. */
#define TZIF_OFFSET_LIMIT INT64_C(93600)

/* The offset from UTC, east of Greenwich positive, changes at an instant. */
struct tzif_change {
    int64_t instant;
    int32_t offset; /* from this instant on */
};

struct tzif {
    int32_t first_offset; /* before the first change */
    struct tzif_change *changes; /* ascending; each changes the offset */
    size_t change_count;
    /*
     * From this instant on, the changes of the last 400 years before it repeat every 400 years. INT64_MAX: there is no
     * change after the last one.
     */
    int64_t cycle_limit;
};

/*
 * Reads the content of a file: the 64-bit data and the footer, or the 32-bit data if the file has version 1. Returns
 * false with ERROR_INTERNAL if the content is invalid. Free *ret_tzif with tzif_free.
 */
MUST_CHECK bool tzif_read(const unsigned char *data, size_t length, struct tzif *ret_tzif, struct error *err);

void tzif_free(struct tzif *tzif);

#endif
