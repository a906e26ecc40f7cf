/* Kept tasks, which schedules create: their files do not expire by age. `task_ids` is uuid[] in its input format. */
#ifndef WAYBILL_EXPORT_KEPT_TASK_H
#define WAYBILL_EXPORT_KEPT_TASK_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

/* Lets the files of these tasks expire now. */
MUST_CHECK bool kept_task_expire(struct db *db, const char *task_ids, struct error *err);

/* Makes these tasks ordinary ones. The existing files expire retention_hours from now. */
MUST_CHECK bool kept_task_release(struct db *db, const char *task_ids, int retention_hours, struct error *err);

/* Locks a task, if it exists, until the end of the transaction. */
MUST_CHECK bool kept_task_lock(struct db *db, const char *task_id, struct error *err);

/* Gives a failed task another reason: it has failed again, now. Has no effect on other tasks. */
MUST_CHECK bool kept_task_fail(struct db *db, const char *task_id, const struct error *reason, struct error *err);

/*
 * Queues a failed task again, to export these enterprise projects (text[] in its input format; NULL: all). *ret_queued
 * is false if there is no such task.
 */
MUST_CHECK bool kept_task_restart(struct db *db, const char *task_id, const char *enterprise_projects, bool *ret_queued,
                                  struct error *err);

#endif
