/*
 * The life of a task, and the only place with the SQL of waybill.export_task:
 *
 *     queued --claim--> running --succeed--> success
 *       ^                  |-----fail------> failure
 *       `----hand back-----'
 *
 * A claim carries a lease. It is renewed while the export makes progress; a lease that ran out lets another
 * exporter take the task, TASK_MAX_ATTEMPTS times in all. Only the holder of the lease can end the task.
 */
#ifndef WAYBILL_EXPORT_TASK_H
#define WAYBILL_EXPORT_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "db/db.h"

#define TASK_MAX_ATTEMPTS 3
#define TASK_ALL_GRANTED "all_granted_eps"

enum task_state {
    TASK_QUEUED,
    TASK_RUNNING,
    TASK_SUCCESS,
    TASK_FAILURE,
};

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
    const char *enterprise_project_id; /* the task's own must be this one; NULL or all_granted_eps is any */
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
    char sha256[2 * SHA256_SIZE + 1];
    int64_t expire_time;
    bool expired;
    /* failure */
    char error_code[16];
    char error_msg[512];
};

/* Room for the names below. */
#define TASK_NAME_SIZE 64

/* container_<create time>_export_task */
void task_name(const struct task *task, char out[TASK_NAME_SIZE]);

/* container_<create time>_export.csv */
void task_file_name(const struct task *task, char out[TASK_NAME_SIZE]);

/*
 * Commits a queued task and gives its id. ERROR_TOO_MANY if the project has `limit` unfinished tasks; requests
 * that arrive together can each find the last place free, so the limit may be passed by as many.
 */
MUST_CHECK bool task_create(struct db *db, const struct task_order *order, int limit,
                            char ret_task_id[TEXT_UUID_LENGTH + 1], struct error *err);

/* Finds a task by its id, or by its file's. ERROR_NOT_FOUND if there is none that the viewer may see. */
MUST_CHECK bool task_find(struct db *db, const struct task_viewer *viewer, const char *task_id, struct task *ret_task,
                          struct error *err);
MUST_CHECK bool task_find_by_file(struct db *db, const struct task_viewer *viewer, const char *file_id,
                                  struct task *ret_task, struct error *err);

/* A task that this process runs. Its texts are freed by task_claim_free. */
struct task_claim {
    char task_id[TEXT_UUID_LENGTH + 1];
    char lease[TEXT_UUID_LENGTH + 1];
    int attempt; /* from 1 */
    int export_size;
    char *project_id;
    char *enterprise_projects; /* NULL is all */
    char *request;
    char *request_id;
};

/*
 * Takes the oldest task that is queued or whose lease ran out; `task_id` confines it to that one unless it is NULL.
 * *ret_claim is NULL if there is none. Tasks that have used up their attempts are ended as failures then.
 */
MUST_CHECK bool task_claim_next(struct db *db, const char *task_id, int lease_seconds, struct task_claim **ret_claim,
                                struct error *err);

/* NULL is fine. */
void task_claim_free(struct task_claim *claim);

/*
 * The holder's calls. Each is true only if the lease was still held; when it was not, err is ERROR_CANCELLED
 * and nothing has changed.
 */
MUST_CHECK bool task_renew(struct db *db, const struct task_claim *claim, int lease_seconds, int progress,
                           int64_t exported_rows, struct error *err);

struct task_outcome {
    int64_t exported_rows;
    bool truncated;
    const char *file_id;
    int64_t file_size;
    unsigned char sha256[SHA256_SIZE];
    int retention_hours;
};

MUST_CHECK bool task_succeed(struct db *db, const struct task_claim *claim, const struct task_outcome *outcome,
                             struct error *err);

/* Ends it with the reason's error_code and message. */
MUST_CHECK bool task_fail(struct db *db, const struct task_claim *claim, const struct error *reason, struct error *err);

/* Puts it back into the queue; `attempted` says whether this attempt counts. */
MUST_CHECK bool task_hand_back(struct db *db, const struct task_claim *claim, bool attempted, struct error *err);

#endif
