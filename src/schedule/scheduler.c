#include "schedule/scheduler.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "metrics/counters.h"
#include "schedule/due.h"
#include "schedule/settle.h"

#define LONGEST_WAIT_MS 60000      /* in case a notification was lost */
#define RETRY_MS 5000              /* after a failure */
#define BUSY_MS 250                /* while another process holds what is due */
#define PURGE_MS (60 * 60 * 1000)  /* between purges of old runs */

struct scheduler {
    struct db_pool *pool;
    struct workers *workers;
    struct notifier *notifier;
    int history_hours;
    int64_t next_purge; /* monotonic */
    bool failure_logged;
    struct background *thread;
};

static bool settle_runs(struct db *db, int64_t now, int64_t limit, const struct background *thread,
                        struct settle_result *result, struct error *err)
{
    bool done = settle_ended(db, now, limit, thread, result, err);

    counters_begin();
    counters_add((double) result->success, "waybill_schedule_runs_total{outcome=\"success\"}");
    counters_add((double) result->failure, "waybill_schedule_runs_total{outcome=\"failure\"}");
    counters_end();
    return done;
}

bool scheduler_run_pass(struct db *db, int64_t now, const struct background *thread, struct scheduler_pass *pass,
                        struct error *err)
{
    struct settle_result ended = {0}, retried = {0};
    struct due_outlook outlook;
    int64_t started = 0, failed = 0;
    bool done;

    *pass = (struct scheduler_pass) {.wait_ms = RETRY_MS};
    if (!due_look(db, now, &outlook, err))
        return false;
    /* An occurrence that is due replaces a retry that is due too, for example after a downtime. */
    done = (outlook.schedules == 0 || due_process(db, now, outlook.schedules, thread, &started, &failed, err))
           && (outlook.ended == 0 || settle_runs(db, now, outlook.ended, thread, &ended, err))
           && (outlook.retries == 0 || settle_retry(db, now, outlook.retries, thread, &retried, err));
    pass->started = started + retried.restarted;
    pass->notifications = ended.notifications;
    if (!done)
        return false;
    if (ended.failed + retried.failed + failed > 0)
        pass->wait_ms = outlook.wait_ms < RETRY_MS ? (int) outlook.wait_ms : RETRY_MS;
    else if (pass->started > 0 || ended.success + ended.failure > 0)
        pass->wait_ms = 0;
    else if (outlook.ended + outlook.retries + outlook.schedules > 0)
        pass->wait_ms = BUSY_MS;
    else
        pass->wait_ms = outlook.wait_ms < LONGEST_WAIT_MS ? (int) outlook.wait_ms : LONGEST_WAIT_MS;
    return true;
}

/* Purges old runs from time to time. */
static bool purge_runs(struct scheduler *scheduler, struct db *db, const struct background *thread, struct error *err)
{
    if (clock_monotonic_ms() < scheduler->next_purge)
        return true;
    scheduler->next_purge = clock_monotonic_ms() + PURGE_MS;
    return settle_purge(db, 0, scheduler->history_hours, thread, err);
}

static void log_failure(struct scheduler *scheduler, const struct error *err)
{
    struct log_line line;

    if (scheduler->failure_logged)
        return;
    log_begin(&line, LOG_WARNING, "schedules cannot be run");
    log_error(&line, err);
    log_end(&line);
    scheduler->failure_logged = true;
}

static int run_schedules(struct background *thread, void *context)
{
    struct scheduler *scheduler = context;
    struct scheduler_pass pass = {.wait_ms = RETRY_MS};
    struct error err;
    struct db *db = db_pool_acquire_watched(scheduler->pool, background_check_time, thread, &err);
    bool done = db != NULL;

    if (done) {
        done = scheduler_run_pass(db, 0, thread, &pass, &err) && purge_runs(scheduler, db, thread, &err);
        db_pool_release(scheduler->pool, db);
    }
    workers_wake(scheduler->workers, pass.started);
    if (pass.notifications > 0)
        notifier_wake(scheduler->notifier);
    if (done)
        scheduler->failure_logged = false;
    else if (!background_is_stopping(thread))
        log_failure(scheduler, &err);
    return pass.wait_ms;
}

struct scheduler *scheduler_start(struct db_pool *pool, struct workers *workers, struct notifier *notifier,
                                  int history_hours)
{
    struct scheduler *scheduler = memory_zeroed(1, sizeof(*scheduler));
    const struct background_job job = {.step = run_schedules, .context = scheduler};

    scheduler->pool = pool;
    scheduler->workers = workers;
    scheduler->notifier = notifier;
    scheduler->history_hours = history_hours;
    scheduler->thread = background_start(&job);
    if (scheduler->thread != NULL)
        return scheduler;
    free(scheduler);
    return NULL;
}

void scheduler_wake(struct scheduler *scheduler)
{
    if (scheduler != NULL)
        background_wake(scheduler->thread);
}

bool scheduler_stop(struct scheduler *scheduler, int grace_ms)
{
    return scheduler == NULL || background_stop(scheduler->thread, grace_ms);
}

void scheduler_free(struct scheduler *scheduler)
{
    if (scheduler == NULL)
        return;
    background_free(scheduler->thread);
    free(scheduler);
}
