/*
 * The counters of all processes together, in waybill.counter: behind a web server that starts several processes, and on
 * several hosts, each gives the same totals, which outlive it. The numbers of tasks come from their table.
 */
#ifndef WAYBILL_EXPORT_COUNTERS_H
#define WAYBILL_EXPORT_COUNTERS_H

#include "base/compiler.h"
#include "base/error.h"
#include "db/db.h"

/* Adds what this process has counted (base/metrics.h). On failure that is kept for the next time. */
MUST_CHECK bool counters_flush(struct db *db, struct error *err);

/* Calls `each` for every counter, in the order of their names. */
MUST_CHECK bool counters_read(struct db *db, void (*each)(void *context, const char *name, const char *value),
                              void *context, struct error *err);

/* What there is at this moment. */
struct counters_gauges {
    int64_t queued;
    int64_t running;
    int64_t success;
    int64_t failure;
    double oldest_queued; /* seconds that the oldest queued task has waited, 0 if there is none */
    int64_t files_bytes;
};

MUST_CHECK bool counters_read_gauges(struct db *db, struct counters_gauges *ret_gauges, struct error *err);

#endif
