/*
 * The watches of a process: each belongs to a thread that wants to know what happens to one task, be it a request that
 * waits for the end of the task or the export thread that runs it. A change wakes the watches of its task alone.
 */
#ifndef WAYBILL_EXPORT_WATCHES_H
#define WAYBILL_EXPORT_WATCHES_H

#include <pthread.h>
#include <stdbool.h>

#include "base/text.h"

struct watches;

struct watches *watches_new(void);

/* No watch may be left. NULL is fine. */
void watches_free(struct watches *watches);

/* A task ended, was cancelled or was removed, by this process or another. */
void watches_notify(struct watches *watches, const char *task_id);

/*
 * Whether the process receives the notifications of other processes from now on; at first it does not. As soon as it
 * does, every watch has a change, because notifications may have been missed before.
 */
void watches_set_hearing(struct watches *watches, bool hearing);
bool watches_is_hearing(struct watches *watches);

/* The process stops. */
void watches_stop(struct watches *watches);

/* The export threads of the process are busy from now on. */
void watches_notify_busy(struct watches *watches);

struct watch {
    struct watches *watches;
    struct watch *next;
    pthread_cond_t woken;
    char task_id[TEXT_UUID_LENGTH + 1];
    bool until_busy;
    bool changed;
    bool busy;
};

enum watch_news {
    WATCH_CHANGED,  /* something happened to the task since watch_begin or the last WATCH_CHANGED */
    WATCH_BUSY,     /* nothing, but the export threads became busy since watch_begin or the last WATCH_BUSY */
    WATCH_QUIET,    /* nothing for the time given, as far as this process knows */
    WATCH_STOPPING, /* nothing, and the process stops: to wait longer is useless */
};

/* `watches` and `watch` must stay until watch_end. WATCH_BUSY is only for a watch that is begun with `until_busy`. */
void watch_begin(struct watches *watches, struct watch *watch, const char *task_id, bool until_busy);
enum watch_news watch_wait(struct watch *watch, int timeout_ms);
void watch_end(struct watch *watch);

#endif
