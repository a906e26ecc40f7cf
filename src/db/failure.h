/* The number of errors that src/db has reported, for the metrics of the process. */
#ifndef WAYBILL_DB_FAILURE_H
#define WAYBILL_DB_FAILURE_H

#include <stdint.h>

#include "base/error.h"

/* Returns the number of errors with this code since the last call for it. Any thread may call it. */
uint64_t db_failures_take(enum error_code code);

#endif
