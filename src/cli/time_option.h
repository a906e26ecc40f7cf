/* Times as values of options: ISO 8601, with or without an offset. */
#ifndef WAYBILL_CLI_TIME_OPTION_H
#define WAYBILL_CLI_TIME_OPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

struct cli_time {
    int64_t ms;    /* since 1970 */
    bool is_local; /* it has no offset, so that it depends on the time zone */
};

/* A parser of cli_option for a struct cli_time. */
const char *cli_time_parse(const char *value, void *target);

/*
 * Converts a local time in the time zone to an instant. Fails with ERROR_PARAMETER and a message that begins with
 * time_zone if the time is local and there is no such zone.
 */
MUST_CHECK bool cli_time_resolve(struct cli_time *time, const char *time_zone, struct error *err);

#endif
