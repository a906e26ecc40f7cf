/*
 * The totals of all processes, in the table waybill.counter. Every process on every host reads the same numbers, which
 * survive a restart. The gauges are computed from the tables of tasks.
 */
#ifndef WAYBILL_METRICS_TOTALS_H
#define WAYBILL_METRICS_TOTALS_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

/*
 * Adds the counters of this process (counters.h) and the failures of its connections (db/failure.h) to the totals. If
 * that fails, they stay in memory for the next call.
 */
MUST_CHECK bool totals_flush(struct db *db, struct error *err);

/* Calls `each` for every total, in order of name. */
MUST_CHECK bool totals_read(struct db *db, void (*each)(void *context, const char *name, const char *value),
                            void *context, struct error *err);

/* The current state of the tasks, their files, and the schedules. */
struct totals_gauges {
    int64_t queued;
    int64_t running;
    int64_t success;
    int64_t failure;
    double oldest_queued; /* seconds since the oldest queued task was created; 0 if there is none */
    double oldest_due;    /* seconds since the oldest occurrence of a schedule was due; 0 if none is due */
    int64_t files_bytes;
};

MUST_CHECK bool totals_read_gauges(struct db *db, struct totals_gauges *ret_gauges, struct error *err);

#endif
