/*
 * Receives the notifications of other processes. A thread with its own connection listens on TASK_CHANNEL. It wakes an
 * export thread when a task was queued, and notifies the watches of a task that has changed. While there is no
 * connection, waiting requests read their tasks more often, and export threads find the tasks of other processes only
 * by polling the queue. A hook adds another channel.
 */
#ifndef WAYBILL_EXPORT_LISTENER_H
#define WAYBILL_EXPORT_LISTENER_H

#include "base/compiler.h"
#include "db/connection.h"
#include "export/watches.h"
#include "export/workers.h"

struct listener;

/* Another part of the process that is woken by notifications. */
struct listener_hook {
    const char *channel; /* an SQL identifier in lower case, other than TASK_CHANNEL */
    /*
     * Called in the listener's thread for each notification on the channel, whatever its payload, and whenever
     * notifications are received (again), because earlier ones may have been missed. It must not block.
     */
    void (*wake)(void *context);
    void *context;
};

/*
 * All arguments must outlive the listener, except `hook`, which is copied. `hook` may be NULL. Returns NULL if the
 * thread cannot start.
 */
MUST_CHECK struct listener *listener_start(const struct db_settings *settings, struct workers *workers,
                                           struct watches *watches, const struct listener_hook *hook);

/* Ends the thread and frees the listener. NULL is allowed. */
void listener_stop(struct listener *listener);

#endif
