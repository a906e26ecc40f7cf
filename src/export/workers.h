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
 * Starts `threads` threads, which may be 0. `exporter` is copied, and its `stop` is set here. Each thread opens its own
 * connection for rows with the settings `inventory`. The threads notify `watches` of the end of each task, and wake the
 * housekeeper, which may be NULL, when there may be something to remove. All pointers must stay valid until
 * workers_free. Returns NULL if a thread cannot start.
 */
MUST_CHECK struct workers *workers_start(const struct exporter *exporter, const struct db_settings *inventory,
                                         struct watches *watches, struct housekeeper *housekeeper, int threads);

/* Wakes a thread, because a task was queued. */
void workers_wake(struct workers *workers);

/* Wakes all threads, because tasks may have been queued without a notification. */
void workers_wake_all(struct workers *workers);

/*
 * Whether a thread is free to claim the task now, or already runs it. A thread counts as free once the last transaction
 * of its export begins, and so before anyone is notified of the end of its task. When the last free thread becomes
 * busy, watches with `until_busy` get WATCH_BUSY.
 */
bool workers_may_run(struct workers *workers, const char *task_id);

/*
 * Claims and runs the task in the calling thread, for a process without export threads. Returns false if the task
 * cannot be claimed.
 */
bool workers_run(struct workers *workers, const char *task_id);

/*
 * Stops claiming tasks, and waits up to grace_ms for running exports. Near the end of that time, unfinished exports
 * return to the queue. Returns true if all threads have ended, and false if a thread hangs: then everything it uses
 * must stay.
 */
MUST_CHECK bool workers_stop(struct workers *workers, int grace_ms);

/* Call it after workers_stop has returned true. NULL is allowed. */
void workers_free(struct workers *workers);

#endif
