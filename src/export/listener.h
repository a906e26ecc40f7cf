/*
 * Receives the notifications of other processes: a thread with a connection of its own listens on TASK_CHANNEL. It
 * wakes a worker when a task was queued, and notifies the watches of a task that changed. While the connection is lost
 * the watches know that the process hears nothing: those who wait read their tasks more often, and workers poll.
 */
#ifndef WAYBILL_EXPORT_LISTENER_H
#define WAYBILL_EXPORT_LISTENER_H

#include "base/compiler.h"
#include "db/db.h"
#include "export/watches.h"
#include "export/workers.h"

struct listener;

/* All three must outlive it. NULL if its thread cannot be started. */
MUST_CHECK struct listener *listener_start(const struct db_settings *settings, struct workers *workers,
                                           struct watches *watches);

/* Ends the thread, and frees it. NULL is fine. */
void listener_stop(struct listener *listener);

#endif
