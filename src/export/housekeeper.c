#include "export/housekeeper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "metrics/totals.h"

#define ROUND_MS 60000     /* between rounds if there is no wake-up */
#define RETRY_MS 10000     /* after a round that failed */
#define FLUSH_MS 10000     /* between flushes of the counters */
#define PAUSE_MS 1000      /* after a round, even if there are wake-ups */
#define LAST_FLUSH_MS 1000 /* minimum time for the last flush */
#define HANG_MS 5000       /* wait for a thread that should have ended */

struct housekeeper {
    struct db_pool *pool;
    struct retention retention;
    atomic_bool stop; /* the thread must end; set under the lock */
    pthread_t thread;
    pthread_mutex_t lock; /* for the rest */
    pthread_cond_t changed;
    bool woken;
    int64_t deadline; /* for the end of the thread, once `stop` is set */
    bool ended;
};

static void log_round(const struct retention_result *result)
{
    struct log_line line;

    if (result->files_expired == 0 && result->tasks_purged == 0 && result->files_removed == 0)
        return;
    log_begin(&line, LOG_INFO, "housekeeping");
    log_number(&line, "files_expired", result->files_expired);
    log_number(&line, "tasks_purged", result->tasks_purged);
    log_number(&line, "files_removed", result->files_removed);
    log_end(&line);
}

static void log_failed_round(const struct error *err)
{
    struct log_line line;

    log_begin(&line, LOG_WARNING, "housekeeping failed");
    log_error(&line, err);
    log_end(&line);
}

/* A db_watcher: returns false once the housekeeper is stopping and its deadline has passed. */
static bool housekeeper_has_time(void *context, struct error *err)
{
    struct housekeeper *housekeeper = context;
    bool expired;

    pthread_mutex_lock(&housekeeper->lock);
    expired = atomic_load(&housekeeper->stop) && clock_monotonic_ms() >= housekeeper->deadline;
    pthread_mutex_unlock(&housekeeper->lock);
    return expired ? error_set(err, ERROR_UNAVAILABLE, "the process is stopping") : true;
}

/* Acquires a connection whose statements fail after the deadline of the housekeeper. Returns NULL on failure. */
static struct db *acquire_connection(struct housekeeper *housekeeper, struct error *err)
{
    struct db *db = db_pool_acquire(housekeeper->pool, err);

    if (db != NULL)
        db_watch(db, housekeeper_has_time, housekeeper);
    return db;
}

static void release_connection(struct housekeeper *housekeeper, struct db *db)
{
    db_watch(db, NULL, NULL);
    db_pool_release(housekeeper->pool, db);
}

/* Runs a round. Returns false if it failed. The error is not logged if the process is stopping. */
static bool run_round(struct housekeeper *housekeeper)
{
    struct retention_result result = {0};
    struct error err;
    struct db *db = acquire_connection(housekeeper, &err);
    bool done = db != NULL && retention_round(db, &housekeeper->retention, &result, &err);

    if (db != NULL)
        release_connection(housekeeper, db);
    log_round(&result);
    if (!done && !atomic_load(&housekeeper->stop))
        log_failed_round(&err);
    return done;
}

static void flush_counters(struct housekeeper *housekeeper)
{
    struct error ignored;
    struct db *db = acquire_connection(housekeeper, &ignored);

    if (db == NULL)
        return; /* the counters stay for the next flush */
    (void) !totals_flush(db, &ignored);
    release_connection(housekeeper, db);
}

/* Flushes the counters for the last time, with a time limit of at least LAST_FLUSH_MS. */
static void flush_last(struct housekeeper *housekeeper)
{
    int64_t minimum = clock_monotonic_ms() + LAST_FLUSH_MS;

    pthread_mutex_lock(&housekeeper->lock);
    if (housekeeper->deadline < minimum)
        housekeeper->deadline = minimum;
    pthread_mutex_unlock(&housekeeper->lock);
    flush_counters(housekeeper);
}

/* Waits for a wake-up, up to timeout_ms. Returns false if the thread must end. */
static bool wait_until_woken(struct housekeeper *housekeeper, int timeout_ms, bool *ret_woken)
{
    struct timespec until = clock_timespec_after(timeout_ms);
    bool may_continue;

    pthread_mutex_lock(&housekeeper->lock);
    while (!housekeeper->woken && !atomic_load(&housekeeper->stop)) {
        if (pthread_cond_timedwait(&housekeeper->changed, &housekeeper->lock, &until) != 0)
            break;
    }
    *ret_woken = housekeeper->woken;
    housekeeper->woken = false;
    may_continue = !atomic_load(&housekeeper->stop);
    pthread_mutex_unlock(&housekeeper->lock);
    return may_continue;
}

/* Waits for PAUSE_MS, so that many wake-ups cause only one round. Returns false if the thread must end. */
static bool pause_after_round(struct housekeeper *housekeeper)
{
    struct timespec until = clock_timespec_after(PAUSE_MS);
    bool may_continue;

    pthread_mutex_lock(&housekeeper->lock);
    while (!atomic_load(&housekeeper->stop)) {
        if (pthread_cond_timedwait(&housekeeper->changed, &housekeeper->lock, &until) != 0)
            break;
    }
    may_continue = !atomic_load(&housekeeper->stop);
    pthread_mutex_unlock(&housekeeper->lock);
    return may_continue;
}

static void *housekeeper_main(void *argument)
{
    struct housekeeper *housekeeper = argument;
    int64_t next_round = clock_monotonic_ms();
    bool woken = false;

    do {
        if (woken || clock_monotonic_ms() >= next_round) {
            int wait_ms = run_round(housekeeper) ? ROUND_MS : RETRY_MS;

            next_round = clock_monotonic_ms() + wait_ms;
            if (!pause_after_round(housekeeper))
                break;
        }
        flush_counters(housekeeper);
    } while (wait_until_woken(housekeeper, FLUSH_MS, &woken));
    flush_last(housekeeper);

    pthread_mutex_lock(&housekeeper->lock);
    housekeeper->ended = true;
    pthread_cond_broadcast(&housekeeper->changed);
    pthread_mutex_unlock(&housekeeper->lock);
    return NULL;
}

struct housekeeper *housekeeper_start(struct db_pool *pool, const struct retention *retention)
{
    struct housekeeper *housekeeper = memory_zeroed(1, sizeof(*housekeeper));

    housekeeper->pool = pool;
    housekeeper->retention = *retention;
    housekeeper->retention.stop = &housekeeper->stop;
    atomic_init(&housekeeper->stop, false);
    pthread_mutex_init(&housekeeper->lock, NULL);
    clock_init_condition(&housekeeper->changed);
    if (pthread_create(&housekeeper->thread, NULL, housekeeper_main, housekeeper) == 0)
        return housekeeper;
    free(housekeeper);
    return NULL;
}

void housekeeper_wake(struct housekeeper *housekeeper)
{
    if (housekeeper == NULL)
        return;
    pthread_mutex_lock(&housekeeper->lock);
    housekeeper->woken = true;
    pthread_cond_signal(&housekeeper->changed);
    pthread_mutex_unlock(&housekeeper->lock);
}

void housekeeper_file_added(struct housekeeper *housekeeper)
{
    if (housekeeper != NULL && housekeeper->retention.max_total_bytes > 0)
        housekeeper_wake(housekeeper);
}

bool housekeeper_stop(struct housekeeper *housekeeper, int grace_ms)
{
    struct timespec until = clock_timespec_after(grace_ms + HANG_MS);
    bool ended;

    if (housekeeper == NULL)
        return true;
    pthread_mutex_lock(&housekeeper->lock);
    atomic_store(&housekeeper->stop, true);
    housekeeper->deadline = clock_monotonic_ms() + grace_ms;
    pthread_cond_broadcast(&housekeeper->changed);
    while (!housekeeper->ended) {
        if (pthread_cond_timedwait(&housekeeper->changed, &housekeeper->lock, &until) != 0)
            break;
    }
    ended = housekeeper->ended;
    pthread_mutex_unlock(&housekeeper->lock);
    if (ended)
        pthread_join(housekeeper->thread, NULL);
    return ended;
}

void housekeeper_free(struct housekeeper *housekeeper)
{
    if (housekeeper == NULL)
        return;
    pthread_cond_destroy(&housekeeper->changed);
    pthread_mutex_destroy(&housekeeper->lock);
    free(housekeeper);
}
