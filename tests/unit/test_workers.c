/* The parts of export/workers.c that need no database. */
#include "export/workers.h"

#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "scratch.h"

#define A "01234567-89ab-4cde-8f01-23456789abcd"

static const struct db_settings settings = {
    .conninfo = "host=/no/such/directory dbname=x",
    .application_name = "test",
    .time_zone = "UTC",
    .connect_timeout_ms = 1000,
    .query_timeout_ms = 1000,
};

static struct watches *watches;
static struct announcements *announcements;

static struct workers *start(struct db_pool *pool, int threads)
{
    struct workers_terms terms = {
        .exporter = {.directory = scratch_directory(), .timeout = 1, .terms = {30, 0}, .tasks = pool},
        .inventory = &settings,
    };
    struct workers *workers;

    terms.watches = watches = watches_new();
    terms.announcements = announcements = announcements_new();
    assert_non_null(announcements);
    workers = workers_start(&terms, threads);
    assert_non_null(workers);
    return workers;
}

static void stop(struct workers *workers)
{
    assert_true(workers_stop(workers, 60000));
    workers_free(workers);
    announcements_free(announcements);
    watches_free(watches);
}

static void run_one(void)
{
    struct db_pool *pool = db_pool_new(&settings, 1);
    struct workers *workers = start(pool, 0);

    assert_false(workers_run(workers, A));
    assert_false(workers_run(workers, A));
    stop(workers);
    db_pool_free(pool);
}

/* Each call logs the reason of its failure. */
static void runs_nothing_without_a_database(void)
{
    scratch_catch_log();
    run_one();
    assert_int_equal(scratch_count_log("cannot claim tasks"), 2);
    assert_int_equal(scratch_count_log(" error=unavailable "), 2);
    scratch_release_log();
}

static void call_and_stop(void)
{
    struct db_pool *pool = db_pool_new(&settings, 2);
    struct workers *workers = start(pool, 3);

    for (int i = 0; i < 200; i++) {
        workers_wake(workers, 1);
        workers_wake_all(workers);
        assert_true(workers_may_run(workers, A)); /* a thread that can claim nothing is free */
        assert_null(workers_reserve(workers));    /* but cannot be reserved */
        usleep(100);
    }
    stop(workers);
    db_pool_free(pool);
}

/* Threads continue without a database, and log the failure once each, however often they try. */
static void threads_survive_without_a_database(void)
{
    scratch_catch_log();
    call_and_stop();
    assert_in_range(scratch_count_log("cannot claim tasks"), 1, 3);
    assert_int_equal(scratch_count_log("\n"), scratch_count_log("cannot claim tasks"));
    scratch_release_log();
}

static void freeing_nothing_is_fine(void)
{
    workers_free(NULL);
}

int main(void)
{
    CHECK(runs_nothing_without_a_database);
    CHECK(threads_survive_without_a_database);
    CHECK(freeing_nothing_is_fine);
    return check_run("export/workers");
}
