/* Tasks as an operator sees and steers them: of all projects, with what callers are not shown. */
#ifndef WAYBILL_EXPORT_TASK_ADMIN_H
#define WAYBILL_EXPORT_TASK_ADMIN_H

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "export/task.h"

/* Calls `each` for every column, by name and value: "" for NULL. ERROR_NOT_FOUND if there is no such task. */
MUST_CHECK bool task_admin_show(struct db *db, const char *task_id,
                                void (*each)(const char *name, const char *value), struct error *err);

/* A task as a list shows it. Texts live until the callback returns; times are ISO 8601, "" for none. */
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

/* Calls `each` for the newest `limit` tasks, newest first; of this project and in this state, where NULL is any. */
MUST_CHECK bool task_admin_list(struct db *db, const char *project_id, const enum task_state *state, int limit,
                                void (*each)(const struct task_admin_entry *entry), struct error *err);

/* Ends an unfinished task as a failure; one that runs stops. ERROR_NOT_FOUND if there is none that is unfinished. */
MUST_CHECK bool task_admin_cancel(struct db *db, const char *task_id, struct error *err);

/* Queues a failed task again, with all its attempts before it. ERROR_NOT_FOUND if there is none that failed. */
MUST_CHECK bool task_admin_retry(struct db *db, const char *task_id, struct error *err);

#endif
