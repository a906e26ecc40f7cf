/* The parts of export/workers.c that need no database. */
#include "export/workers.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

static struct workers *start(struct db_pool *pool, int threads)
{
    const struct exporter exporter = {.directory = scratch_directory(), .timeout = 1, .terms = {30, 0}, .tasks = pool};
    struct workers *workers;

    watches = watches_new();
    workers = workers_start(&exporter, &settings, watches, NULL, threads);
    assert_non_null(workers);
    return workers;
}

static void stop(struct workers *workers)
{
    assert_true(workers_stop(workers, 60000));
    workers_free(workers);
    watches_free(watches);
}

/* Runs it with standard error in a file, whose text is appended to `log`. */
static void capture(void (*run)(void), struct buffer *log)
{
    char *path = scratch_write("log", BYTES(""));
    int file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    int saved = dup(STDERR_FILENO);

    dup2(file, STDERR_FILENO);
    run();
    dup2(saved, STDERR_FILENO);
    scratch_read(path, log);
    close(saved);
    close(file);
    free(path);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
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
    struct buffer log = {0};

    capture(run_one, &log);
    assert_int_equal(count_of(buffer_text(&log), "cannot claim tasks"), 2);
    assert_int_equal(count_of(buffer_text(&log), " error=unavailable "), 2);
    buffer_free(&log);
}

static void call_and_stop(void)
{
    struct db_pool *pool = db_pool_new(&settings, 2);
    struct workers *workers = start(pool, 3);

    for (int i = 0; i < 200; i++) {
        workers_wake(workers);
        workers_wake_all(workers);
        assert_true(workers_may_run(workers, A)); /* a thread that can claim nothing is free */
        usleep(100);
    }
    stop(workers);
    db_pool_free(pool);
}

/* Threads continue without a database, and log the failure once each, however often they try. */
static void threads_survive_without_a_database(void)
{
    struct buffer log = {0};

    capture(call_and_stop, &log);
    assert_in_range(count_of(buffer_text(&log), "cannot claim tasks"), 1, 3);
    assert_int_equal(count_of(buffer_text(&log), "\n"), count_of(buffer_text(&log), "cannot claim tasks"));
    buffer_free(&log);
}

/* Idle threads stop long before their time limit. */
static void idle_threads_stop_at_once(void)
{
    struct buffer log = {0};
    int64_t begun = clock_monotonic_ms();

    capture(call_and_stop, &log);
    assert_true(clock_monotonic_ms() - begun < 30000);
    buffer_free(&log);
}

static void freeing_nothing_is_fine(void)
{
    workers_free(NULL);
}

int main(void)
{
    CHECK(runs_nothing_without_a_database);
    CHECK(threads_survive_without_a_database);
    CHECK(idle_threads_stop_at_once);
    CHECK(freeing_nothing_is_fine);
    return check_run("export/workers");
}
