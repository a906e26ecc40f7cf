/* The parts of export/workers.c that need no database: watches for a task, their news, and the end of the threads. */
#include "export/workers.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "scratch.h"

#define A "01234567-89ab-4cde-8f01-23456789abcd"
#define B "fedcba98-7654-4321-8abc-0123456789ab"

static const struct db_settings settings = {
    .conninfo = "host=/no/such/directory dbname=x",
    .application_name = "test",
    .time_zone = "UTC",
    .connect_timeout_ms = 1000,
    .query_timeout_ms = 1000,
};

static struct workers *start(struct db_pool *pool, int threads)
{
    const struct exporter exporter = {.directory = scratch_directory(), .timeout = 1, .terms = {30, 0}, .tasks = pool};
    struct workers *workers = workers_start(&exporter, &settings, NULL, threads);

    assert_non_null(workers);
    return workers;
}

static void stop(struct workers *workers)
{
    assert_true(workers_stop(workers, 60000));
    workers_free(workers);
}

/* Returns the news of a watch without waiting. */
static enum workers_news news(struct workers *workers, struct workers_watch *watch)
{
    return workers_watch_wait(workers, watch, 0);
}

static void hears_of_its_task(void)
{
    struct workers *workers = start(NULL, 0);
    struct workers_watch a, also_a, b;

    workers_watch_begin(workers, &a, A);
    workers_watch_begin(workers, &b, B);
    workers_watch_begin(workers, &also_a, A);
    assert_int_equal(news(workers, &a), WORKERS_NO_NEWS);
    workers_task_changed(workers, A);
    assert_int_equal(news(workers, &a), WORKERS_CHANGED);
    assert_int_equal(news(workers, &a), WORKERS_NO_NEWS); /* already returned */
    assert_int_equal(news(workers, &b), WORKERS_NO_NEWS);
    assert_int_equal(news(workers, &also_a), WORKERS_CHANGED);

    workers_watch_end(workers, &b); /* from the middle */
    workers_task_changed(workers, B);
    workers_task_changed(workers, "");
    assert_int_equal(news(workers, &a), WORKERS_NO_NEWS);
    workers_set_hearing(workers, true);
    assert_int_equal(news(workers, &a), WORKERS_CHANGED);
    assert_int_equal(news(workers, &also_a), WORKERS_CHANGED);
    workers_watch_end(workers, &a);
    workers_task_changed(workers, A);
    assert_int_equal(news(workers, &also_a), WORKERS_CHANGED);
    workers_watch_end(workers, &also_a);
    stop(workers);
}

/* Notifications may have been missed only if they were interrupted and are received again. */
static void hears_that_notifications_are_heard_again(void)
{
    struct workers *workers = start(NULL, 0);
    struct workers_watch a;

    assert_false(workers_is_hearing(workers));
    workers_watch_begin(workers, &a, A);
    for (int i = 0; i < 2; i++) {
        workers_set_hearing(workers, true);
        assert_true(workers_is_hearing(workers));
        assert_int_equal(news(workers, &a), WORKERS_CHANGED);
        workers_set_hearing(workers, false);
        assert_false(workers_is_hearing(workers));
        assert_int_equal(news(workers, &a), WORKERS_NO_NEWS);
    }
    workers_watch_end(workers, &a);
    stop(workers);
}

/* A change before the wait is not missed, and neither is the end of the process after a change. */
static void hears_that_the_process_stops(void)
{
    struct workers *workers = start(NULL, 0);
    struct workers_watch a;

    workers_watch_begin(workers, &a, A);
    workers_task_changed(workers, A);
    workers_drain(workers);
    assert_int_equal(news(workers, &a), WORKERS_CHANGED);
    assert_int_equal(news(workers, &a), WORKERS_DRAINING);
    assert_int_equal(workers_watch_wait(workers, &a, 60000), WORKERS_DRAINING); /* at once */
    workers_watch_end(workers, &a);
    stop(workers);
}

struct waiting {
    struct workers *workers;
    struct workers_watch watch;
    enum workers_news news;
    long switches; /* how often the thread gave up the processor */
};

static long switches_of_this_thread(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_nvcsw;
}

static void *wait_long(void *argument)
{
    struct waiting *waiting = argument;

    waiting->switches = -switches_of_this_thread();
    waiting->news = workers_watch_wait(waiting->workers, &waiting->watch, 60000);
    waiting->switches += switches_of_this_thread();
    return NULL;
}

static void change_it(struct workers *workers)
{
    workers_task_changed(workers, A);
}

static void hear_again(struct workers *workers)
{
    workers_set_hearing(workers, true);
}

static const struct wake_case {
    const char *label;
    void (*wake)(struct workers *workers);
    enum workers_news news;
} wake_cases[] = {
    {"a change", change_it, WORKERS_CHANGED},
    {"notifications are heard again", hear_again, WORKERS_CHANGED},
    {"the end", workers_drain, WORKERS_DRAINING},
};

/* A thread that already waits is woken long before its time limit. */
static void wakes_a_waiter(const void *row)
{
    const struct wake_case *c = row;
    struct waiting waiting = {.workers = start(NULL, 0)};
    int64_t begun = clock_monotonic_ms();
    pthread_t thread;

    workers_watch_begin(waiting.workers, &waiting.watch, A);
    assert_int_equal(pthread_create(&thread, NULL, wait_long, &waiting), 0);
    usleep(20000); /* it usually waits by then; the result must be the same if it does not */
    c->wake(waiting.workers);
    pthread_join(thread, NULL);
    assert_int_equal(waiting.news, c->news);
    assert_true(clock_monotonic_ms() - begun < 30000);
    workers_watch_end(waiting.workers, &waiting.watch);
    stop(waiting.workers);
}

/* A change wakes only those who wait for that task, and all of them. */
static void wakes_no_other_waiter(void)
{
    struct waiting waiting[] = {{.workers = start(NULL, 0)}, {.news = WORKERS_NO_NEWS}, {.news = WORKERS_NO_NEWS}};
    const char *const tasks[] = {B, A, B};
    pthread_t threads[ARRAY_SIZE(waiting)];

    for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
        waiting[i].workers = waiting[0].workers;
        workers_watch_begin(waiting[i].workers, &waiting[i].watch, tasks[i]);
        if (i != 1)
            assert_int_equal(pthread_create(&threads[i], NULL, wait_long, &waiting[i]), 0);
    }
    for (int i = 0; i < 1000; i++) {
        workers_task_changed(waiting[0].workers, A);
        usleep(100); /* gives each wake-up time of its own */
    }
    workers_task_changed(waiting[0].workers, B);
    for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
        if (i != 1) {
            pthread_join(threads[i], NULL);
            assert_int_equal(waiting[i].news, WORKERS_CHANGED);
            assert_true(waiting[i].switches < 100);
        }
        workers_watch_end(waiting[i].workers, &waiting[i].watch);
    }
    stop(waiting[0].workers);
}

static void waits_for_the_time_given(void)
{
    struct workers *workers = start(NULL, 0);
    int64_t begun = clock_monotonic_ms();
    struct workers_watch a;

    workers_watch_begin(workers, &a, A);
    assert_int_equal(workers_watch_wait(workers, &a, 30), WORKERS_NO_NEWS);
    assert_true(clock_monotonic_ms() - begun >= 30);
    workers_watch_end(workers, &a);
    stop(workers);
}

/* A process without export threads has no free thread. */
static void nobody_is_free_without_threads(void)
{
    struct workers *workers = start(NULL, 0);

    assert_false(workers_announce(workers));
    assert_false(workers_announce(workers));
    workers_call(workers);
    workers_withdraw(workers);
    assert_false(workers_announce(workers));
    stop(workers);
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

/* Returns whether a thread is free for another task, which is not queued. */
static bool is_one_free(struct workers *workers)
{
    bool is_free = workers_announce(workers);

    workers_withdraw(workers);
    return is_free;
}

static void announce(void)
{
    struct db_pool *pool = db_pool_new(&settings, 1);
    struct workers *workers = start(pool, 1);
    int64_t deadline = clock_monotonic_ms() + 30000;

    for (int i = 0; i < 100; i++) {
        assert_true(workers_announce(workers));
        workers_call(workers); /* a check of the queue cannot find the task yet */
        usleep(500);
        assert_false(is_one_free(workers));
        assert_false(is_one_free(workers));
        workers_withdraw(workers);
        assert_true(is_one_free(workers));
    }
    assert_true(workers_announce(workers));
    workers_queued(workers);
    while (!is_one_free(workers)) {
        assert_true(clock_monotonic_ms() < deadline);
        usleep(1000);
    }
    stop(workers);
    db_pool_free(pool);
}

/* A free thread is reserved for one task, until that task is queued and looked for, or withdrawn. */
static void a_thread_is_free_for_one_task(void)
{
    struct buffer log = {0};

    capture(announce, &log);
    buffer_free(&log);
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
    assert_int_equal(count_of(buffer_text(&log), "can't take tasks"), 2);
    assert_int_equal(count_of(buffer_text(&log), " error=unavailable "), 2);
    buffer_free(&log);
}

static void call_and_stop(void)
{
    struct db_pool *pool = db_pool_new(&settings, 2);
    struct workers *workers = start(pool, 3);

    for (int i = 0; i < 200; i++) {
        (void) workers_announce(workers);
        workers_queued(workers);
        workers_set_hearing(workers, true);
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
    assert_in_range(count_of(buffer_text(&log), "can't take tasks"), 1, 3);
    assert_int_equal(count_of(buffer_text(&log), "\n"), count_of(buffer_text(&log), "can't take tasks"));
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
    CHECK(hears_of_its_task);
    CHECK(hears_that_notifications_are_heard_again);
    CHECK(hears_that_the_process_stops);
    CHECK_EACH(wakes_a_waiter, wake_cases, label);
    CHECK(wakes_no_other_waiter);
    CHECK(waits_for_the_time_given);
    CHECK(nobody_is_free_without_threads);
    CHECK(a_thread_is_free_for_one_task);
    CHECK(runs_nothing_without_a_database);
    CHECK(threads_survive_without_a_database);
    CHECK(idle_threads_stop_at_once);
    CHECK(freeing_nothing_is_fine);
    return check_run("export/workers");
}
