#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/credential.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "db/settings.h"
#include "export/announcements.h"
#include "export/listener.h"
#include "metrics/totals.h"
#include "schedule/notifier.h"
#include "schedule/schedule.h"
#include "schedule/scheduler.h"

#define LAST_FLUSH_MS 1000 /* minimum time for the last flush of the counters */

struct engine {
    struct db_settings tasks;
    struct db_settings background;
    struct db_settings inventory;
    struct db_settings catalog;
    struct db_settings listening;
    struct db_settings reading;
    struct db_pool *pool;    /* for requests */
    struct access *access;
    struct db_pool *inventory_pool; /* for requests that read the inventory; may be the same */
    /* The following serve all projects, as the role waybill_worker. */
    struct db_pool *exports; /* for exports and housekeeping, so that requests cannot delay the renewal of a lease */
    struct db_pool *schedules;     /* for the scheduler; NULL without threads, like the next one */
    struct db_pool *notifications; /* for the senders of notifications, one after the other */
    struct housekeeper *housekeeper;
    struct watches *watches;
    struct announcements *announcements;
    struct workers *workers;
    struct contract_monitor *contract;
    struct notifier *notifier;
    struct scheduler *scheduler;
    struct listener *listener;
    int64_t deadline; /* monotonic: the time by which engine_stop, and later the last flush, must finish */
};

static struct exporter make_exporter(const struct config *config, struct db_pool *pool)
{
    return (struct exporter) {
        .relation = config->relation,
        .directory = config->directory,
        .gzip = config->gzip,
        .csv = csv_options_configured(config),
        .timeout = config->export_timeout,
        .terms = {.lease = config->lease, .running_exports = config->running_exports},
        .retention_hours = config->retention_hours,
        .tasks = pool,
    };
}

static bool check_files_directory(const struct config *config, struct error *err)
{
    if (access(config->directory, R_OK | W_OK | X_OK) == 0)
        return true;
    return error_set(err, ERROR_CONFIG, "[files] directory %s: %s", config->directory, strerror(errno));
}

/* The hooks of the listener. */
static void wake_scheduler(void *context, const char *payload)
{
    (void) payload;
    scheduler_wake(context);
}

/*
 * The payload is the ID of a credential that was revoked. If it is NULL, the listener has woken all watches. The cache
 * comes first: a request that counts revocations afterwards must not find the credential in it.
 */
static void hear_revocation(void *context, const char *payload)
{
    struct engine *engine = context;
    int64_t credential_id;

    if (payload == NULL) {
        access_set_receiving(engine->access, true);
        return;
    }
    access_forget(engine->access);
    if (text_parse_digits(payload, 18, &credential_id))
        watches_notify_caller(engine->watches, credential_id);
}

static void lose_revocations(void *context)
{
    struct engine *engine = context;

    access_set_receiving(engine->access, false);
}

/* Starts the threads other than those of exports. Returns false if one cannot start. */
static bool start_threads(struct engine *engine, const struct config *config)
{
    const struct webhook_terms terms = {
        .policy = {.hosts = config->notify_hosts, .allow_http = config->notify_allow_http},
        .timeout_ms = WEBHOOK_TIMEOUT_MS,
    };
    struct listener_hook hooks[] = {
        {.channel = SCHEDULE_CHANNEL, .wake = wake_scheduler},
        {.channel = CREDENTIAL_CHANNEL, .wake = hear_revocation, .context = engine,
         .lose = lose_revocations},
    };

    if (!contract_monitor_start(engine->contract))
        return false;
    engine->schedules = db_pool_new(&engine->background, 1);
    engine->notifications = db_pool_new(&engine->background, 1);
    engine->notifier = notifier_start(engine->notifications, access_key_ring(engine->access), &terms,
                                      NOTIFIER_THREADS);
    if (engine->notifier == NULL)
        return false;
    engine->scheduler = scheduler_start(engine->schedules, engine->workers, engine->notifier, config->history_hours);
    if (engine->scheduler == NULL)
        return false;
    hooks[0].context = engine->scheduler;
    engine->listener = listener_start(&engine->listening, engine->announcements, engine->workers, engine->watches,
                                      hooks, ARRAY_SIZE(hooks));
    return engine->listener != NULL;
}

struct engine *engine_start(const struct config *config, enum engine_kind kind, struct error *err)
{
    bool threaded = kind == ENGINE_WITH_THREADS;
    struct workers_terms terms;
    const struct retention retention = retention_configured(config);
    struct engine *engine;

    if (!check_files_directory(config, err))
        return NULL;
    engine = memory_zeroed(1, sizeof(*engine));
    engine->tasks = db_settings_for_service(config);
    engine->inventory = db_settings_for_inventory(config);
    engine->catalog = db_settings_for_catalog(config);
    engine->background = db_settings_for_worker(config);
    engine->listening = engine->background;
    engine->listening.application_name = "waybill listener";

    engine->reading = engine->catalog;
    engine->reading.application_name = engine->tasks.application_name;

    engine->pool = db_pool_new(&engine->tasks, config->pool_size);
    engine->inventory_pool = config->inventory_conninfo[0] == '\0' ? engine->pool
                                                                   : db_pool_new(&engine->reading, config->pool_size);
    /* Each thread uses one connection at a time. Without threads, the request that runs an export uses one. */
    engine->exports = db_pool_new(&engine->background, threaded ? config->export_threads + 1 : 1);
    engine->access = access_new(config, engine->pool);
    engine->contract = contract_monitor_new(&engine->catalog, config->relation);
    if (threaded)
        engine->housekeeper = housekeeper_start(engine->exports, &retention);
    engine->watches = watches_new();
    engine->announcements = announcements_new();
    terms = (struct workers_terms) {
        .exporter = make_exporter(config, engine->exports),
        .inventory = &engine->inventory,
        .watches = engine->watches,
        .announcements = engine->announcements,
        .housekeeper = engine->housekeeper,
    };
    if (engine->announcements != NULL)
        engine->workers = workers_start(&terms, threaded ? config->export_threads : 0);
    if (engine->workers != NULL
        && (!threaded || (engine->housekeeper != NULL && start_threads(engine, config))))
        return engine;

    error_set(err, ERROR_INTERNAL, "the threads of the process cannot be started");
    if (engine_stop(engine, 0))
        engine_free(engine);
    return NULL;
}

struct db_pool *engine_pool(struct engine *engine)
{
    return engine->pool;
}

struct db_pool *engine_inventory_pool(struct engine *engine)
{
    return engine->inventory_pool;
}

struct access *engine_access(struct engine *engine)
{
    return engine->access;
}

struct workers *engine_workers(struct engine *engine)
{
    return engine->workers;
}

struct watches *engine_watches(struct engine *engine)
{
    return engine->watches;
}

struct housekeeper *engine_housekeeper(struct engine *engine)
{
    return engine->housekeeper;
}

struct contract_monitor *engine_contract(struct engine *engine)
{
    return engine->contract;
}

/* A db_watcher: returns false once the process must end. */
static bool process_has_time(void *context, struct error *err)
{
    const struct engine *engine = context;

    if (clock_monotonic_ms() < engine->deadline)
        return true;
    return error_set(err, ERROR_UNAVAILABLE, "the process is stopping");
}

/* Flushes the counts that the housekeeper, if any, has not flushed. No other thread uses the connections any more. */
static void flush_remaining_counters(struct engine *engine)
{
    /* A pool that probably has an open connection. */
    bool threaded = engine->housekeeper != NULL;
    struct db_pool *pool = threaded ? engine->exports : engine->pool;
    struct db_settings *settings = threaded ? &engine->background : &engine->tasks;
    int64_t minimum = clock_monotonic_ms() + LAST_FLUSH_MS;
    struct error ignored;
    struct db *db;

    if (engine->deadline < minimum)
        engine->deadline = minimum;
    if (settings->connect_timeout_ms > clock_remaining_ms(engine->deadline))
        settings->connect_timeout_ms = clock_remaining_ms(engine->deadline);
    db = db_pool_acquire_watched(pool, process_has_time, engine, &ignored);
    if (db == NULL)
        return;
    (void) !totals_flush(db, &ignored);
    db_pool_release(pool, db);
}

bool engine_stop(struct engine *engine, int grace_ms)
{
    bool ended;

    engine->deadline = clock_monotonic_ms() + grace_ms;
    watches_stop(engine->watches);
    ended = engine->workers == NULL || workers_stop(engine->workers, grace_ms);
    listener_stop(engine->listener);
    engine->listener = NULL;
    ended &= scheduler_stop(engine->scheduler, clock_remaining_ms(engine->deadline));
    ended &= notifier_stop(engine->notifier, clock_remaining_ms(engine->deadline));
    ended &= contract_monitor_stop(engine->contract, clock_remaining_ms(engine->deadline));
    ended &= housekeeper_stop(engine->housekeeper, clock_remaining_ms(engine->deadline));
    return ended;
}

void engine_free(struct engine *engine)
{
    flush_remaining_counters(engine);
    scheduler_free(engine->scheduler);
    notifier_free(engine->notifier);
    workers_free(engine->workers);
    contract_monitor_free(engine->contract);
    announcements_free(engine->announcements);
    watches_free(engine->watches);
    housekeeper_free(engine->housekeeper);
    access_free(engine->access);
    db_pool_free(engine->schedules);
    db_pool_free(engine->notifications);
    db_pool_free(engine->exports);
    if (engine->inventory_pool != engine->pool)
        db_pool_free(engine->inventory_pool);
    db_pool_free(engine->pool);
    free(engine);
}
