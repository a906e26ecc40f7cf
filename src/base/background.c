#include "base/background.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"

#define HANG_MS 5000 /* wait for a thread that should have ended */
#define NO_DEADLINE INT64_MAX

struct background {
    struct background_job job;
    pthread_t thread;
    _Atomic int64_t deadline; /* NO_DEADLINE until the thread is stopping; set under the lock */
    bool was_woken;           /* for the thread itself */
    pthread_mutex_t lock;     /* for the rest */
    pthread_cond_t changed;
    bool woken;
    bool ended;
};

bool background_is_stopping(const struct background *background)
{
    return background != NULL && atomic_load(&background->deadline) != NO_DEADLINE;
}

bool background_has_time(const struct background *background)
{
    return clock_monotonic_ms() < atomic_load(&background->deadline);
}

bool background_check_time(void *background, struct error *err)
{
    return background_has_time(background) ? true : error_set(err, ERROR_UNAVAILABLE, "the process is stopping");
}

bool background_was_woken(const struct background *background)
{
    return background->was_woken;
}

bool background_pause(struct background *background, int ms)
{
    struct timespec until = clock_timespec_after(ms);

    pthread_mutex_lock(&background->lock);
    while (!background_is_stopping(background)) {
        if (pthread_cond_timedwait(&background->changed, &background->lock, &until) != 0)
            break;
    }
    pthread_mutex_unlock(&background->lock);
    return !background_is_stopping(background);
}

/* Waits for a wake-up, up to timeout_ms or until the thread is stopping. */
static void wait_for_wake_up(struct background *background, int timeout_ms)
{
    struct timespec until = clock_timespec_after(timeout_ms);

    pthread_mutex_lock(&background->lock);
    while (!background->woken && !background_is_stopping(background)) {
        if (pthread_cond_timedwait(&background->changed, &background->lock, &until) != 0)
            break;
    }
    background->was_woken = background->woken;
    background->woken = false;
    pthread_mutex_unlock(&background->lock);
}

static void finish_job(struct background *background)
{
    const struct background_job *job = &background->job;
    int64_t minimum = clock_monotonic_ms() + job->finish_ms;

    if (job->finish == NULL)
        return;
    pthread_mutex_lock(&background->lock);
    if (atomic_load(&background->deadline) < minimum)
        atomic_store(&background->deadline, minimum);
    pthread_mutex_unlock(&background->lock);
    job->finish(background, job->context);
}

static void *background_main(void *argument)
{
    struct background *background = argument;

    while (!background_is_stopping(background))
        wait_for_wake_up(background, background->job.step(background, background->job.context));
    finish_job(background);

    pthread_mutex_lock(&background->lock);
    background->ended = true;
    pthread_cond_broadcast(&background->changed);
    pthread_mutex_unlock(&background->lock);
    return NULL;
}

struct background *background_start(const struct background_job *job)
{
    struct background *background = memory_zeroed(1, sizeof(*background));

    background->job = *job;
    atomic_init(&background->deadline, NO_DEADLINE);
    pthread_mutex_init(&background->lock, NULL);
    clock_init_condition(&background->changed);
    if (pthread_create(&background->thread, NULL, background_main, background) == 0)
        return background;
    background_free(background);
    return NULL;
}

void background_wake(struct background *background)
{
    if (background == NULL)
        return;
    pthread_mutex_lock(&background->lock);
    background->woken = true;
    pthread_cond_broadcast(&background->changed);
    pthread_mutex_unlock(&background->lock);
}

bool background_stop(struct background *background, int grace_ms)
{
    struct timespec until = clock_timespec_after(grace_ms + HANG_MS);
    bool ended;

    if (background == NULL)
        return true;
    pthread_mutex_lock(&background->lock);
    atomic_store(&background->deadline, clock_monotonic_ms() + grace_ms);
    pthread_cond_broadcast(&background->changed);
    while (!background->ended) {
        if (pthread_cond_timedwait(&background->changed, &background->lock, &until) != 0)
            break;
    }
    ended = background->ended;
    pthread_mutex_unlock(&background->lock);
    if (ended)
        pthread_join(background->thread, NULL);
    return ended;
}

void background_free(struct background *background)
{
    if (background == NULL)
        return;
    pthread_cond_destroy(&background->changed);
    pthread_mutex_destroy(&background->lock);
    free(background);
}
