/*
 * What a process tells the others about tasks: that one was queued, or that one has ended. The transaction of a task
 * does not contain the notification, because a transaction that notifies holds a lock of the whole server until its
 * commit is on disk, so that tasks could be committed only one by one. A thread of the process sends the announcements
 * afterwards, all that have accumulated in one transaction. If the process ends before that, other processes find the
 * change when they look for themselves (listener.h).
 */
#ifndef WAYBILL_EXPORT_ANNOUNCEMENTS_H
#define WAYBILL_EXPORT_ANNOUNCEMENTS_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

struct announcements;

/* Returns NULL if the process has no descriptor left. */
MUST_CHECK struct announcements *announcements_new(void);
void announcements_free(struct announcements *announcements); /* NULL is allowed */

/* Announces that a task was queued, or that a task has ended. If too many are waiting to be sent, drops it. */
void announcements_add_queued(struct announcements *announcements);
void announcements_add_ended(struct announcements *announcements, const char *task_id);

/* Returns a descriptor that an announcement or announcements_wake makes readable until announcements_send. */
int announcements_event(const struct announcements *announcements);

/* Makes the descriptor readable. */
void announcements_wake(struct announcements *announcements);

/*
 * Sends all announcements, without waiting for the disk of the server. *ret_sent is false if there were none. After a
 * failure, they are sent with the next call.
 */
MUST_CHECK bool announcements_send(struct announcements *announcements, struct db *db, bool *ret_sent,
                                   struct error *err);

#endif
