/*
 * Counters in the memory of this process; totals.h adds them to those of all processes. A counter has the name of its
 * Prometheus sample, labels included: waybill_exports_total{outcome="success"}. exposition.c has the table of families;
 * a new one needs a row there. Labels must not contain text from callers.
 */
#ifndef WAYBILL_METRICS_COUNTERS_H
#define WAYBILL_METRICS_COUNTERS_H

#include <stddef.h>

#include "base/compiler.h"

#define COUNTERS_MAX 1024      /* number of different names; further names are not counted */
#define COUNTERS_NAME_SIZE 128 /* of a name, including the NUL; a longer name is cut */

/*
 * The same call of counters_take returns everything that a thread adds between these two calls. Pairs of calls may be
 * nested.
 */
void counters_begin(void);
void counters_end(void);

/* Adds to the counter with this name. */
void counters_add(double amount, const char *name, ...) PRINTF_LIKE(2, 3);

/* Adds an observation to a histogram of seconds: its _bucket, _sum and _count, with one label. */
void counters_observe(double seconds, const char *name, const char *label, const char *value);

struct counter {
    char name[COUNTERS_NAME_SIZE];
    double amount;
};

/* Returns all counters, in the order of their names, and sets them to zero. Free the result with free(). */
struct counter *counters_take(size_t *ret_count);

#endif
