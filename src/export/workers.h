/*
 * The export threads of a process. Each waits for work, claims task after task until the queue is empty, and
 * waits again: for a wake-up of this process, or for a moment to pass, since other processes queue tasks too.
 */
#ifndef WAYBILL_EXPORT_WORKERS_H
#define WAYBILL_EXPORT_WORKERS_H

#include <stdbool.h>

#include "base/text.h"
#include "db/db.h"
#include "export/exporter.h"

struct workers;

/*
 * Starts `threads` threads (0 is fine). `exporter` is copied but for what it points to, which must outlive the
 * workers, as must `inventory`: the settings of each thread's own connection for the rows. The exporter's `stop`
 * is set here. NULL if a thread can't be started.
 */
MUST_CHECK struct workers *workers_start(const struct exporter *exporter, const struct db_settings *inventory,
                                         int threads);

/* A task was queued: wakes a thread. True if one was idle, so that the task runs at once. */
bool workers_offer(struct workers *workers);

/* Runs the queued task in the calling thread, for a process without export threads. */
void workers_run(struct workers *workers, const char *task_id);

/* Someone who waits for the end of a task. */
struct workers_watch {
    struct workers_watch *next;
    char task_id[TEXT_UUID_LENGTH + 1];
    bool ended;
};

/*
 * Between begin and end, workers_watch_wait returns as soon as a thread of this process has ended the task, and
 * after timeout_ms in any case: the task may be run by another process, so ask the database then. False once
 * the workers drain: waiting on is of no use.
 */
void workers_watch_begin(struct workers *workers, struct workers_watch *watch, const char *task_id);
bool workers_watch_wait(struct workers *workers, struct workers_watch *watch, int timeout_ms);
void workers_watch_end(struct workers *workers, struct workers_watch *watch);

/* From now on no task is claimed. Running exports go on. */
void workers_drain(struct workers *workers);

/* Drains, waits up to grace_ms for running exports, hands the rest back to the queue, and ends the threads. */
void workers_stop(struct workers *workers, int grace_ms);

/* After workers_stop, and when no watch is left. NULL is fine. */
void workers_free(struct workers *workers);

#endif
