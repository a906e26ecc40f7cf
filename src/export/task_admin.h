/* Tasks, for operators: the tasks of all projects, with details that callers cannot see. */
#ifndef WAYBILL_EXPORT_TASK_ADMIN_H
#define WAYBILL_EXPORT_TASK_ADMIN_H

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "export/task.h"

/* Calls `each` with the name and value ("" for NULL) of every column. ERROR_NOT_FOUND if there is no such task. */
MUST_CHECK bool task_admin_show(struct db *db, const char *task_id,
                                void (*each)(const char *name, const char *value), struct error *err);

/* A row of a list of tasks. Texts are valid until the callback returns. Times are ISO 8601, or "". */
struct task_admin_entry {
    const char *task_id;
    const char *state;
    const char *project_id;
    const char *attempts;
    const char *exported_rows;
    const char *create_time;
    const char *finish_time;
    const char *error_msg;
};

/* Calls `each` for at most `limit` tasks of a project in a state, newest first. NULL means any project or state. */
MUST_CHECK bool task_admin_list(struct db *db, const char *project_id, const enum task_state *state, int limit,
                                void (*each)(const struct task_admin_entry *entry), struct error *err);

/*
 * Cancels an unfinished task: sets its state to failure, and stops its export. ERROR_NOT_FOUND if there is no such
 * unfinished task.
 */
MUST_CHECK bool task_admin_cancel(struct db *db, const char *task_id, struct error *err);

/* Queues a failed task again, with all attempts left. ERROR_NOT_FOUND if there is no such failed task. */
MUST_CHECK bool task_admin_retry(struct db *db, const char *task_id, struct error *err);

#endif
