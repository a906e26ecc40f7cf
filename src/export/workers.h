/*
 * The export threads of a process. Each claims and runs task after task until the queue is empty, then waits for a
 * wake-up from this process or another one (listener.h), or until it polls the queue again.
 */
#ifndef WAYBILL_EXPORT_WORKERS_H
#define WAYBILL_EXPORT_WORKERS_H

#include <stdbool.h>

#include "base/compiler.h"
#include "db/connection.h"
#include "export/exporter.h"
#include "export/housekeeper.h"
#include "export/watches.h"

struct workers;

/*
 * Starts `threads` threads, which may be 0. `exporter` is copied; its `stop` is ignored. Each thread opens its own
 * connection to the inventory, with the settings `inventory`. The threads notify `watches` when a task has ended, and
 * wake the housekeeper, which may be NULL, when there may be something to remove. All pointers must remain valid until
 * workers_free. Returns NULL if a thread cannot start.
 */
MUST_CHECK struct workers *workers_start(const struct exporter *exporter, const struct db_settings *inventory,
                                         struct watches *watches, struct housekeeper *housekeeper, int threads);

/* Wakes a thread, because a task was queued. */
void workers_wake(struct workers *workers);

/* Wakes all threads, because tasks may have been queued without a notification. */
void workers_wake_all(struct workers *workers);

/*
 * Returns whether a thread is free to claim the task, or already runs it. A thread counts as free as soon as the last
 * transaction of its export begins, so it is free before anyone is notified that the task has ended. When the last free
 * thread becomes busy, watches with `until_busy` report WATCH_BUSY.
 */
bool workers_may_run(struct workers *workers, const char *task_id);

/*
 * Claims and runs the task in the calling thread, for a process without export threads. Returns false if the task
 * cannot be claimed.
 */
bool workers_run(struct workers *workers, const char *task_id);

/*
 * Stops claiming tasks, and waits up to grace_ms for running exports. Near the end of that time, the tasks of
 * unfinished exports are requeued. Returns true if all threads have ended, and false if a thread hangs: then everything
 * it uses must remain valid.
 */
MUST_CHECK bool workers_stop(struct workers *workers, int grace_ms);

/* Call it after workers_stop has returned true. NULL is allowed. */
void workers_free(struct workers *workers);

#endif
