#include "export/housekeeper.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "export/counters.h"

#define ROUND_MS 60000   /* between rounds, if nobody wakes it */
#define FLUSH_MS 10000   /* between flushes of the counters */
#define SHORTEST_MS 1000 /* between two rounds, however often it is woken */

struct housekeeper {
    struct db_pool *pool;
    const struct retention *retention;
    pthread_t thread;
    pthread_mutex_t lock; /* for the rest */
    pthread_cond_t changed;
    bool woken;
    bool stopping;
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

static void log_failure(const struct error *err)
{
    struct log_line line;

    log_begin(&line, LOG_WARNING, "housekeeping failed");
    log_error(&line, err);
    log_end(&line);
}

/* False if it has to be done again. */
static bool do_round(struct housekeeper *housekeeper)
{
    struct retention_result result = {0};
    struct error err;
    struct db *db = db_pool_take(housekeeper->pool, &err);
    bool done = db != NULL && retention_round(db, housekeeper->retention, &result, &err);

    if (db != NULL)
        db_pool_give(housekeeper->pool, db);
    log_round(&result);
    if (!done)
        log_failure(&err);
    return done;
}

static void flush(struct housekeeper *housekeeper)
{
    struct error ignored;
    struct db *db = db_pool_take(housekeeper->pool, &ignored);

    if (db == NULL)
        return; /* they are kept until it works again */
    (void) !counters_flush(db, &ignored);
    db_pool_give(housekeeper->pool, db);
}

/* Waits until it is woken, or the time has come. False if it is to end. */
static bool wait_until_woken(struct housekeeper *housekeeper, int timeout_ms, bool *ret_woken)
{
    struct timespec until = clock_timespec_after(timeout_ms);
    bool go_on;

    pthread_mutex_lock(&housekeeper->lock);
    while (!housekeeper->woken && !housekeeper->stopping) {
        if (pthread_cond_timedwait(&housekeeper->changed, &housekeeper->lock, &until) != 0)
            break;
    }
    *ret_woken = housekeeper->woken;
    housekeeper->woken = false;
    go_on = !housekeeper->stopping;
    pthread_mutex_unlock(&housekeeper->lock);
    return go_on;
}

/* Lets a moment pass that only the end cuts short, so that many wake-ups make one round. */
static bool let_settle(struct housekeeper *housekeeper)
{
    struct timespec until = clock_timespec_after(SHORTEST_MS);
    bool go_on;

    pthread_mutex_lock(&housekeeper->lock);
    while (!housekeeper->stopping) {
        if (pthread_cond_timedwait(&housekeeper->changed, &housekeeper->lock, &until) != 0)
            break;
    }
    go_on = !housekeeper->stopping;
    pthread_mutex_unlock(&housekeeper->lock);
    return go_on;
}

static void *thread_main(void *argument)
{
    struct housekeeper *housekeeper = argument;
    int64_t next_round = clock_monotonic_ms();
    bool woken = false;

    do {
        if (woken || clock_monotonic_ms() >= next_round) {
            next_round = clock_monotonic_ms() + (do_round(housekeeper) ? ROUND_MS : 0);
            if (!let_settle(housekeeper))
                break;
        }
        flush(housekeeper);
    } while (wait_until_woken(housekeeper, FLUSH_MS, &woken));
    flush(housekeeper);
    return NULL;
}

struct housekeeper *housekeeper_start(struct db_pool *pool, const struct retention *retention)
{
    struct housekeeper *housekeeper = memory_zeroed(1, sizeof(*housekeeper));

    housekeeper->pool = pool;
    housekeeper->retention = retention;
    pthread_mutex_init(&housekeeper->lock, NULL);
    clock_init_condition(&housekeeper->changed);
    if (pthread_create(&housekeeper->thread, NULL, thread_main, housekeeper) == 0)
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
    if (housekeeper != NULL && housekeeper->retention->max_total_bytes > 0)
        housekeeper_wake(housekeeper);
}

void housekeeper_stop(struct housekeeper *housekeeper)
{
    if (housekeeper == NULL)
        return;
    pthread_mutex_lock(&housekeeper->lock);
    housekeeper->stopping = true;
    pthread_cond_signal(&housekeeper->changed);
    pthread_mutex_unlock(&housekeeper->lock);
    pthread_join(housekeeper->thread, NULL);
}

void housekeeper_free(struct housekeeper *housekeeper)
{
    if (housekeeper == NULL)
        return;
    pthread_cond_destroy(&housekeeper->changed);
    pthread_mutex_destroy(&housekeeper->lock);
    free(housekeeper);
}
