/*
 * The export threads of a process. Each claims and runs task after task until the queue is empty, then waits for a
 * wake-up from this process or another one (listener.h), or until it polls the queue again.
 */
#ifndef WAYBILL_EXPORT_WORKERS_H
#define WAYBILL_EXPORT_WORKERS_H

#include <stdbool.h>

#include "base/compiler.h"
#include "db/db.h"
#include "export/exporter.h"
#include "export/housekeeper.h"
#include "export/watches.h"

struct workers;

/*
 * Starts `threads` threads (0 is fine). `exporter` is copied but for what it points to, which must outlive the
 * workers, as must `inventory`, the settings of each thread's own connection for the rows, `watches`, which are
 * notified of the end of each task, and `housekeeper`, which is woken when there may be something to remove; it may be
 * NULL. The exporter's `stop` is set here. NULL if a thread cannot be started.
 */
MUST_CHECK struct workers *workers_start(const struct exporter *exporter, const struct db_settings *inventory,
                                         struct watches *watches, struct housekeeper *housekeeper, int threads);

/* A task was queued somewhere: wakes a thread. */
void workers_wake(struct workers *workers);

/* Tasks may have been queued without a notification: wakes all threads. */
void workers_wake_all(struct workers *workers);

/*
 * Whether a thread is free, so that it can claim the task at once, or runs the task. A thread is free as soon as the
 * last transaction of its export begins, and so before anyone is notified of the end of its task. When no thread is
 * free any more, the watches that are to hear of it have WATCH_BUSY.
 */
bool workers_may_run(struct workers *workers, const char *task_id);

/*
 * Runs the task in the calling thread if it can be claimed, for a process without export threads. True if it was.
 */
bool workers_run(struct workers *workers, const char *task_id);

/*
 * From now on no task is claimed. Waits up to grace_ms for running exports; those that are not done by then are handed
 * back to the queue, towards the end of that time. True if all threads have ended. False if one hangs: then what it
 * uses must stay.
 */
MUST_CHECK bool workers_stop(struct workers *workers, int grace_ms);

/* After workers_stop was true. NULL is fine. */
void workers_free(struct workers *workers);

#endif
