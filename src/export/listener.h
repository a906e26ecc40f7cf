/*
 * Receives the notifications of other processes. A thread with its own connection listens on TASK_CHANNEL. It wakes an
 * export thread when a task was queued, and notifies the watches of a task that has changed. While there is no
 * connection, waiting requests read their tasks more often, and export threads find the tasks of other processes only
 * by polling the queue.
 */
#ifndef WAYBILL_EXPORT_LISTENER_H
#define WAYBILL_EXPORT_LISTENER_H

#include "base/compiler.h"
#include "db/connection.h"
#include "export/watches.h"
#include "export/workers.h"

struct listener;

/* All arguments must outlive the listener. Returns NULL if its thread cannot start. */
MUST_CHECK struct listener *listener_start(const struct db_settings *settings, struct workers *workers,
                                           struct watches *watches);

/* Ends the thread and frees the listener. NULL is allowed. */
void listener_stop(struct listener *listener);

#endif
