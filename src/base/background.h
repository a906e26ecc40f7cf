/*
 * A thread that repeats a step in the background. The step decides when it is called next. Other threads can wake the
 * thread, so that the step is called earlier, and stop it within a time limit.
 */
#ifndef WAYBILL_BASE_BACKGROUND_H
#define WAYBILL_BASE_BACKGROUND_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"

struct background;

/* What the thread does. Its functions are called in the thread, with its handle. */
struct background_job {
    /* Called immediately and then repeatedly. Returns the milliseconds until its next call, at least 0. */
    int (*step)(struct background *background, void *context);
    /* Called once, when the thread is stopping, instead of another step. May be NULL. */
    void (*finish)(struct background *background, void *context);
    int finish_ms; /* minimum time for `finish`: if less is left until the deadline, the deadline is extended */
    void *context; /* must outlive the thread */
};

/*
 * Starts the thread. The first step may begin before this function returns. `job` is copied. Returns NULL if the thread
 * cannot start.
 */
MUST_CHECK struct background *background_start(const struct background_job *job);

/*
 * Causes a step without delay. A wake-up during a step causes another step; several wake-ups may cause only one. NULL
 * is allowed.
 */
void background_wake(struct background *background);

/* For the step: whether a wake-up caused this call, even if its time had come. */
bool background_was_woken(const struct background *background);

/* For the step: waits for `ms` despite wake-ups, which cause a step later. Returns false if the thread is stopping. */
MUST_CHECK bool background_pause(struct background *background, int ms);

/* Whether background_stop was called. It is cheap, so call it often. Returns false for NULL. */
bool background_is_stopping(const struct background *background);

/* Returns false once the thread is stopping and its deadline has passed. */
bool background_has_time(const struct background *background);

/* The same as a db_watcher (db/connection.h), whose context is the background: the error is ERROR_UNAVAILABLE. */
MUST_CHECK bool background_check_time(void *background, struct error *err);

/*
 * Stops the thread. No other step begins, a pause ends, and `grace_ms` is the time until the deadline. Returns true if
 * the thread has ended; later wake-ups have no effect. Returns false if it hangs, which means that it continues for
 * several seconds after the deadline: everything it uses must remain valid, and background_stop may be called again.
 * Returns true for NULL.
 */
MUST_CHECK bool background_stop(struct background *background, int grace_ms);

/* Call it after background_stop has returned true. NULL is allowed. */
void background_free(struct background *background);

#endif
