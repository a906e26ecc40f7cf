/*
 * Exchanges notifications with other processes. A thread with its own connection sends the announcements of this
 * process, and listens on TASK_CHANNEL. It wakes export threads when tasks were queued, and notifies the watches of a
 * task that has changed. While there is no connection, waiting requests read their tasks more often, and export threads
 * find the tasks of other processes only by polling the queue. Hooks add other channels.
 */
#ifndef WAYBILL_EXPORT_LISTENER_H
#define WAYBILL_EXPORT_LISTENER_H

#include <stddef.h>

#include "base/compiler.h"
#include "db/connection.h"
#include "export/announcements.h"
#include "export/watches.h"
#include "export/workers.h"

struct listener;

/* Another part of the process that is woken by notifications. */
struct listener_hook {
    const char *channel; /* an SQL identifier in lower case, other than TASK_CHANNEL and those of other hooks */
    /*
     * Called in the listener's thread with the payload of each notification on the channel, and with NULL whenever
     * notifications are received (again), because earlier ones may have been missed. It must not block.
     */
    void (*wake)(void *context, const char *payload);
    void *context;
    void (*lose)(void *context); /* called in the same thread when notifications are no longer received; may be NULL */
};

#define LISTENER_MAX_HOOKS 4

/*
 * All arguments must outlive the listener, except `hooks`, at most LISTENER_MAX_HOOKS, which are copied. Returns NULL
 * if the thread cannot start.
 */
MUST_CHECK struct listener *listener_start(const struct db_settings *settings, struct announcements *announcements,
                                           struct workers *workers, struct watches *watches,
                                           const struct listener_hook *hooks, size_t count);

/* Sends the last announcements if there is a connection, ends the thread and frees the listener. NULL is allowed. */
void listener_stop(struct listener *listener);

#endif
