/*
 * The thread of base/background.c. The linker replaces the clock (--wrap): a wait either ends at once or never, except
 * that a wake-up or a stop ends it.
 */
#include "base/background.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "check.h"
#include "leap.h"

#define PAUSED_MS 30
#define GRACE_MS 1000000
#define FINISH_MS 400000
#define NEVER_MS 600000 /* only a fault waits that long */

struct timespec __real_clock_timespec_after(int ms);
struct timespec __wrap_clock_timespec_after(int ms);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);

static struct {
    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    pthread_t tester;
    const int *times;  /* what the steps return; after the last one, NEVER_MS */
    bool is_held;      /* the thread stays where it is, when it starts or in its step */
    bool hangs;        /* background_stop does not wait */
    bool no_threads;   /* none can be created */
    char trace[32];    /* s step, w step after a wake-up, f finish */
    int waits[16];     /* that the thread began, in milliseconds */
    int wait_count;
    int stop_wait;     /* how long background_stop waits */
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct background *background;

struct timespec __wrap_clock_timespec_after(int ms)
{
    bool elapses = ms < NEVER_MS;

    pthread_mutex_lock(&world.lock);
    if (pthread_equal(pthread_self(), world.tester)) {
        world.stop_wait = ms;
        elapses = world.hangs;
    } else if (world.wait_count < (int) ARRAY_SIZE(world.waits)) {
        world.waits[world.wait_count++] = ms;
    }
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.lock);
    if (ms == PAUSED_MS)
        return __real_clock_timespec_after(ms);
    return __real_clock_timespec_after(elapses ? 0 : NEVER_MS);
}

static void wait_while_held(void)
{
    while (world.is_held)
        pthread_cond_wait(&world.changed, &world.lock);
}

static void *(*run_thread)(void *argument);

static void *run_unless_held(void *argument)
{
    pthread_mutex_lock(&world.lock);
    wait_while_held();
    pthread_mutex_unlock(&world.lock);
    return run_thread(argument);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    if (world.no_threads)
        return EAGAIN;
    run_thread = run;
    return __real_pthread_create(thread, attributes, run_unless_held, argument);
}

/* Called with the lock held. */
static void trace(char call)
{
    size_t length = strlen(world.trace);

    if (length < sizeof(world.trace) - 1)
        world.trace[length] = call;
    pthread_cond_broadcast(&world.changed);
}

static int step(struct background *self, void *context)
{
    int ms = NEVER_MS;

    assert_ptr_equal(context, &world);
    pthread_mutex_lock(&world.lock);
    trace(background_was_woken(self) ? 'w' : 's');
    wait_while_held();
    if (*world.times != 0)
        ms = *world.times++;
    pthread_mutex_unlock(&world.lock);
    return ms;
}

static void finish(struct background *self, void *context)
{
    assert_ptr_equal(context, &world);
    assert_true(background_is_stopping(self));
    pthread_mutex_lock(&world.lock);
    trace('f');
    pthread_mutex_unlock(&world.lock);
}

static void start(int (*stepping)(struct background *, void *), void (*finishing)(struct background *, void *),
                  const int *times)
{
    const struct background_job job = {stepping, finishing, FINISH_MS, &world};

    world.tester = pthread_self();
    world.times = times;
    world.wait_count = 0;
    world.hangs = false;
    memset(world.trace, 0, sizeof(world.trace));
    background = background_start(&job);
}

static const int no_times[] = {0};

static void hold(bool is_held)
{
    pthread_mutex_lock(&world.lock);
    world.is_held = is_held;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.lock);
}

static void await_waits(int count)
{
    pthread_mutex_lock(&world.lock);
    while (world.wait_count < count)
        pthread_cond_wait(&world.changed, &world.lock);
    pthread_mutex_unlock(&world.lock);
}

static void await_steps(size_t count)
{
    pthread_mutex_lock(&world.lock);
    while (strlen(world.trace) < count)
        pthread_cond_wait(&world.changed, &world.lock);
    pthread_mutex_unlock(&world.lock);
}

static void end(const char *expected)
{
    world.hangs = false;
    assert_true(background_stop(background, GRACE_MS));
    background_wake(background); /* without effect */
    background_free(background);
    assert_string_equal(world.trace, expected);
}

/* Stops the thread, which hangs because it is held. */
static void stop_in_vain(int grace_ms)
{
    world.hangs = true;
    assert_false(background_stop(background, grace_ms));
}

static void waits_as_long_as_the_step_says(void)
{
    static const int times[] = {1, 1234, 5678, 0};

    start(step, NULL, times);
    await_waits(4);
    for (int i = 0; i < 3; i++)
        assert_int_equal(world.waits[i], times[i]);
    end("ssss");
}

static void is_woken(void)
{
    static const int times[] = {NEVER_MS, 1, 0};

    start(step, NULL, times);
    await_waits(1);
    background_wake(background);
    await_waits(3);
    end("sws");
}

/* Two wake-ups during a step cause one more step. */
static void is_woken_during_a_step(void)
{
    start(step, NULL, no_times);
    await_waits(1);
    hold(true);
    background_wake(background);
    await_steps(2);
    background_wake(background);
    background_wake(background);
    hold(false);
    await_waits(3);
    end("sww");
}

static int64_t pause_ms;

static int wake_and_pause(struct background *self, void *context)
{
    int64_t begun = clock_monotonic_ms();

    if (background_was_woken(self))
        return step(self, context);
    background_wake(self);
    assert_true(background_pause(self, PAUSED_MS));
    pause_ms = clock_monotonic_ms() - begun;
    return step(self, context);
}

static void pauses_despite_a_wake_up(void)
{
    start(wake_and_pause, NULL, no_times);
    await_waits(3);
    assert_int_equal(world.waits[0], PAUSED_MS);
    assert_true(pause_ms >= PAUSED_MS);
    end("sw");
}

static int pause_for_ever(struct background *self, void *context)
{
    if (background_pause(self, NEVER_MS))
        finish(self, context);
    return 1;
}

/* The wait or pause would last for ever. */
static const struct stop_case {
    const char *label;
    int (*step)(struct background *background, void *context);
    void (*finish)(struct background *background, void *context);
    const char *trace;
} stop_cases[] = {
    {"a thread that waits", step, NULL, "s"},
    {"a thread that waits, with a finish", step, finish, "sf"},
    {"a thread that pauses", pause_for_ever, finish, "f"},
};

static void stops(const void *row)
{
    const struct stop_case *c = row;

    start(c->step, c->finish, no_times);
    await_waits(1);
    assert_false(background_is_stopping(background));
    end(c->trace);
    assert_true(world.stop_wait > GRACE_MS);
}

static void stops_before_its_first_step(void)
{
    hold(true);
    start(step, finish, no_times);
    stop_in_vain(0);
    hold(false);
    end("f");
}

/* A wake-up does not cause a step after the stop. */
static void hangs_in_a_step(void)
{
    struct error err;

    start(step, finish, no_times);
    await_waits(1);
    hold(true);
    background_wake(background);
    await_steps(2);
    leap_ahead(1000000);
    assert_true(background_has_time(background));
    assert_true(background_check_time(background, &err));
    assert_false(background_is_stopping(background));
    stop_in_vain(GRACE_MS);
    assert_true(background_is_stopping(background));
    assert_true(background_has_time(background));
    assert_true(background_check_time(background, &err));
    leap_ahead(GRACE_MS);
    assert_false(background_has_time(background));
    assert_false(background_check_time(background, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "the process is stopping");
    background_wake(background);
    hold(false);
    end("swf");
}

static bool had_time[2];

static void finish_late(struct background *self, void *context)
{
    leap_ahead(FINISH_MS / 2);
    had_time[0] = background_has_time(self);
    leap_ahead(FINISH_MS / 2);
    had_time[1] = background_has_time(self);
    finish(self, context);
}

static const struct finish_case {
    const char *label;
    int grace_ms;
    bool has_time_later; /* FINISH_MS after the begin of the finish */
} finish_cases[] = {
    {"no time is left", 0, false},
    {"less time is left", FINISH_MS / 4, false},
    {"more time is left", GRACE_MS, true},
};

static void has_time_to_finish(const void *row)
{
    const struct finish_case *c = row;

    start(step, finish_late, no_times);
    await_waits(1);
    assert_true(background_stop(background, c->grace_ms));
    assert_true(had_time[0]);
    assert_int_equal(had_time[1], c->has_time_later);
    background_free(background);
    assert_string_equal(world.trace, "sf");
}

static void cannot_start(void)
{
    world.no_threads = true;
    start(step, finish, no_times);
    world.no_threads = false;
    assert_null(background);
    assert_string_equal(world.trace, "");
}

static void nothing_is_fine(void)
{
    background_wake(NULL);
    assert_false(background_is_stopping(NULL));
    assert_true(background_stop(NULL, GRACE_MS));
    background_free(NULL);
}

int main(void)
{
    CHECK(waits_as_long_as_the_step_says);
    CHECK(is_woken);
    CHECK(is_woken_during_a_step);
    CHECK(pauses_despite_a_wake_up);
    CHECK_EACH(stops, stop_cases, label);
    CHECK(stops_before_its_first_step);
    CHECK(hangs_in_a_step);
    CHECK_EACH(has_time_to_finish, finish_cases, label);
    CHECK(cannot_start);
    CHECK(nothing_is_fine);
    return check_run("base/background");
}
