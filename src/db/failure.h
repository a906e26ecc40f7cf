/* The number of errors that src/db has reported, for the metrics of the process. */
#ifndef WAYBILL_DB_FAILURE_H
#define WAYBILL_DB_FAILURE_H

#include <stdint.h>

#include "base/error.h"

/* Returns how many errors with this code were reported since the last call for it. May be called by any thread. */
uint64_t db_failures_take(enum error_code code);

#endif
