/*
 * Hears what other processes do to tasks: a thread with a connection of its own that listens on TASK_CHANNEL and passes
 * on to the workers that there is work, or which task has changed. While the connection is lost nothing is heard. The
 * workers know that, and find out by themselves, a little later.
 */
#ifndef WAYBILL_EXPORT_LISTENER_H
#define WAYBILL_EXPORT_LISTENER_H

#include "base/compiler.h"
#include "db/db.h"
#include "export/workers.h"

struct listener;

/* Both must outlive it. NULL if there is no thread for it. */
MUST_CHECK struct listener *listener_start(const struct db_settings *settings, struct workers *workers);

/* Ends the thread, and frees it. NULL is fine. */
void listener_stop(struct listener *listener);

#endif
