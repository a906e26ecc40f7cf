#include "export/workers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#define POLL_MS 1000 /* between looks at the queue without a wake-up, and after a failure */

struct workers {
    struct exporter exporter;
    const struct db_settings *inventory;
    atomic_bool stop; /* running exports hand their task back */

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t offered;
    pthread_cond_t changed; /* a task or a thread ended */
    struct workers_watch *watches;
    bool draining;
    int offers; /* wake-ups that no thread has taken yet */
    int idle;
    int running; /* threads that are not over */
    int count;
    pthread_t threads[];
};

/* Waits for an offer, at most POLL_MS. False if the threads are to end. */
static bool wait_for_work(struct workers *workers)
{
    struct timespec until = clock_timespec_after(POLL_MS);
    bool go_on;

    pthread_mutex_lock(&workers->lock);
    workers->idle++;
    while (workers->offers == 0 && !workers->draining) {
        if (pthread_cond_timedwait(&workers->offered, &workers->lock, &until) != 0)
            break;
    }
    workers->idle--;
    if (workers->offers > 0)
        workers->offers--;
    go_on = !workers->draining;
    pthread_mutex_unlock(&workers->lock);
    return go_on;
}

static bool is_draining(struct workers *workers)
{
    bool draining;

    pthread_mutex_lock(&workers->lock);
    draining = workers->draining;
    pthread_mutex_unlock(&workers->lock);
    return draining;
}

static void announce_end(struct workers *workers, const char *task_id)
{
    pthread_mutex_lock(&workers->lock);
    for (struct workers_watch *watch = workers->watches; watch != NULL; watch = watch->next) {
        if (strcmp(watch->task_id, task_id) == 0)
            watch->ended = true;
    }
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->lock);
}

/*
 * Claims and runs one task, with the connection in *inventory, which is opened anew if need be. False if there is
 * none (err->code is ERROR_NONE then), or if it failed for want of the database. `task_id` may be NULL.
 */
static bool run_next(struct workers *workers, const char *task_id, struct db **inventory, struct error *err)
{
    struct task_claim *claim = NULL;
    struct db *db;
    bool claimed;

    err->code = ERROR_NONE;
    if (*inventory != NULL && !db_is_usable(*inventory)) {
        db_close(*inventory);
        *inventory = NULL;
    }
    if (*inventory == NULL)
        *inventory = db_open(workers->inventory, err);
    if (*inventory == NULL)
        return false;

    db = db_pool_take(workers->exporter.tasks, err);
    if (db == NULL)
        return false;
    claimed = task_claim_next(db, task_id, workers->exporter.lease, &claim, err);
    db_pool_give(workers->exporter.tasks, db);
    if (!claimed || claim == NULL)
        return false;

    exporter_run(&workers->exporter, *inventory, claim);
    announce_end(workers, claim->task_id);
    task_claim_free(claim);
    return true;
}

/* Says that work can't be looked for, once for as long as it lasts. */
static void log_trouble(const struct error *err, enum error_code *last)
{
    struct log_line line;

    if (err->code == *last)
        return;
    *last = err->code;
    if (err->code == ERROR_NONE) {
        log_event(LOG_INFO, "export thread can take tasks again");
        return;
    }
    log_begin(&line, LOG_ERROR, "export thread can't take tasks");
    log_error(&line, err);
    log_end(&line);
}

static void *thread_main(void *argument)
{
    struct workers *workers = argument;
    struct db *inventory = NULL;
    enum error_code last = ERROR_NONE;
    struct error err;

    do {
        while (!is_draining(workers) && run_next(workers, NULL, &inventory, &err))
            log_trouble(&err, &last);
        if (!is_draining(workers))
            log_trouble(&err, &last);
    } while (wait_for_work(workers));
    db_close(inventory);

    pthread_mutex_lock(&workers->lock);
    workers->running--;
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

struct workers *workers_start(const struct exporter *exporter, const struct db_settings *inventory, int threads)
{
    struct workers *workers = memory_zeroed(1, sizeof(*workers) + (size_t) threads * sizeof(workers->threads[0]));

    workers->exporter = *exporter;
    workers->exporter.stop = &workers->stop;
    workers->inventory = inventory;
    atomic_init(&workers->stop, false);
    pthread_mutex_init(&workers->lock, NULL);
    clock_init_condition(&workers->offered);
    clock_init_condition(&workers->changed);

    while (workers->count < threads) {
        pthread_mutex_lock(&workers->lock);
        workers->running++;
        pthread_mutex_unlock(&workers->lock);
        if (pthread_create(&workers->threads[workers->count], NULL, thread_main, workers) != 0) {
            pthread_mutex_lock(&workers->lock);
            workers->running--;
            pthread_mutex_unlock(&workers->lock);
            workers_stop(workers, 0);
            workers_free(workers);
            return NULL;
        }
        workers->count++;
    }
    return workers;
}

void workers_run(struct workers *workers, const char *task_id)
{
    enum error_code last = ERROR_NONE;
    struct db *inventory = NULL;
    struct error err;

    if (!run_next(workers, task_id, &inventory, &err))
        log_trouble(&err, &last);
    db_close(inventory);
}

bool workers_offer(struct workers *workers)
{
    bool one_is_idle;

    pthread_mutex_lock(&workers->lock);
    one_is_idle = workers->idle > workers->offers;
    if (workers->offers < workers->count)
        workers->offers++;
    pthread_cond_signal(&workers->offered);
    pthread_mutex_unlock(&workers->lock);
    return one_is_idle;
}

void workers_watch_begin(struct workers *workers, struct workers_watch *watch, const char *task_id)
{
    snprintf(watch->task_id, sizeof(watch->task_id), "%s", task_id);
    watch->ended = false;
    pthread_mutex_lock(&workers->lock);
    watch->next = workers->watches;
    workers->watches = watch;
    pthread_mutex_unlock(&workers->lock);
}

bool workers_watch_wait(struct workers *workers, struct workers_watch *watch, int timeout_ms)
{
    struct timespec until = clock_timespec_after(timeout_ms);
    bool go_on;

    pthread_mutex_lock(&workers->lock);
    while (!watch->ended && !workers->draining) {
        if (pthread_cond_timedwait(&workers->changed, &workers->lock, &until) != 0)
            break;
    }
    go_on = !workers->draining;
    pthread_mutex_unlock(&workers->lock);
    return go_on;
}

void workers_watch_end(struct workers *workers, struct workers_watch *watch)
{
    struct workers_watch **link = &workers->watches;

    pthread_mutex_lock(&workers->lock);
    while (*link != watch)
        link = &(*link)->next;
    *link = watch->next;
    pthread_mutex_unlock(&workers->lock);
}

void workers_drain(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->draining = true;
    pthread_cond_broadcast(&workers->offered);
    pthread_cond_broadcast(&workers->changed);
    pthread_mutex_unlock(&workers->lock);
}

void workers_stop(struct workers *workers, int grace_ms)
{
    struct timespec until = clock_timespec_after(grace_ms);

    workers_drain(workers);
    pthread_mutex_lock(&workers->lock);
    while (workers->running > 0) {
        if (pthread_cond_timedwait(&workers->changed, &workers->lock, &until) != 0)
            break;
    }
    pthread_mutex_unlock(&workers->lock);

    atomic_store(&workers->stop, true);
    for (int i = 0; i < workers->count; i++)
        pthread_join(workers->threads[i], NULL);
}

void workers_free(struct workers *workers)
{
    if (workers == NULL)
        return;
    pthread_cond_destroy(&workers->changed);
    pthread_cond_destroy(&workers->offered);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}
