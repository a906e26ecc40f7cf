/*
 * The export threads of a process. Each claims and runs task after task until the queue is empty, then waits for a
 * wake-up from this process or another one (listener.h), or until it polls the queue again. A request that creates a
 * task can reserve a waiting thread, create the task as claimed, and hand it over: then the queue is not involved.
 */
#ifndef WAYBILL_EXPORT_WORKERS_H
#define WAYBILL_EXPORT_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "db/connection.h"
#include "export/announcements.h"
#include "export/exporter.h"
#include "export/housekeeper.h"
#include "export/watches.h"

struct workers;
struct worker;

/* What the threads use. All pointers must remain valid until workers_free. */
struct workers_terms {
    struct exporter exporter;            /* its `stop` is ignored */
    const struct db_settings *inventory; /* each thread opens its own connection */
    struct watches *watches;             /* notified when a task has ended */
    struct announcements *announcements; /* tell other processes the same, and when a task was queued */
    struct housekeeper *housekeeper;     /* woken when there may be something to remove; may be NULL */
};

/* Starts `threads` threads, which may be 0. `terms` is copied. Returns NULL if a thread cannot start. */
MUST_CHECK struct workers *workers_start(const struct workers_terms *terms, int threads);

/* Wakes threads, because this number of tasks were queued. */
void workers_wake(struct workers *workers, int64_t tasks);

/* Reports that this process has queued a task: wakes a thread, and announces the task to other processes. */
void workers_task_queued(struct workers *workers);

/* Wakes all threads, because tasks may have been queued without a notification. */
void workers_wake_all(struct workers *workers);

/*
 * Returns whether a thread is free to claim the task, or already runs it. A thread counts as free as soon as the last
 * transaction of its export begins, so it is free before anyone is notified that the task has ended. When the last free
 * thread becomes busy, watches with `until_busy` report WATCH_BUSY.
 */
bool workers_may_run(struct workers *workers, const char *task_id);

/*
 * Reserves a thread that waits for a wake-up and has a connection to the inventory. Returns NULL if there is none or if
 * queued tasks wait for a thread. The thread counts as busy until workers_release, or until the export has ended after
 * workers_hand_over. One of them must follow soon.
 */
MUST_CHECK struct worker *workers_reserve(struct workers *workers);
void workers_release(struct worker *worker);

/*
 * Lets the reserved thread run the export, and takes over the claim. Without claim_created, it is not known whether the
 * task was created: then the thread first looks whether it was.
 */
void workers_hand_over(struct worker *worker, struct claim *claim);

/* Returns the terms of claims of this process. */
const struct claim_terms *workers_claim_terms(const struct workers *workers);

/*
 * Claims and runs the task in the calling thread, for a process without export threads, and sends the announcements of
 * the process. Returns false if the task cannot be claimed.
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
