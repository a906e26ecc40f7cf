/*
 * The watches of a process. A thread watches one task for changes: either a request waits until the task has ended, or
 * an export thread runs the task. A change wakes only the watches of its task. A request also watches its caller, whose
 * credentials may be revoked.
 */
#ifndef WAYBILL_EXPORT_WATCHES_H
#define WAYBILL_EXPORT_WATCHES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct watches;

struct watches *watches_new(void);

/* All watches must have ended. NULL is allowed. */
void watches_free(struct watches *watches);

/* Reports that a task ended, was cancelled or was removed, by this process or another. */
void watches_notify(struct watches *watches, const char *task_id);

/* The same, and the task is known to have ended: its end is committed. */
void watches_notify_ended(struct watches *watches, const char *task_id);

/* Reports that the credentials of a caller were revoked. The ID is that of watch_caller. */
void watches_notify_caller(struct watches *watches, int64_t caller_id);

/* Returns a number that grows with each report of a revocation, and whenever one may have been missed. */
uint64_t watches_revocations(struct watches *watches);

/*
 * Sets whether the process receives the notifications of other processes; initially it does not. When it starts to,
 * every watch reports WATCH_CHANGED, because earlier notifications may have been missed.
 */
void watches_set_receiving(struct watches *watches, bool receiving);
bool watches_is_receiving(struct watches *watches);

/* Reports that the process is stopping. */
void watches_stop(struct watches *watches);

/* Reports that all export threads of the process are busy. */
void watches_notify_busy(struct watches *watches);

struct watch {
    struct watches *watches;
    struct watch *next;
    pthread_cond_t woken;
    char task_id[TEXT_UUID_LENGTH + 1];
    int64_t caller_id; /* 0: none */
    bool until_busy;
    bool ended;
    bool changed;
    bool busy;
};

enum watch_event {
    WATCH_ENDED,    /* the task has ended */
    WATCH_CHANGED,  /* the task or the caller changed since watch_begin or the last WATCH_CHANGED */
    WATCH_BUSY,     /* no change, but all export threads have become busy */
    WATCH_TIMEOUT,  /* no known change within the time limit */
    WATCH_STOPPING, /* no change, and the process is stopping */
};

/* `watches` and `watch` must remain valid until watch_end. Only a watch with `until_busy` reports WATCH_BUSY. */
void watch_begin(struct watches *watches, struct watch *watch, const char *task_id, bool until_busy);

/*
 * From now on, the watch also reports that the credentials with this ID were revoked. 0 means none. `revocations` is
 * what watches_revocations returned before the credentials were found to be valid. If the number has changed since, the
 * watch reports WATCH_CHANGED.
 */
void watch_caller(struct watch *watch, int64_t caller_id, uint64_t revocations);

enum watch_event watch_wait(struct watch *watch, int timeout_ms);
void watch_end(struct watch *watch);

#endif
