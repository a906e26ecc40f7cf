/* The parts of a process for each configuration, and that it starts and stops without a database. */
#include "engine.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "db/settings.h"
#include "scratch.h"

#define A "01234567-89ab-4cde-8f01-23456789abcd"

/* A configuration with these lines in [files], and an unreachable database. */
static struct config *read_config(const char *files)
{
    struct buffer text = {0};
    struct config *config;
    struct error err;
    char *path;

    buffer_printf(&text, "[database]\nconninfo = host=/no/such/directory dbname=x\nconnect_timeout_ms = 1234\n"
                  "query_timeout_ms = 5678\n[csv]\ntime_zone = Etc/GMT+5\n[files]\n%s\n", files);
    path = scratch_write("engine.conf", text.data, text.length);
    config = config_read(path, &err);
    check_good(config != NULL, &err);
    buffer_free(&text);
    free(path);
    return config;
}

static struct config *read_config_for(const char *directory)
{
    struct buffer files = {0};
    struct config *config;

    buffer_printf(&files, "directory = %s", directory);
    config = read_config(files.data);
    buffer_free(&files);
    return config;
}

/* Statements of the service itself use UTC, whatever time zone a CSV has. */
static void database_settings(void)
{
    struct config *config = read_config("");
    struct db_settings settings = db_settings_for_service(config);

    assert_string_equal(settings.conninfo, "host=/no/such/directory dbname=x");
    assert_string_equal(settings.application_name, "waybill");
    assert_string_equal(settings.time_zone, "UTC");
    assert_int_equal(settings.connect_timeout_ms, 1234);
    assert_int_equal(settings.query_timeout_ms, 5678);
    config_free(config);
}

/* The same connection, as another role. No other connection changes its role. */
static void worker_settings(void)
{
    struct config *config = read_config("");
    struct db_settings settings = db_settings_for_worker(config);

    assert_string_equal(settings.conninfo, "host=/no/such/directory dbname=x");
    assert_string_equal(settings.role, "waybill_worker");
    assert_int_equal(settings.query_timeout_ms, 5678);
    assert_null(db_settings_for_service(config).role);
    assert_null(db_settings_for_owner(config).role);
    assert_null(db_settings_for_loader(config).role);
    assert_null(db_settings_for_inventory(config).role);
    assert_null(db_settings_for_catalog(config).role);
    config_free(config);
}

/* The inventory is in the database of the tasks or in another one; its statements may run as long as an export. */
static void inventory_settings(void)
{
    struct config *config = read_config("");
    struct db_settings settings = db_settings_for_inventory(config);

    assert_string_equal(settings.conninfo, "host=/no/such/directory dbname=x");
    assert_string_equal(settings.application_name, "waybill export");
    assert_string_equal(settings.time_zone, "Etc/GMT+5");
    assert_int_equal(settings.connect_timeout_ms, 1234);
    assert_true(settings.query_timeout_ms > 900000);
    config_free(config);

    config = read_config("[inventory]\nconninfo = host=a,b dbname=x\n");
    assert_string_equal(db_settings_for_inventory(config).conninfo, "host=a,b dbname=x");
    assert_string_equal(db_settings_for_catalog(config).conninfo, "host=a,b dbname=x");
    assert_int_equal(db_settings_for_catalog(config).query_timeout_ms, 5678);
    assert_string_equal(db_settings_for_service(config).conninfo, "host=/no/such/directory dbname=x");
    config_free(config);
}

static const struct loader_case {
    const char *sections;
    const char *conninfo;
} loader_cases[] = {
    {"", "host=/no/such/directory dbname=x"},
    {"[database]\nowner_conninfo = user=owner", "user=owner"},
    {"[inventory]\nconninfo = dbname=other", "host=/no/such/directory dbname=x"},
    {"[inventory]\nloader_conninfo = user=loader", "user=loader"},
    {"[database]\nowner_conninfo = user=owner\n[inventory]\nloader_conninfo = user=loader", "user=loader"},
};

/* A load has a connection of its own, or that of the owner. Its statements may take an hour. */
static void loader_settings(const void *row)
{
    const struct loader_case *c = row;
    struct config *config = read_config(c->sections);
    struct db_settings settings = db_settings_for_loader(config);

    assert_string_equal(settings.conninfo, c->conninfo);
    assert_string_equal(settings.application_name, "waybill load");
    assert_string_equal(settings.time_zone, "UTC");
    assert_int_equal(settings.query_timeout_ms, 3600000);
    config_free(config);
}

static const struct retention_case {
    const char *files;
    const char *directory;
    int history_hours;
    int64_t max_total_bytes;
} retention_cases[] = {
    {"", "/var/lib/waybill/files", 720, 0},
    {"directory = /srv/files\nhistory_hours = 1\nmax_total_mib = 1", "/srv/files", 1, 1048576},
    {"max_total_mib = 2048", "/var/lib/waybill/files", 720, 2147483648},
    {"history_hours = 876000\nmax_total_mib = 999999999", "/var/lib/waybill/files", 876000, 1048575998951424},
};

/* Mebibytes are converted to bytes, beyond 32 bits too. */
static void retentions(const void *row)
{
    const struct retention_case *c = row;
    struct config *config = read_config(c->files);
    struct retention retention = retention_configured(config);

    assert_string_equal(retention.directory, c->directory);
    assert_int_equal(retention.history_hours, c->history_hours);
    assert_true(retention.max_total_bytes == c->max_total_bytes);
    config_free(config);
}

static const struct kind_case {
    const char *label;
    enum engine_kind kind;
} kind_cases[] = {{"with threads", ENGINE_WITH_THREADS}, {"alone", ENGINE_WITHOUT_THREADS}};

static void check_no_engine(const char *directory, enum engine_kind kind)
{
    struct config *config = read_config_for(directory);
    struct error err;

    assert_null(engine_start(config, kind, &err));
    check_refusal(&err, ERROR_CONFIG, "[files] directory");
    check_refusal(&err, ERROR_CONFIG, directory);
    config_free(config);
}

/* A bad directory fails at the start, where the operator sees it, and not at the first export. */
static void needs_a_directory(const void *row)
{
    const struct kind_case *c = row;
    char *missing = scratch_path("no-such-directory"), *read_only = scratch_path("read-only");

    check_no_engine(missing, c->kind);
    (void) mkdir(read_only, 0555);
    if (geteuid() != 0) /* root may write anywhere */
        check_no_engine(read_only, c->kind);
    free(read_only);
    free(missing);
}

/* Starts, watches and stops. Standard error goes to a file, whose text is appended to `log`. */
static void run(enum engine_kind kind, struct buffer *log)
{
    struct config *config = read_config_for(scratch_directory());
    struct watch watch;
    struct engine *engine;
    struct error err;
    bool stopped;

    scratch_catch_log();
    engine = engine_start(config, kind, &err);
    check_good(engine != NULL, &err);
    assert_non_null(engine_pool(engine));
    assert_non_null(engine_workers(engine));
    assert_int_equal(engine_housekeeper(engine) == NULL, kind == ENGINE_WITHOUT_THREADS);
    housekeeper_wake(engine_housekeeper(engine));
    housekeeper_file_added(engine_housekeeper(engine));
    watch_begin(engine_watches(engine), &watch, A, false);
    stopped = engine_stop(engine, 60000);
    assert_int_equal(watch_wait(&watch, 60000), WATCH_STOPPING);
    watch_end(&watch);
    housekeeper_wake(engine_housekeeper(engine)); /* has no effect here */
    if (stopped)
        engine_free(engine);
    scratch_read_log(log);
    scratch_release_log();
    config_free(config);
    assert_true(stopped);
}

/* Requests need no connections of their own to the inventory if it is in the database of the tasks. */
static void pools_of_requests(const void *row)
{
    static const char *const inventories[] = {"", "[inventory]\nconninfo = host=/no/such/directory dbname=y\n"};
    const struct kind_case *c = row;

    for (size_t i = 0; i < ARRAY_SIZE(inventories); i++) {
        struct buffer files = {0};
        struct config *config;
        struct engine *engine;
        struct error err;

        buffer_printf(&files, "directory = %s\n%s", scratch_directory(), inventories[i]);
        config = read_config(buffer_text(&files));
        scratch_catch_log();
        engine = engine_start(config, c->kind, &err);
        check_good(engine != NULL, &err);
        assert_non_null(engine_inventory_pool(engine));
        assert_int_equal(engine_inventory_pool(engine) == engine_pool(engine), i == 0);
        if (engine_stop(engine, 60000))
            engine_free(engine);
        scratch_release_log();
        config_free(config);
        buffer_free(&files);
    }
}

/* Without a database, every kind of process starts, and stops long before its time limit. */
static void starts_and_stops(const void *row)
{
    const struct kind_case *c = row;
    int64_t begun = clock_monotonic_ms();
    struct buffer log = {0};

    run(c->kind, &log);
    assert_true(clock_monotonic_ms() - begun < 30000);
    if (c->kind == ENGINE_WITHOUT_THREADS)
        assert_string_equal(buffer_text(&log), ""); /* it does not try to connect */
    buffer_free(&log);
}

int main(void)
{
    CHECK(database_settings);
    CHECK(worker_settings);
    CHECK(inventory_settings);
    CHECK_EACH(loader_settings, loader_cases, sections);
    CHECK_EACH(retentions, retention_cases, files);
    CHECK_EACH(needs_a_directory, kind_cases, label);
    CHECK_EACH(pools_of_requests, kind_cases, label);
    CHECK_EACH(starts_and_stops, kind_cases, label);
    return check_run("engine");
}
