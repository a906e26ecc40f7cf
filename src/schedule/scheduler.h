/*
 * The thread that starts the runs of schedules, in every process that has export threads. It sleeps until something is
 * due. SCHEDULE_CHANNEL wakes it when a schedule was changed or a run has ended.
 */
#ifndef WAYBILL_SCHEDULE_SCHEDULER_H
#define WAYBILL_SCHEDULE_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/background.h"
#include "base/compiler.h"
#include "db/pool.h"
#include "export/workers.h"
#include "schedule/notifier.h"

struct scheduler;

/* Starts the thread. The arguments must outlive the scheduler. Returns NULL if the thread cannot start. */
MUST_CHECK struct scheduler *scheduler_start(struct db_pool *pool, struct workers *workers, struct notifier *notifier,
                                             int history_hours);

/* NULL is allowed, here and below. */
void scheduler_wake(struct scheduler *scheduler);

/* As background_stop. A statement that takes longer than grace_ms fails, and what it would have done remains due. */
MUST_CHECK bool scheduler_stop(struct scheduler *scheduler, int grace_ms);

/* Call it after scheduler_stop has returned true. */
void scheduler_free(struct scheduler *scheduler);

/* What a pass did. */
struct scheduler_pass {
    int64_t started;       /* tasks that were created or queued again */
    int64_t notifications; /* that were created */
    int wait_ms;           /* until the next pass */
};

/*
 * Does everything that is due, until the thread is stopping (NULL: it is not). `now` is in milliseconds since 1970. 0
 * means the clock of the database. Returns false if the database is not available. *pass is always set.
 */
MUST_CHECK bool scheduler_run_pass(struct db *db, int64_t now, const struct background *thread,
                                   struct scheduler_pass *pass, struct error *err);

#endif
