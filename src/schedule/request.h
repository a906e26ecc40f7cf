/* The request of a schedule: the body of its tasks, in which create_time may be relative to the occurrence. */
#ifndef WAYBILL_SCHEDULE_REQUEST_H
#define WAYBILL_SCHEDULE_REQUEST_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/time_zone.h"

/*
 * Returns the accepted body of the task of an occurrence: replaces create_time {"last": DURATION} by the range from
 * `occurrence` minus the duration (period_before) to `occurrence`. Free the result with free(). Returns NULL and a
 * message that begins with `request` on failure: ERROR_PARAMETER if the request breaks a rule of a task's body,
 * ERROR_BODY if it is not JSON.
 */
MUST_CHECK char *schedule_request_body(const char *request, const struct time_zone *zone, int64_t occurrence,
                                       struct error *err);

#endif
