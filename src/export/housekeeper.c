#include "export/housekeeper.h"

#include <stdlib.h>

#include "base/background.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "metrics/totals.h"

#define ROUND_MS 60000     /* between rounds if there is no wake-up */
#define RETRY_MS 10000     /* after a round that failed */
#define FLUSH_MS 10000     /* between flushes of the counters */
#define PAUSE_MS 1000      /* after a round, even if there are wake-ups */
#define LAST_FLUSH_MS 1000 /* minimum time for the last flush */

struct housekeeper {
    struct db_pool *pool;
    struct retention retention;
    int64_t next_round; /* monotonic; for the thread */
    struct background *thread;
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

/* Runs a round. Returns false if it failed. The error is not logged if the process is stopping. */
static bool run_round(struct housekeeper *housekeeper, struct background *thread)
{
    struct retention_result result = {0};
    struct error err;
    struct db *db = db_pool_acquire_watched(housekeeper->pool, background_check_time, thread, &err);
    bool done = db != NULL && retention_round(db, &housekeeper->retention, &result, &err);

    if (db != NULL)
        db_pool_release(housekeeper->pool, db);
    log_round(&result);
    if (!done && !background_is_stopping(thread))
        log_failed_round(&err);
    return done;
}

/* Flushes the counters. It is also the last act of the thread. */
static void flush_counters(struct background *thread, void *context)
{
    struct housekeeper *housekeeper = context;
    struct error ignored;
    struct db *db = db_pool_acquire_watched(housekeeper->pool, background_check_time, thread, &ignored);

    if (db == NULL)
        return; /* the counters stay for the next flush */
    (void) !totals_flush(db, &ignored);
    db_pool_release(housekeeper->pool, db);
}

/* Runs a round if it is due or there was a wake-up, and flushes the counters. Many wake-ups cause only one round. */
static int keep_house(struct background *thread, void *context)
{
    struct housekeeper *housekeeper = context;

    housekeeper->retention.thread = thread;
    if (background_was_woken(thread) || clock_monotonic_ms() >= housekeeper->next_round) {
        int wait_ms = run_round(housekeeper, thread) ? ROUND_MS : RETRY_MS;

        housekeeper->next_round = clock_monotonic_ms() + wait_ms;
        if (!background_pause(thread, PAUSE_MS))
            return 0;
    }
    flush_counters(thread, housekeeper);
    return FLUSH_MS;
}

struct housekeeper *housekeeper_start(struct db_pool *pool, const struct retention *retention)
{
    struct housekeeper *housekeeper = memory_zeroed(1, sizeof(*housekeeper));
    const struct background_job job = {
        .step = keep_house,
        .finish = flush_counters,
        .finish_ms = LAST_FLUSH_MS,
        .context = housekeeper,
    };

    housekeeper->pool = pool;
    housekeeper->retention = *retention;
    housekeeper->thread = background_start(&job);
    if (housekeeper->thread != NULL)
        return housekeeper;
    free(housekeeper);
    return NULL;
}

void housekeeper_wake(struct housekeeper *housekeeper)
{
    if (housekeeper != NULL)
        background_wake(housekeeper->thread);
}

void housekeeper_file_added(struct housekeeper *housekeeper)
{
    if (housekeeper != NULL && housekeeper->retention.max_total_bytes > 0)
        housekeeper_wake(housekeeper);
}

bool housekeeper_stop(struct housekeeper *housekeeper, int grace_ms)
{
    return housekeeper == NULL || background_stop(housekeeper->thread, grace_ms);
}

void housekeeper_free(struct housekeeper *housekeeper)
{
    if (housekeeper == NULL)
        return;
    background_free(housekeeper->thread);
    free(housekeeper);
}
