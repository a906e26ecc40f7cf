/* What a schedule needs to run: its request, and the grants of who made or last changed it. */
#ifndef WAYBILL_SCHEDULE_JOB_H
#define WAYBILL_SCHEDULE_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/text.h"
#include "db/connection.h"
#include "db/result.h"

/* A row of waybill.export_schedule. The texts belong to the result of the query. */
struct job {
    const char *schedule_id;
    const char *project_id;
    const char *enterprise_project_id;
    const char *enterprise_projects; /* when the schedule was last changed: text[] in its input format; NULL: all */
    int export_size;
    const char *request;
    const char *time_zone;
    int64_t credential_id; /* 0: not stored: the operator, or a caller that an identity service has identified */
};

/* The columns of waybill.export_schedule, under the alias `schedule`, that job_read reads. */
#define JOB_COLUMNS                                                                                           \
    " schedule.schedule_id, schedule.project_id, schedule.enterprise_project_id, schedule.enterprise_projects," \
    " schedule.export_size, schedule.request, schedule.time_zone, schedule.credential_id"

struct job job_read(const struct db_result *rows, size_t row);

/*
 * Begins a transaction of the scheduler. A statement that waits longer than a moment for a lock fails with
 * ERROR_TIMEOUT, so that rows which someone else has locked do not delay the other schedules.
 */
MUST_CHECK bool job_begin(struct db *db, struct error *err);

/*
 * Finds the enterprise projects that a run may export now: text[] in its input format, NULL for all; free it with
 * free(). ERROR_PERMISSION if the grants are revoked.
 */
MUST_CHECK bool job_find_scope(struct db *db, const struct job *job, char **ret_scope, struct error *err);

/* Why and how a run starts. */
struct job_start {
    int64_t occurrence; /* milliseconds since 1970 */
    bool requested;     /* not an occurrence of the rule */
    const char *request_id;
    int limit;          /* of unfinished tasks in the project; 0: none */
};

/*
 * Inserts a run and its task, in the transaction of the caller, which holds a lock on the schedule. If the grants are
 * revoked, the task is already a failure. A new run ends the wait for the retry of an older one. ret_task_id is "", and
 * nothing is inserted, if the occurrence has a run already. ERROR_PARAMETER if the request or the time zone is no
 * longer valid, ERROR_TOO_MANY as for task_create.
 */
MUST_CHECK bool job_run(struct db *db, const struct job *job, const struct job_start *start,
                        char ret_task_id[TEXT_UUID_LENGTH + 1], struct error *err);

#endif
