#include "export/workers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#define POLL_MS 5000    /* between polls of the queue if there is no wake-up */
#define RETRY_MS 1000   /* the same after a failure */
#define REQUEUE_MS 1000 /* part of the grace time, to requeue unfinished exports */
#define HANG_MS 5000    /* wait for a thread that should have ended */

struct worker {
    struct workers *workers;
    pthread_t thread;
    struct claim *claim; /* of the export that the thread runs, or NULL; protected by the lock */
};

struct workers {
    struct exporter exporter;
    const struct db_settings *inventory;
    struct housekeeper *housekeeper;
    struct watches *watches;
    atomic_bool stop; /* running exports requeue their tasks */

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t woken;
    pthread_cond_t ended; /* signalled when a thread ends */
    bool draining;
    int running; /* number of threads that have not ended */
    int wakeups; /* number of wake-ups that no thread has responded to */
    int count;
    struct worker threads[];
};

/* Waits for a wake-up, up to timeout_ms. Returns false if the threads must end. */
static bool wait_for_work(struct workers *workers, int timeout_ms)
{
    struct timespec until = clock_timespec_after(timeout_ms);
    bool may_continue;

    pthread_mutex_lock(&workers->lock);
    while (workers->wakeups == 0 && !workers->draining) {
        if (pthread_cond_timedwait(&workers->woken, &workers->lock, &until) != 0)
            break;
    }
    if (workers->wakeups > 0)
        workers->wakeups--;
    may_continue = !workers->draining;
    pthread_mutex_unlock(&workers->lock);
    return may_continue;
}

static bool is_draining(struct workers *workers)
{
    bool draining;

    pthread_mutex_lock(&workers->lock);
    draining = workers->draining;
    pthread_mutex_unlock(&workers->lock);
    return draining;
}

static bool is_free(const struct worker *worker)
{
    return worker->claim == NULL || atomic_load(&worker->claim->ending);
}

/* Called with the lock held. */
static bool has_free_thread(const struct workers *workers)
{
    for (int i = 0; i < workers->count; i++) {
        if (is_free(&workers->threads[i]))
            return true;
    }
    return false;
}

bool workers_may_run(struct workers *workers, const char *task_id)
{
    bool may_run;

    pthread_mutex_lock(&workers->lock);
    may_run = has_free_thread(workers);
    for (int i = 0; i < workers->count && !may_run; i++)
        may_run = strcmp(workers->threads[i].claim->task_id, task_id) == 0; /* a busy thread has a claim */
    pthread_mutex_unlock(&workers->lock);
    return may_run;
}

/* Marks the thread as busy, and watches the task that it runs. */
static void begin_export(struct worker *worker, struct claim *claim)
{
    struct workers *workers = worker->workers;
    bool busy;

    watch_begin(workers->watches, &claim->watch, claim->task_id, false);
    pthread_mutex_lock(&workers->lock);
    worker->claim = claim;
    busy = !has_free_thread(workers);
    pthread_mutex_unlock(&workers->lock);
    if (busy)
        watches_notify_busy(workers->watches);
}

/* Marks the thread as free first, and then notifies the watches of the task. */
static void end_export(struct worker *worker)
{
    struct workers *workers = worker->workers;
    struct claim *claim = worker->claim;

    pthread_mutex_lock(&workers->lock);
    worker->claim = NULL;
    pthread_mutex_unlock(&workers->lock);
    watch_end(&claim->watch);
    watches_notify(workers->watches, claim->task_id);
}

/* Opens a connection unless *inventory is usable. *ret_is_new is true if it did. */
static bool open_inventory(struct workers *workers, struct db **inventory, bool *ret_is_new, struct error *err)
{
    if (*inventory != NULL && !db_is_usable(*inventory)) {
        db_close(*inventory);
        *inventory = NULL;
    }
    *ret_is_new = *inventory == NULL;
    if (*ret_is_new)
        *inventory = db_open(workers->inventory, err);
    return *inventory != NULL;
}

/* Runs the claimed task, then notifies its watches and the housekeeper. */
static void run_claim(struct worker *worker, struct db **inventory, bool inventory_is_new, struct claim *claim)
{
    struct workers *workers = worker->workers;
    enum outcome outcome;

    begin_export(worker, claim);
    outcome = exporter_run(&workers->exporter, *inventory, inventory_is_new, claim);

    if (!db_is_usable(*inventory)) {
        db_close(*inventory); /* immediately, so that the server cancels the query */
        *inventory = NULL;
    }
    end_export(worker);
    if (outcome != OUTCOME_SUCCESS || claim->attempt > 1)
        housekeeper_wake(workers->housekeeper); /* the attempt may have left a file */
    else
        housekeeper_file_added(workers->housekeeper);
}

/*
 * Claims a task (`task_id`, or any if it is NULL) and runs it. *inventory is the connection for reading rows, which is
 * opened if necessary. Returns false if there is no task to claim (ERROR_NONE) or if claiming fails.
 */
static bool claim_and_run(struct worker *worker, const char *task_id, struct db **inventory, struct error *err)
{
    struct workers *workers = worker->workers;
    struct claim *claim = NULL;
    bool is_new;
    struct db *db;

    err->code = ERROR_NONE;
    if (open_inventory(workers, inventory, &is_new, err)
        && (db = db_pool_acquire(workers->exporter.tasks, err)) != NULL) {
        (void) !claim_next(db, task_id, &workers->exporter.terms, &claim, err);
        db_pool_release(workers->exporter.tasks, db);
    }
    if (claim == NULL)
        return false;
    run_claim(worker, inventory, is_new, claim);
    claim_free(claim);
    return true;
}

/* Logs that tasks cannot be claimed, or can be again. Logs only when the error code differs from *last. */
static void log_claim_failure(const struct error *err, enum error_code *last)
{
    struct log_line line;

    if (err->code == *last)
        return;
    *last = err->code;
    if (err->code == ERROR_NONE) {
        log_event(LOG_INFO, "export thread can claim tasks again");
        return;
    }
    log_begin(&line, LOG_ERROR, "export thread cannot claim tasks");
    log_error(&line, err);
    log_end(&line);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct workers *workers = worker->workers;
    struct db *inventory = NULL;
    enum error_code last = ERROR_NONE;
    struct error err;

    do {
        while (!is_draining(workers) && claim_and_run(worker, NULL, &inventory, &err))
            log_claim_failure(&err, &last);
        if (!is_draining(workers))
            log_claim_failure(&err, &last);
    } while (wait_for_work(workers, last == ERROR_NONE ? POLL_MS : RETRY_MS));
    db_close(inventory);

    pthread_mutex_lock(&workers->lock);
    workers->running--;
    pthread_cond_signal(&workers->ended);
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

static bool start_worker(struct workers *workers)
{
    struct worker *worker = &workers->threads[workers->count];
    bool started;

    worker->workers = workers;
    pthread_mutex_lock(&workers->lock);
    started = pthread_create(&worker->thread, NULL, worker_main, worker) == 0;
    if (started) {
        workers->running++;
        workers->count++;
    }
    pthread_mutex_unlock(&workers->lock);
    return started;
}

struct workers *workers_start(const struct exporter *exporter, const struct db_settings *inventory,
                              struct watches *watches, struct housekeeper *housekeeper, int threads)
{
    struct workers *workers = memory_zeroed(1, sizeof(*workers) + (size_t) threads * sizeof(workers->threads[0]));

    workers->exporter = *exporter;
    workers->exporter.stop = &workers->stop;
    workers->inventory = inventory;
    workers->watches = watches;
    workers->housekeeper = housekeeper;
    atomic_init(&workers->stop, false);
    pthread_mutex_init(&workers->lock, NULL);
    clock_init_condition(&workers->woken);
    clock_init_condition(&workers->ended);

    while (workers->count < threads) {
        if (!start_worker(workers)) {
            if (workers_stop(workers, 0))
                workers_free(workers);
            return NULL;
        }
    }
    return workers;
}

bool workers_run(struct workers *workers, const char *task_id)
{
    struct worker self = {.workers = workers};
    enum error_code last = ERROR_NONE;
    struct db *inventory = NULL;
    struct error err;
    bool ran = claim_and_run(&self, task_id, &inventory, &err);

    if (!ran)
        log_claim_failure(&err, &last);
    db_close(inventory);
    return ran;
}

/* Called with the lock held. */
static void wake_one(struct workers *workers)
{
    if (workers->wakeups < workers->count)
        workers->wakeups++;
    pthread_cond_signal(&workers->woken);
}

void workers_wake(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    wake_one(workers);
    pthread_mutex_unlock(&workers->lock);
}

void workers_wake_all(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->wakeups = workers->count;
    pthread_cond_broadcast(&workers->woken);
    pthread_mutex_unlock(&workers->lock);
}

/* Stops claiming tasks. Running exports continue. */
static void drain_workers(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->draining = true;
    pthread_cond_broadcast(&workers->woken);
    pthread_mutex_unlock(&workers->lock);
}

/* Waits for the threads to end. Returns true if all have. */
static bool wait_for_threads(struct workers *workers, int timeout_ms)
{
    struct timespec until = clock_timespec_after(timeout_ms);
    bool ended;

    pthread_mutex_lock(&workers->lock);
    while (workers->running > 0) {
        if (pthread_cond_timedwait(&workers->ended, &workers->lock, &until) != 0)
            break;
    }
    ended = workers->running == 0;
    pthread_mutex_unlock(&workers->lock);
    return ended;
}

bool workers_stop(struct workers *workers, int grace_ms)
{
    int requeue_ms = grace_ms / 2 < REQUEUE_MS ? grace_ms / 2 : REQUEUE_MS;

    drain_workers(workers);
    (void) wait_for_threads(workers, grace_ms - requeue_ms);
    atomic_store(&workers->stop, true);
    if (!wait_for_threads(workers, requeue_ms + HANG_MS))
        return false;
    for (int i = 0; i < workers->count; i++)
        pthread_join(workers->threads[i].thread, NULL);
    return true;
}

void workers_free(struct workers *workers)
{
    if (workers == NULL)
        return;
    pthread_cond_destroy(&workers->ended);
    pthread_cond_destroy(&workers->woken);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
