#include "export/watches.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

struct watches {
    pthread_mutex_t lock; /* for all below, and for the members of each watch */
    struct watch *first;
    uint64_t revocations; /* counts those that were notified, and the times when some may have been missed */
    bool receiving; /* the process receives the notifications of other processes */
    bool stopping;
};

struct watches *watches_new(void)
{
    struct watches *watches = memory_zeroed(1, sizeof(*watches));

    pthread_mutex_init(&watches->lock, NULL);
    return watches;
}

void watches_free(struct watches *watches)
{
    if (watches == NULL)
        return;
    pthread_mutex_destroy(&watches->lock);
    free(watches);
}

/* Called with the lock held. */
static void notify_watch(struct watch *watch)
{
    watch->changed = true;
    pthread_cond_signal(&watch->woken);
}

static void notify_of_task(struct watches *watches, const char *task_id, bool ended)
{
    pthread_mutex_lock(&watches->lock);
    for (struct watch *watch = watches->first; watch != NULL; watch = watch->next) {
        if (strcmp(watch->task_id, task_id) == 0) {
            watch->ended |= ended;
            notify_watch(watch);
        }
    }
    pthread_mutex_unlock(&watches->lock);
}

void watches_notify(struct watches *watches, const char *task_id)
{
    notify_of_task(watches, task_id, false);
}

void watches_notify_ended(struct watches *watches, const char *task_id)
{
    notify_of_task(watches, task_id, true);
}

void watches_notify_caller(struct watches *watches, int64_t caller_id)
{
    pthread_mutex_lock(&watches->lock);
    watches->revocations++;
    for (struct watch *watch = watches->first; watch != NULL; watch = watch->next) {
        if (watch->caller_id == caller_id && caller_id != 0)
            notify_watch(watch);
    }
    pthread_mutex_unlock(&watches->lock);
}

uint64_t watches_revocations(struct watches *watches)
{
    uint64_t revocations;

    pthread_mutex_lock(&watches->lock);
    revocations = watches->revocations;
    pthread_mutex_unlock(&watches->lock);
    return revocations;
}

void watches_notify_busy(struct watches *watches)
{
    pthread_mutex_lock(&watches->lock);
    for (struct watch *watch = watches->first; watch != NULL; watch = watch->next) {
        if (watch->until_busy) {
            watch->busy = true;
            pthread_cond_signal(&watch->woken);
        }
    }
    pthread_mutex_unlock(&watches->lock);
}

void watches_set_receiving(struct watches *watches, bool receiving)
{
    pthread_mutex_lock(&watches->lock);
    watches->receiving = receiving;
    watches->revocations++;
    for (struct watch *watch = receiving ? watches->first : NULL; watch != NULL; watch = watch->next)
        notify_watch(watch);
    pthread_mutex_unlock(&watches->lock);
}

bool watches_is_receiving(struct watches *watches)
{
    bool receiving;

    pthread_mutex_lock(&watches->lock);
    receiving = watches->receiving;
    pthread_mutex_unlock(&watches->lock);
    return receiving;
}

void watches_stop(struct watches *watches)
{
    pthread_mutex_lock(&watches->lock);
    watches->stopping = true;
    for (struct watch *watch = watches->first; watch != NULL; watch = watch->next)
        pthread_cond_signal(&watch->woken);
    pthread_mutex_unlock(&watches->lock);
}

void watch_begin(struct watches *watches, struct watch *watch, const char *task_id, bool until_busy)
{
    *watch = (struct watch) {.watches = watches, .until_busy = until_busy};
    snprintf(watch->task_id, sizeof(watch->task_id), "%s", task_id);
    clock_init_condition(&watch->woken);
    pthread_mutex_lock(&watches->lock);
    watch->next = watches->first;
    watches->first = watch;
    pthread_mutex_unlock(&watches->lock);
}

void watch_caller(struct watch *watch, int64_t caller_id, uint64_t revocations)
{
    pthread_mutex_lock(&watch->watches->lock);
    watch->caller_id = caller_id;
    if (caller_id != 0 && watch->watches->revocations != revocations)
        watch->changed = true;
    pthread_mutex_unlock(&watch->watches->lock);
}

/* Returns and clears the event of the watch. Called with the lock held. */
static enum watch_event take_event(struct watch *watch)
{
    bool *reported = watch->changed ? &watch->changed : &watch->busy;

    if (watch->ended) {
        watch->ended = watch->changed = false;
        return WATCH_ENDED;
    }
    if (!*reported)
        return watch->watches->stopping ? WATCH_STOPPING : WATCH_TIMEOUT;
    *reported = false;
    return reported == &watch->changed ? WATCH_CHANGED : WATCH_BUSY;
}

enum watch_event watch_wait(struct watch *watch, int timeout_ms)
{
    struct watches *watches = watch->watches;
    struct timespec until = clock_timespec_after(timeout_ms);
    enum watch_event event;

    pthread_mutex_lock(&watches->lock);
    while ((event = take_event(watch)) == WATCH_TIMEOUT) {
        if (pthread_cond_timedwait(&watch->woken, &watches->lock, &until) != 0)
            break;
    }
    pthread_mutex_unlock(&watches->lock);
    return event;
}

void watch_end(struct watch *watch)
{
    struct watches *watches = watch->watches;
    struct watch **link = &watches->first;

    pthread_mutex_lock(&watches->lock);
    while (*link != watch)
        link = &(*link)->next;
    *link = watch->next;
    pthread_mutex_unlock(&watches->lock);
    pthread_cond_destroy(&watch->woken);
}
