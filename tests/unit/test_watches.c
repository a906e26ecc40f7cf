/* The watches of tasks, and their event. */
#include "export/watches.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"

#define A "01234567-89ab-4cde-8f01-23456789abcd"
#define B "fedcba98-7654-4321-8abc-0123456789ab"

/* Returns the event of a watch without waiting. */
static enum watch_event event(struct watch *watch)
{
    return watch_wait(watch, 0);
}

static void hears_of_its_task(void)
{
    struct watches *watches = watches_new();
    struct watch a, also_a, b;

    watch_begin(watches, &a, A, false);
    watch_begin(watches, &b, B, false);
    watch_begin(watches, &also_a, A, false);
    assert_int_equal(event(&a), WATCH_TIMEOUT);
    watches_notify(watches, A);
    assert_int_equal(event(&a), WATCH_CHANGED);
    assert_int_equal(event(&a), WATCH_TIMEOUT); /* already returned */
    assert_int_equal(event(&b), WATCH_TIMEOUT);
    assert_int_equal(event(&also_a), WATCH_CHANGED);

    watch_end(&b); /* from the middle */
    watches_notify(watches, B);
    watches_notify(watches, "");
    assert_int_equal(event(&a), WATCH_TIMEOUT);
    watches_set_receiving(watches, true);
    assert_int_equal(event(&a), WATCH_CHANGED);
    assert_int_equal(event(&also_a), WATCH_CHANGED);
    watch_end(&a);
    watches_notify(watches, A);
    assert_int_equal(event(&also_a), WATCH_CHANGED);
    watch_end(&also_a);
    watches_free(watches);
}

/* The end of a task is more than a change, and is reported once. */
static void hears_of_the_end(void)
{
    struct watches *watches = watches_new();
    struct watch a, b;

    watch_begin(watches, &a, A, true);
    watch_begin(watches, &b, B, true);
    watches_notify(watches, A);
    watches_notify_ended(watches, A);
    watches_notify_busy(watches);
    assert_int_equal(event(&a), WATCH_ENDED);
    assert_int_equal(event(&a), WATCH_BUSY);
    assert_int_equal(event(&a), WATCH_TIMEOUT);
    assert_int_equal(event(&b), WATCH_BUSY);
    watches_stop(watches);
    watches_notify_ended(watches, B);
    assert_int_equal(event(&b), WATCH_ENDED);
    watch_end(&a);
    watch_end(&b);
    watches_free(watches);
}

/* A watch of a caller hears of that caller and of its task; other watches do not hear of callers. */
static void hears_of_its_caller(void)
{
    struct watches *watches = watches_new();
    struct watch a, other, none;
    uint64_t now;

    watch_begin(watches, &a, A, true);
    watch_begin(watches, &other, A, false);
    watch_begin(watches, &none, A, false);
    watches_notify_caller(watches, 7);
    assert_int_equal(event(&a), WATCH_TIMEOUT); /* not yet */
    now = watches_revocations(watches);
    watch_caller(&a, 7, now);
    watch_caller(&other, 8, now);
    watch_caller(&none, 0, now);
    assert_int_equal(event(&a), WATCH_TIMEOUT);
    watches_notify_caller(watches, 7);
    watches_notify_caller(watches, 0);
    assert_int_equal(event(&a), WATCH_CHANGED);
    assert_int_equal(event(&a), WATCH_TIMEOUT); /* already returned */
    assert_int_equal(event(&other), WATCH_TIMEOUT);
    assert_int_equal(event(&none), WATCH_TIMEOUT);
    watches_notify_caller(watches, INT64_C(1) << 32 | 8);
    assert_int_equal(event(&other), WATCH_TIMEOUT);
    watches_notify(watches, A);
    assert_int_equal(event(&a), WATCH_CHANGED);
    assert_int_equal(event(&other), WATCH_CHANGED);
    watch_end(&a);
    watch_end(&other);
    watch_end(&none);
    watches_free(watches);
}

/*
 * A revocation, or an interruption of the notifications, after the credentials were checked and before the watch began
 * is reported, but not an earlier one, nor to a caller without an ID.
 */
static void hears_of_earlier_revocations(void)
{
    struct watches *watches = watches_new();

    for (int what = 0; what < 3; what++) {
        uint64_t before = watches_revocations(watches);
        struct watch a, none;

        if (what == 0)
            watches_notify_caller(watches, 7);
        else
            watches_set_receiving(watches, what == 1);
        watch_begin(watches, &a, A, false);
        watch_begin(watches, &none, A, false);
        watch_caller(&a, 7, before);
        watch_caller(&none, 0, before);
        assert_int_equal(event(&a), WATCH_CHANGED);
        assert_int_equal(event(&a), WATCH_TIMEOUT);
        assert_int_equal(event(&none), WATCH_TIMEOUT);
        watch_caller(&a, 7, watches_revocations(watches));
        assert_int_equal(event(&a), WATCH_TIMEOUT);
        watches_notify(watches, A);
        watch_caller(&a, 7, watches_revocations(watches));
        assert_int_equal(event(&a), WATCH_CHANGED); /* what it has to report is not lost */
        watch_end(&a);
        watch_end(&none);
    }
    watches_free(watches);
}

/* Notifications may have been missed only if they were interrupted and are received again. */
static void hears_that_notifications_are_heard_again(void)
{
    struct watches *watches = watches_new();
    struct watch a;

    assert_false(watches_is_receiving(watches));
    watch_begin(watches, &a, A, false);
    for (int i = 0; i < 2; i++) {
        watches_set_receiving(watches, true);
        assert_true(watches_is_receiving(watches));
        assert_int_equal(event(&a), WATCH_CHANGED);
        watches_set_receiving(watches, false);
        assert_false(watches_is_receiving(watches));
        assert_int_equal(event(&a), WATCH_TIMEOUT);
    }
    watch_end(&a);
    watches_free(watches);
}

/* A change before the wait is not missed, and neither is the end of the process after a change. */
static void hears_that_the_process_stops(void)
{
    struct watches *watches = watches_new();
    struct watch a;

    watch_begin(watches, &a, A, false);
    watches_notify(watches, A);
    watches_stop(watches);
    assert_int_equal(event(&a), WATCH_CHANGED);
    assert_int_equal(event(&a), WATCH_STOPPING);
    assert_int_equal(watch_wait(&a, 60000), WATCH_STOPPING); /* at once */
    watch_end(&a);
    watches_free(watches);
}

/* Only a watch that asks for it hears of busy threads. It hears of its task first. */
static void hears_that_threads_are_busy(void)
{
    struct watches *watches = watches_new();
    struct watch a, late, other;

    watch_begin(watches, &a, A, true);
    watch_begin(watches, &other, A, false);
    watches_notify_busy(watches);
    watch_begin(watches, &late, A, true);
    assert_int_equal(event(&a), WATCH_BUSY);
    assert_int_equal(event(&a), WATCH_TIMEOUT);
    assert_int_equal(event(&other), WATCH_TIMEOUT);
    assert_int_equal(event(&late), WATCH_TIMEOUT);
    watches_notify_busy(watches);
    watches_notify(watches, A);
    watches_stop(watches);
    assert_int_equal(event(&a), WATCH_CHANGED);
    assert_int_equal(event(&a), WATCH_BUSY);
    assert_int_equal(event(&a), WATCH_STOPPING);
    watch_end(&a);
    watch_end(&late);
    watch_end(&other);
    watches_free(watches);
}

struct waiting {
    struct watches *watches;
    struct watch watch;
    enum watch_event event;
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
    waiting->event = watch_wait(&waiting->watch, 60000);
    waiting->switches += switches_of_this_thread();
    return NULL;
}

static void change_it(struct watches *watches)
{
    watches_notify(watches, A);
}

static void hear_again(struct watches *watches)
{
    watches_set_receiving(watches, true);
}

static const struct wake_case {
    const char *label;
    void (*wake)(struct watches *watches);
    enum watch_event event;
} wake_cases[] = {
    {"a change", change_it, WATCH_CHANGED},
    {"notifications are heard again", hear_again, WATCH_CHANGED},
    {"the threads are busy", watches_notify_busy, WATCH_BUSY},
    {"the end", watches_stop, WATCH_STOPPING},
};

/* A thread that already waits is woken long before its time limit. */
static void wakes_a_waiter(const void *row)
{
    const struct wake_case *c = row;
    struct waiting waiting = {.watches = watches_new()};
    int64_t begun = clock_monotonic_ms();
    pthread_t thread;

    watch_begin(waiting.watches, &waiting.watch, A, c->event == WATCH_BUSY);
    assert_int_equal(pthread_create(&thread, NULL, wait_long, &waiting), 0);
    usleep(20000); /* it usually waits by then; the result must be the same if it does not */
    c->wake(waiting.watches);
    pthread_join(thread, NULL);
    assert_int_equal(waiting.event, c->event);
    assert_true(clock_monotonic_ms() - begun < 30000);
    watch_end(&waiting.watch);
    watches_free(waiting.watches);
}

/* A change wakes only those who wait for that task, and all of them. */
static void wakes_no_other_waiter(void)
{
    struct waiting waiting[] = {{.watches = watches_new()}, {.event = WATCH_TIMEOUT}, {.event = WATCH_TIMEOUT}};
    const char *const tasks[] = {B, A, B};
    pthread_t threads[ARRAY_SIZE(waiting)];

    for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
        waiting[i].watches = waiting[0].watches;
        watch_begin(waiting[i].watches, &waiting[i].watch, tasks[i], false);
        if (i != 1)
            assert_int_equal(pthread_create(&threads[i], NULL, wait_long, &waiting[i]), 0);
    }
    for (int i = 0; i < 1000; i++) {
        watches_notify(waiting[0].watches, A);
        usleep(100); /* gives each wake-up time of its own */
    }
    watches_notify(waiting[0].watches, B);
    for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
        if (i != 1) {
            pthread_join(threads[i], NULL);
            assert_int_equal(waiting[i].event, WATCH_CHANGED);
            assert_true(waiting[i].switches < 100);
        }
        watch_end(&waiting[i].watch);
    }
    watches_free(waiting[0].watches);
}

static void waits_for_the_time_given(void)
{
    struct watches *watches = watches_new();
    int64_t begun = clock_monotonic_ms();
    struct watch a;

    watch_begin(watches, &a, A, false);
    assert_int_equal(watch_wait(&a, 30), WATCH_TIMEOUT);
    assert_true(clock_monotonic_ms() - begun >= 30);
    watch_end(&a);
    watches_free(watches);
}

static void freeing_nothing_is_fine(void)
{
    watches_free(NULL);
}

int main(void)
{
    CHECK(hears_of_its_task);
    CHECK(hears_of_the_end);
    CHECK(hears_of_its_caller);
    CHECK(hears_of_earlier_revocations);
    CHECK(hears_that_notifications_are_heard_again);
    CHECK(hears_that_the_process_stops);
    CHECK(hears_that_threads_are_busy);
    CHECK_EACH(wakes_a_waiter, wake_cases, label);
    CHECK(wakes_no_other_waiter);
    CHECK(waits_for_the_time_given);
    CHECK(freeing_nothing_is_fine);
    return check_run("export/watches");
}
