#include "inventory/contract_monitor.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/background.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#define KEEP_MS 60000 /* how long no problems are kept */
#define RETRY_MS 5000 /* between attempts at the start */

struct contract_monitor {
    const struct db_settings *settings;
    const char *relation;
    struct background *thread; /* NULL: none */
    pthread_mutex_t lock;      /* for the rest; held during a comparison, so that callers share it */
    int64_t begun;             /* monotonic: when the newest comparison began; -1: none */
    int64_t ended;             /* the same, when it ended */
    bool reached;              /* false: it failed, with this error */
    struct error err;
    struct contract_result result; /* of the newest comparison that did not fail */
};

struct contract_monitor *contract_monitor_new(const struct db_settings *settings, const char *relation)
{
    struct contract_monitor *monitor = memory_zeroed(1, sizeof(*monitor));

    monitor->settings = settings;
    monitor->relation = relation;
    monitor->begun = -1;
    pthread_mutex_init(&monitor->lock, NULL);
    return monitor;
}

static bool has_problem(const struct contract_result *result, const char *text)
{
    for (size_t i = 0; i < result->count; i++) {
        if (strcmp(result->problems[i].text, text) == 0)
            return true;
    }
    return false;
}

/* Logs the problems that are new, or that there are none any more. */
static void log_result(const struct contract_monitor *monitor, const struct contract_result *result)
{
    struct log_line line;

    for (size_t i = 0; i < result->count; i++) {
        if (has_problem(&monitor->result, result->problems[i].text))
            continue;
        log_begin(&line, LOG_ERROR, "inventory is not usable");
        log_text(&line, "relation", monitor->relation);
        log_text(&line, "problem", result->problems[i].text);
        log_end(&line);
    }
    if (monitor->result.count > 0 && result->count == 0) {
        log_begin(&line, LOG_INFO, "inventory is usable again");
        log_text(&line, "relation", monitor->relation);
        log_end(&line);
    }
}

/* Called with the lock held. */
static void compare_now(struct contract_monitor *monitor)
{
    struct contract_result result;
    struct db *db;

    monitor->begun = clock_monotonic_ms();
    db = db_open(monitor->settings, &monitor->err);
    monitor->reached = db != NULL && contract_compare(db, monitor->relation, &result, &monitor->err);
    db_close(db);
    if (monitor->reached) {
        log_result(monitor, &result);
        contract_free(&monitor->result);
        monitor->result = result;
    }
    monitor->ended = clock_monotonic_ms();
}

/* Whether the newest comparison answers a question that was asked at this time. Called with the lock held. */
static bool is_current(const struct contract_monitor *monitor, int64_t asked)
{
    if (monitor->begun < 0)
        return false;
    if (monitor->reached && monitor->result.count == 0)
        return asked - monitor->ended < KEEP_MS;
    return monitor->begun > asked;
}

static void copy_result(const struct contract_result *result, struct contract_result *ret)
{
    *ret = *result;
    for (size_t i = 0; i < result->count; i++)
        ret->problems[i].text = memory_copy_text(result->problems[i].text);
}

bool contract_monitor_ask(struct contract_monitor *monitor, struct contract_result *ret, struct error *err)
{
    int64_t asked = clock_monotonic_ms();
    bool reached;

    pthread_mutex_lock(&monitor->lock);
    if (!is_current(monitor, asked))
        compare_now(monitor);
    reached = monitor->reached;
    if (reached)
        copy_result(&monitor->result, ret);
    else
        *err = monitor->err;
    pthread_mutex_unlock(&monitor->lock);
    return reached;
}

/* The step of the thread. */
static int ask_once(struct background *thread, void *context)
{
    struct contract_result result;
    struct error ignored;

    (void) thread;
    if (!contract_monitor_ask(context, &result, &ignored))
        return RETRY_MS;
    contract_free(&result);
    return INT_MAX; /* health checks ask from now on */
}

bool contract_monitor_start(struct contract_monitor *monitor)
{
    const struct background_job job = {.step = ask_once, .context = monitor};

    monitor->thread = background_start(&job);
    return monitor->thread != NULL;
}

bool contract_monitor_stop(struct contract_monitor *monitor, int grace_ms)
{
    return monitor == NULL || background_stop(monitor->thread, grace_ms);
}

void contract_monitor_free(struct contract_monitor *monitor)
{
    if (monitor == NULL)
        return;
    background_free(monitor->thread);
    contract_free(&monitor->result);
    pthread_mutex_destroy(&monitor->lock);
    free(monitor);
}
