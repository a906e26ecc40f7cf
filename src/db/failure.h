/*
 * The number of failed statements and connection attempts, for the metrics of the process. A busy pool and ERROR_CONFIG
 * do not count.
 */
#ifndef WAYBILL_DB_FAILURE_H
#define WAYBILL_DB_FAILURE_H

#include <stdint.h>

#include "base/error.h"

/* Returns the number of errors with this code since the last call for it. Any thread may call it. */
uint64_t db_failures_take(enum error_code code);

#endif
