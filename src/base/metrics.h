/*
 * Counters of this process: what has been counted since it was last taken. A counter's name is that of its Prometheus
 * sample, labels included: waybill_exports_total{outcome="success"}. Labels are ours, never a caller's text.
 */
#ifndef WAYBILL_BASE_METRICS_H
#define WAYBILL_BASE_METRICS_H

#include <stddef.h>

#include "base/compiler.h"

#define METRICS_MAX 1024      /* counters; more are not counted */
#define METRICS_NAME_SIZE 128 /* of a name, with the NUL */

/* What a thread adds between the two is taken together. May be nested. */
void metrics_begin(void);
void metrics_end(void);

/* Adds to the counter with this name. */
void metrics_add(double amount, const char *name, ...) PRINTF_LIKE(2, 3);

/* Adds an observation to a histogram of seconds: its _bucket, _sum and _count, with one label. */
void metrics_observe(double seconds, const char *name, const char *label, const char *value);

struct metric {
    char name[METRICS_NAME_SIZE];
    double amount;
};

/* Takes all that has been counted and begins anew: *ret_count counters in the order of their names, to be freed. */
struct metric *metrics_take(size_t *ret_count);

#endif
