/*
 * The export threads of a process. Each waits for work, claims task after task until the queue is empty, and
 * waits again: for a wake-up of this process or of another (listener.h), or for a moment to pass.
 */
#ifndef WAYBILL_EXPORT_WORKERS_H
#define WAYBILL_EXPORT_WORKERS_H

#include <pthread.h>
#include <stdbool.h>

#include "base/text.h"
#include "db/db.h"
#include "export/exporter.h"
#include "export/housekeeper.h"

struct workers;

/*
 * Starts `threads` threads (0 is fine). `exporter` is copied but for what it points to, which must outlive the
 * workers, as must `inventory`, the settings of each thread's own connection for the rows, and `housekeeper`, which is
 * told when there may be something to remove; it may be NULL. The exporter's `stop` is set here. NULL if a thread can't
 * be started.
 */
MUST_CHECK struct workers *workers_start(const struct exporter *exporter, const struct db_settings *inventory,
                                         struct housekeeper *housekeeper, int threads);

/* A task was queued somewhere: wakes a thread. */
void workers_call(struct workers *workers);

/*
 * This process is about to queue a task. Once it is committed, workers_queued follows and wakes a thread; if it is not
 * queued after all, workers_withdraw follows. True if a thread is free for it, so that it will run at once. A thread is
 * free again before anyone hears of the end of its task.
 */
bool workers_announce(struct workers *workers);
void workers_queued(struct workers *workers);
void workers_withdraw(struct workers *workers);

/* A task ended, was cancelled or removed, wherever: its watches and the thread that runs it look at once, no others. */
void workers_task_changed(struct workers *workers, const char *task_id);

/*
 * Whether notifications of other processes are heard from now on; at first they are not. When they are, all watches and
 * threads look once, since what was sent before was missed.
 */
void workers_set_hearing(struct workers *workers, bool hearing);
bool workers_is_hearing(struct workers *workers);

/*
 * Runs the task in the calling thread if it can be claimed, for a process without export threads. True if it was.
 */
bool workers_run(struct workers *workers, const char *task_id);

/* Someone who waits for the end of a task. It is woken alone. */
struct workers_watch {
    struct workers_watch *next;
    pthread_cond_t woken;
    char task_id[TEXT_UUID_LENGTH + 1];
    bool changed;
};

enum workers_news {
    WORKERS_CHANGED,  /* something has happened to the task since the last call */
    WORKERS_NO_NEWS,  /* nothing was heard of it for the time given; not all is heard */
    WORKERS_DRAINING, /* nothing was heard, and the process stops: waiting on is of no use */
};

/* What happens to the task from now on is told. End it with workers_watch_end. */
void workers_watch_begin(struct workers *workers, struct workers_watch *watch, const char *task_id);
enum workers_news workers_watch_wait(struct workers *workers, struct workers_watch *watch, int timeout_ms);
void workers_watch_end(struct workers *workers, struct workers_watch *watch);

/* From now on no task is claimed. Running exports go on. */
void workers_drain(struct workers *workers);

/*
 * Drains, and waits up to grace_ms for running exports; those that are not done by then are handed back to the queue,
 * towards the end of that time. True if all threads have ended. False if one hangs: then what it uses must stay.
 */
MUST_CHECK bool workers_stop(struct workers *workers, int grace_ms);

/* After workers_stop was true, and when no watch is left. NULL is fine. */
void workers_free(struct workers *workers);

#endif
