/*
 * Tasks, for callers: create, find, list and remove them. The life of a task:
 *
 *     queued --claim--> running --succeed--> success
 *       ^                  |-----fail------> failure
 *       `-----requeue------'
 *
 * The SQL of waybill.export_task is in five files: for callers here, for exporters in claim.c, for operators in
 * task_admin.c, for schedules in kept_task.c, for housekeeping in retention.c. metrics/totals.c only counts its rows.
 * TASK_CHANNEL announces tasks that were queued, and tasks that ended or were removed.
 */
#ifndef WAYBILL_EXPORT_TASK_H
#define WAYBILL_EXPORT_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "db/connection.h"

#define TASK_MAX_EXPORT_SIZE 100000 /* rows in a file */

/* The payload of NOTIFY is the id of a task that ended, was cancelled or removed; "" when a task was queued. */
#define TASK_CHANNEL "waybill_task"
#define TASK_ANNOUNCE_CHANGE "pg_catalog.pg_notify('" TASK_CHANNEL "', task_id::text)"
#define TASK_ANNOUNCE_WORK "pg_catalog.pg_notify('" TASK_CHANNEL "', '')"

/* The assignments of an UPDATE that queues a failed task again. */
#define TASK_QUEUED_AGAIN                                                                                  \
    "state = 'queued', attempts = 0, progress = 0, exported_rows = 0, truncated = false, error_code = NULL," \
    " error_msg = NULL, finish_time = NULL"

enum task_state {
    TASK_QUEUED,
    TASK_RUNNING,
    TASK_SUCCESS,
    TASK_FAILURE,
};

/* Parses the name of a state in the database: queued, running, success or failure. */
bool task_parse_state(const char *name, enum task_state *ret_state);

/* Returns the name of a state. */
const char *task_state_name(enum task_state state);

struct claim;

/* The values of a new task. */
struct task_spec {
    const char *project_id;
    const char *enterprise_project_id; /* as in the request */
    const char *enterprise_projects;   /* to export: text[] in its input format; NULL: all */
    int export_size;
    const char *request;               /* the accepted JSON */
    const char *request_id;
    const char *task_id;               /* a new UUID */
    const struct claim *claim;         /* the task is created as claimed, if possible; NULL: not */
    /* The following are 0 or NULL for a task that a caller creates. */
    bool kept;                         /* the file does not expire by age (kept_task.h) */
    const struct error *failure;       /* the task has failed already, for this reason; NULL: it has not */
};

/* What was created. */
struct new_task {
    char task_id[TEXT_UUID_LENGTH + 1];
    bool is_new;     /* false: the task had been created before (idempotency.h) */
    bool is_claimed; /* with the claim of the specification; otherwise it is queued or has failed */
};

/* The caller of a query. It may see a task of its project if it has grants for everything that the task exports. */
struct task_viewer {
    const char *project_id;
    const char *enterprise_projects;   /* granted: text[] in its input format; NULL: all */
    const char *enterprise_project_id; /* only tasks that were created with this value; NULL: any */
};

struct task {
    char task_id[TEXT_UUID_LENGTH + 1];
    enum task_state state;
    int progress; /* 0 to 100 */
    int64_t exported_rows;
    bool truncated;
    int64_t create_time; /* milliseconds since 1970, like all times here */
    int64_t finish_time; /* 0: unfinished */
    /* success */
    char file_id[TEXT_UUID_LENGTH + 1]; /* "" unless the state is TASK_SUCCESS */
    int64_t file_size;
    int64_t gzip_size; /* of the gzip variant; 0 without one */
    char sha256[2 * SHA256_SIZE + 1];
    int64_t expire_time; /* 0: the file does not expire by age */
    bool expired;
    /* failure */
    char error_code[16];
    char error_msg[512];
};

/* Whether the task has ended, as a success or a failure. */
bool task_has_ended(const struct task *task);

/* Size of the names below. */
#define TASK_NAME_SIZE 64

/* container_<create time>_export_task */
void task_name(const struct task *task, char out[TASK_NAME_SIZE]);

/* container_<create time>_export.csv */
void task_file_name(const struct task *task, char out[TASK_NAME_SIZE]);

/*
 * Creates a task: in the transaction of the caller, or else in one of its own. ERROR_TOO_MANY if the project has
 * `limit` or more unfinished tasks; 0 means no limit. Transactions do not wait for each other, so those that run at the
 * same time can exceed the limit, by one task each. A kept task that is queued is announced in the transaction. For
 * others, see workers_task_queued.
 */
MUST_CHECK bool task_create(struct db *db, const struct task_spec *spec, int limit, struct new_task *ret_task,
                            struct error *err);

/* Finds a task by its id or the id of its file. ERROR_NOT_FOUND if it does not exist or the viewer may not see it. */
MUST_CHECK bool task_find(struct db *db, const struct task_viewer *viewer, const char *task_id, struct task *ret_task,
                          struct error *err);
MUST_CHECK bool task_find_by_file(struct db *db, const struct task_viewer *viewer, const char *file_id,
                                  struct task *ret_task, struct error *err);

/* Finds a task whoever may see it. ERROR_NOT_FOUND if it does not exist. */
MUST_CHECK bool task_load(struct db *db, const char *task_id, struct task *ret_task, struct error *err);

/* A page of the tasks of the viewer, newest first. */
struct task_page {
    int64_t total; /* number of all tasks of the viewer */
    bool read_much; /* housekeeping should consolidate the tallies, so that the next list need not read as many */
    size_t count;
    struct task *tasks;
};

/* Skips `offset` tasks and returns at most `limit`. Free the tasks of the page with free(). */
MUST_CHECK bool task_list(struct db *db, const struct task_viewer *viewer, int limit, int offset,
                          struct task_page *ret_page, struct error *err);

/*
 * Deletes a task in any state; a running one loses its lease. ERROR_NOT_FOUND as for task_find. ret_file_id is the id
 * of its file, or "". Housekeeping removes the file if the caller does not.
 */
MUST_CHECK bool task_remove(struct db *db, const struct task_viewer *viewer, const char *task_id,
                            char ret_file_id[TEXT_UUID_LENGTH + 1], struct error *err);

#endif
