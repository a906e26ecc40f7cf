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

enum worker_state {
    WORKER_WAITING,  /* for work, or about to; the only state in which a request can reserve the thread */
    WORKER_RESERVED, /* a request has reserved the thread */
    WORKER_WORKING,  /* claims tasks, or runs an export */
};

struct worker {
    struct workers *workers;
    pthread_t thread;
    struct db *inventory; /* NULL: not connected; used only by the thread */
    enum error_code failure; /* of the last attempt to claim a task; used only by the thread */
    pthread_cond_t woken;
    /* Protected by the lock. */
    enum worker_state state;
    bool is_woken;       /* a task was queued for it */
    bool is_connected;   /* the thread has been able to use its connections */
    struct claim *claim; /* of the export that the thread runs, or is to run; NULL: none */
    bool is_handed_over; /* the claim was handed over, and the thread has not begun yet */
};

struct workers {
    struct workers_terms terms;
    atomic_bool stop; /* running exports requeue their tasks */

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t ended; /* signalled when a thread ends */
    bool draining;
    int running; /* number of threads that have not ended */
    int wakeups; /* number of wake-ups for which no thread was waiting; at most one for each thread */
    int count;
    struct worker threads[];
};

/* What a thread does next. */
enum work {
    WORK_QUEUE, /* look at the queue */
    WORK_CLAIM, /* run the export that was handed over */
    WORK_NONE,  /* end */
};

/* Finds out what the thread has to do. Returns false if it has to wait. Called with the lock held. */
static bool find_work(struct worker *worker, enum work *ret_work)
{
    struct workers *workers = worker->workers;

    if (worker->is_handed_over)
        *ret_work = WORK_CLAIM;
    else if (worker->state == WORKER_RESERVED)
        return false;
    else if (workers->draining)
        *ret_work = WORK_NONE;
    else if (worker->is_woken || workers->wakeups > 0)
        *ret_work = WORK_QUEUE;
    else
        return false;
    return true;
}

/* Waits for work. After timeout_ms, the thread looks at the queue, unless it is reserved. */
static enum work wait_for_work(struct worker *worker, int timeout_ms)
{
    struct workers *workers = worker->workers;
    struct timespec until = clock_timespec_after(timeout_ms);
    enum work work = WORK_QUEUE;
    bool expired = false;

    pthread_mutex_lock(&workers->lock);
    if (worker->state == WORKER_WORKING)
        worker->state = WORKER_WAITING;
    while (!find_work(worker, &work)) {
        if (expired && worker->state != WORKER_RESERVED)
            break;
        if (expired)
            pthread_cond_wait(&worker->woken, &workers->lock); /* the request that has reserved it will not be long */
        else
            expired = pthread_cond_timedwait(&worker->woken, &workers->lock, &until) != 0;
    }
    if (work == WORK_QUEUE && !worker->is_woken && workers->wakeups > 0)
        workers->wakeups--;
    worker->state = WORKER_WORKING;
    worker->is_woken = worker->is_handed_over = false;
    pthread_mutex_unlock(&workers->lock);
    return work;
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
    return worker->state != WORKER_RESERVED && (worker->claim == NULL || atomic_load(&worker->claim->ending));
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
    for (int i = 0; i < workers->count && !may_run; i++) {
        const struct claim *claim = workers->threads[i].claim;

        may_run = claim != NULL && strcmp(claim->task_id, task_id) == 0;
    }
    pthread_mutex_unlock(&workers->lock);
    return may_run;
}

/* Marks the thread as busy with an export. Called with the lock held. Returns whether all threads are busy now. */
static bool set_claim(struct worker *worker, struct claim *claim)
{
    worker->claim = claim;
    return !has_free_thread(worker->workers);
}

/*
 * Marks the thread as free first, and then tells about the end of the task. Unless the thread looks at the queue again,
 * a request may reserve it from now on.
 */
static void end_export(struct worker *worker, struct claim *claim, enum outcome outcome)
{
    struct workers *workers = worker->workers;
    bool has_ended = outcome == OUTCOME_SUCCESS || outcome == OUTCOME_FAILURE;

    pthread_mutex_lock(&workers->lock);
    worker->claim = NULL;
    if (!claim->more_are_queued)
        worker->state = WORKER_WAITING;
    pthread_mutex_unlock(&workers->lock);
    watch_end(&claim->watch);
    if (has_ended)
        watches_notify_ended(workers->terms.watches, claim->task_id);
    else
        watches_notify(workers->terms.watches, claim->task_id);
    if (outcome == OUTCOME_SUCCESS)
        announcements_add_ended(workers->terms.announcements, claim->task_id); /* other outcomes announce themselves */
}

/* Connects to the inventory unless the connection is usable. *ret_is_new is true if it did. */
static bool open_inventory(struct worker *worker, bool *ret_is_new, struct error *err)
{
    if (worker->inventory != NULL && !db_is_usable(worker->inventory)) {
        db_close(worker->inventory);
        worker->inventory = NULL;
    }
    *ret_is_new = worker->inventory == NULL;
    if (*ret_is_new)
        worker->inventory = db_open(worker->workers->terms.inventory, err);
    return worker->inventory != NULL;
}

/* Runs the export of a claim, whose watch has begun, then tells about its end. */
static void run_claim(struct worker *worker, bool inventory_is_new, struct claim *claim)
{
    const struct workers_terms *terms = &worker->workers->terms;
    enum outcome outcome = exporter_run(&terms->exporter, worker->inventory, inventory_is_new, claim);

    if (!db_is_usable(worker->inventory)) {
        db_close(worker->inventory); /* immediately, so that the server cancels the query */
        worker->inventory = NULL;
    }
    end_export(worker, claim, outcome);
    if (outcome != OUTCOME_SUCCESS || claim->attempt > 1)
        housekeeper_wake(terms->housekeeper); /* the attempt may have left a file */
    else
        housekeeper_file_added(terms->housekeeper);
}

/* Marks the thread as busy with a claim from the queue, and watches its task. */
static void begin_claimed(struct worker *worker, struct claim *claim)
{
    struct workers *workers = worker->workers;
    bool busy;

    watch_begin(workers->terms.watches, &claim->watch, claim->task_id, false);
    pthread_mutex_lock(&workers->lock);
    busy = set_claim(worker, claim);
    pthread_mutex_unlock(&workers->lock);
    if (busy)
        watches_notify_busy(workers->terms.watches);
}

/*
 * Claims a task (`task_id`, or any if it is NULL) and runs it. *ret_more is true if more tasks were queued then.
 * Returns false if there is no task to claim (ERROR_NONE) or if claiming fails.
 */
static bool claim_and_run(struct worker *worker, const char *task_id, bool *ret_more, struct error *err)
{
    const struct exporter *exporter = &worker->workers->terms.exporter;
    struct claim *claim = NULL;
    bool is_new;
    struct db *db;

    err->code = ERROR_NONE;
    if (open_inventory(worker, &is_new, err) && (db = db_pool_acquire(exporter->tasks, err)) != NULL) {
        (void) !claim_next(db, task_id, &exporter->terms, &claim, err);
        db_pool_release(exporter->tasks, db);
    }
    if (claim == NULL)
        return false;
    *ret_more = claim->more_are_queued;
    begin_claimed(worker, claim);
    run_claim(worker, is_new, claim);
    claim_free(claim);
    return true;
}

/*
 * Logs that tasks cannot be claimed, or can be again. Logs only when the error code differs from the last one. Requests
 * reserve only threads that can claim tasks.
 */
static void note_claim_failure(struct worker *worker, const struct error *err)
{
    struct log_line line;

    pthread_mutex_lock(&worker->workers->lock);
    worker->is_connected = err->code == ERROR_NONE;
    pthread_mutex_unlock(&worker->workers->lock);
    if (err->code == worker->failure)
        return;
    worker->failure = err->code;
    if (err->code == ERROR_NONE) {
        log_event(LOG_INFO, "export thread can claim tasks again");
        return;
    }
    log_begin(&line, LOG_ERROR, "export thread cannot claim tasks");
    log_error(&line, err);
    log_end(&line);
}

/* Runs tasks of the queue while there are more. */
static void run_queue(struct worker *worker)
{
    bool more = true;
    struct error err = {0};

    while (more && !is_draining(worker->workers)) {
        if (!claim_and_run(worker, NULL, &more, &err))
            more = false;
        if (!is_draining(worker->workers))
            note_claim_failure(worker, &err);
    }
}

/* Whether the task that was handed over was created, and its lease is held. */
static bool is_held(struct worker *worker, const struct claim *claim, struct error *err)
{
    struct db_pool *pool = worker->workers->terms.exporter.tasks;
    enum claim_state state = CLAIM_LOST;
    struct db *db;

    if (claim_is_durable(claim))
        return true; /* the commit was confirmed */
    db = db_pool_acquire(pool, err);
    if (db == NULL)
        return false;
    (void) !claim_find_state(db, claim, &state, err);
    db_pool_release(pool, db);
    return state == CLAIM_HELD;
}

/* Requeues a task whose export cannot begin here. If that fails, its lease expires. */
static void give_back(struct worker *worker, struct claim *claim)
{
    struct db_pool *pool = worker->workers->terms.exporter.tasks;
    struct error ignored;
    struct db *db = db_pool_acquire(pool, &ignored);

    if (db != NULL) {
        (void) !claim_requeue(db, claim, false, &ignored);
        db_pool_release(pool, db);
    }
    end_export(worker, claim, OUTCOME_REQUEUED);
}

/* Runs the export that was handed over. */
static void run_handed_over(struct worker *worker)
{
    struct claim *claim = worker->claim;
    struct error err = {0};
    bool is_new = false;

    if (!is_held(worker, claim, &err))
        end_export(worker, claim, OUTCOME_ABANDONED);
    else if (open_inventory(worker, &is_new, &err))
        run_claim(worker, is_new, claim);
    else
        give_back(worker, claim);
    note_claim_failure(worker, &err);
    claim_free(claim);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct workers *workers = worker->workers;
    enum work work = WORK_QUEUE;

    while (work != WORK_NONE) {
        if (work == WORK_CLAIM)
            run_handed_over(worker);
        else
            run_queue(worker);
        work = wait_for_work(worker, worker->failure == ERROR_NONE ? POLL_MS : RETRY_MS);
    }
    db_close(worker->inventory);

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
    worker->state = WORKER_WORKING;
    clock_init_condition(&worker->woken);
    pthread_mutex_lock(&workers->lock);
    started = pthread_create(&worker->thread, NULL, worker_main, worker) == 0;
    if (started) {
        workers->running++;
        workers->count++;
    } else {
        pthread_cond_destroy(&worker->woken);
    }
    pthread_mutex_unlock(&workers->lock);
    return started;
}

struct workers *workers_start(const struct workers_terms *terms, int threads)
{
    struct workers *workers = memory_zeroed(1, sizeof(*workers) + (size_t) threads * sizeof(workers->threads[0]));

    workers->terms = *terms;
    workers->terms.exporter.stop = &workers->stop;
    atomic_init(&workers->stop, false);
    pthread_mutex_init(&workers->lock, NULL);
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
    struct db_pool *pool = workers->terms.exporter.tasks;
    struct worker self = {.workers = workers, .state = WORKER_WORKING};
    struct error err;
    bool more, sent;
    bool ran = claim_and_run(&self, task_id, &more, &err);
    struct db *db;

    if (!ran)
        note_claim_failure(&self, &err);
    db_close(self.inventory);
    db = db_pool_acquire(pool, &err);
    if (db != NULL) {
        (void) !announcements_send(workers->terms.announcements, db, &sent, &err);
        db_pool_release(pool, db);
    }
    return ran;
}

/* Returns a thread that waits for work and has none yet, or NULL. Called with the lock held. */
static struct worker *find_waiting(struct workers *workers, bool must_be_connected)
{
    for (int i = 0; i < workers->count; i++) {
        struct worker *worker = &workers->threads[i];

        if (worker->state == WORKER_WAITING && !worker->is_woken && (worker->is_connected || !must_be_connected))
            return worker;
    }
    return NULL;
}

void workers_wake(struct workers *workers, int64_t tasks)
{
    struct worker *worker;

    pthread_mutex_lock(&workers->lock);
    for (; tasks > 0 && (worker = find_waiting(workers, false)) != NULL; tasks--) {
        worker->is_woken = true;
        pthread_cond_signal(&worker->woken);
    }
    workers->wakeups = tasks < workers->count - workers->wakeups ? workers->wakeups + (int) tasks : workers->count;
    pthread_mutex_unlock(&workers->lock);
}

void workers_wake_all(struct workers *workers)
{
    workers_wake(workers, workers->count);
}

void workers_task_queued(struct workers *workers)
{
    workers_wake(workers, 1);
    announcements_add_queued(workers->terms.announcements);
}

struct worker *workers_reserve(struct workers *workers)
{
    struct worker *worker = NULL;

    pthread_mutex_lock(&workers->lock);
    if (workers->wakeups == 0 && !workers->draining)
        worker = find_waiting(workers, true);
    if (worker != NULL)
        worker->state = WORKER_RESERVED;
    pthread_mutex_unlock(&workers->lock);
    return worker;
}

void workers_release(struct worker *worker)
{
    pthread_mutex_lock(&worker->workers->lock);
    worker->state = WORKER_WAITING;
    pthread_cond_signal(&worker->woken);
    pthread_mutex_unlock(&worker->workers->lock);
}

void workers_hand_over(struct worker *worker, struct claim *claim)
{
    struct workers *workers = worker->workers;
    bool busy;

    watch_begin(workers->terms.watches, &claim->watch, claim->task_id, false);
    pthread_mutex_lock(&workers->lock);
    worker->is_handed_over = true;
    busy = set_claim(worker, claim);
    pthread_cond_signal(&worker->woken);
    pthread_mutex_unlock(&workers->lock);
    if (busy)
        watches_notify_busy(workers->terms.watches);
}

const struct claim_terms *workers_claim_terms(const struct workers *workers)
{
    return &workers->terms.exporter.terms;
}

/* Stops claiming tasks. Running exports continue. */
static void drain_workers(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->draining = true;
    for (int i = 0; i < workers->count; i++)
        pthread_cond_signal(&workers->threads[i].woken);
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
    for (int i = 0; i < workers->count; i++)
        pthread_cond_destroy(&workers->threads[i].woken);
    pthread_cond_destroy(&workers->ended);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
