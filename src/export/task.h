/*
 * A task, and what its callers do with it: make one, look at it, remove it. The life of a task:
 *
 *     queued --claim--> running --succeed--> success
 *       ^                  |-----fail------> failure
 *       `----hand back-----'
 *
 * The SQL of waybill.export_task stands in four files, by who acts: callers here, exporters in claim.c, operators in
 * task_admin.c, time in retention.c. A change that others wait for is announced on TASK_CHANNEL.
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

#define TASK_MAX_EXPORT_SIZE 100000 /* rows of a file */

/* NOTIFY: a payload of a task's id says that it ended, was cancelled or removed; an empty one that one was queued. */
#define TASK_CHANNEL "waybill_task"
#define TASK_ANNOUNCE_CHANGE "pg_catalog.pg_notify('" TASK_CHANNEL "', task_id::text)"
#define TASK_ANNOUNCE_WORK "pg_catalog.pg_notify('" TASK_CHANNEL "', '')"

enum task_state {
    TASK_QUEUED,
    TASK_RUNNING,
    TASK_SUCCESS,
    TASK_FAILURE,
};

/* Reads a state by its name, as the database and the operator write it: queued, running, success or failure. */
bool task_parse_state(const char *name, enum task_state *ret_state);

/* The name of a state. */
const char *task_state_name(enum task_state state);

/* What a new task is made of. */
struct task_order {
    const char *project_id;
    const char *enterprise_project_id; /* as the request gave it */
    const char *enterprise_projects;   /* what it came to: text[] in its input form; NULL is all */
    int export_size;
    const char *request;               /* JSON, as accepted */
    const char *request_id;
};

/* Who asks for a task: it is found only if it is in the project and all it exports is granted to the caller. */
struct task_viewer {
    const char *project_id;
    const char *enterprise_projects;   /* granted: text[] in its input form; NULL is all */
    const char *enterprise_project_id; /* the one that the task was made for; NULL: any */
};

struct task {
    char task_id[TEXT_UUID_LENGTH + 1];
    enum task_state state;
    int progress; /* 0 to 100 */
    int64_t exported_rows;
    bool truncated;
    int64_t create_time; /* milliseconds since 1970, like all times here */
    int64_t finish_time; /* 0: not yet */
    /* success */
    char file_id[TEXT_UUID_LENGTH + 1]; /* "" unless the state is TASK_SUCCESS */
    int64_t file_size;
    int64_t gzip_size; /* of its compressed twin; 0: there is none */
    char sha256[2 * SHA256_SIZE + 1];
    int64_t expire_time;
    bool expired;
    /* failure */
    char error_code[16];
    char error_msg[512];
};

/* Whether it is a success or a failure. */
bool task_has_ended(const struct task *task);

/* Room for the names below. */
#define TASK_NAME_SIZE 64

/* container_<create time>_export_task */
void task_name(const struct task *task, char out[TASK_NAME_SIZE]);

/* container_<create time>_export.csv */
void task_file_name(const struct task *task, char out[TASK_NAME_SIZE]);

/* Commits a queued task, announces it and gives its id. ERROR_TOO_MANY if the project has `limit` unfinished tasks. */
MUST_CHECK bool task_create(struct db *db, const struct task_order *order, int limit,
                            char ret_task_id[TEXT_UUID_LENGTH + 1], struct error *err);

/* Finds a task by its id, or by its file's. ERROR_NOT_FOUND if there is none that the viewer may see. */
MUST_CHECK bool task_find(struct db *db, const struct task_viewer *viewer, const char *task_id, struct task *ret_task,
                          struct error *err);
MUST_CHECK bool task_find_by_file(struct db *db, const struct task_viewer *viewer, const char *file_id,
                                  struct task *ret_task, struct error *err);

/* Some of the viewer's tasks, newest first. */
struct task_page {
    int64_t total; /* how many the viewer has in all */
    size_t count;
    struct task *tasks;
};

/* Skips `offset` of them and takes at most `limit`. Free the page's tasks with free(). */
MUST_CHECK bool task_list(struct db *db, const struct task_viewer *viewer, int limit, int offset,
                          struct task_page *ret_page, struct error *err);

/*
 * Deletes a task, whatever its state: one that runs loses its lease with it. ERROR_NOT_FOUND as for task_find.
 * ret_file_id is the file that it had, or "". That file is discarded: housekeeping removes it if nobody does so before.
 */
MUST_CHECK bool task_remove(struct db *db, const struct task_viewer *viewer, const char *task_id,
                            char ret_file_id[TEXT_UUID_LENGTH + 1], struct error *err);

#endif
