#include "schedule/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/credential.h"
#include "base/digest.h"
#include "base/time_zone.h"
#include "db/query.h"
#include "export/task.h"
#include "schedule/request.h"
#include "schedule/schedule.h"

bool job_begin(struct db *db, struct error *err)
{
    if (db_run_script(db, "BEGIN; SET LOCAL lock_timeout = '250ms'", err))
        return true;
    db_rollback(db);
    return false;
}

struct job job_read(const struct db_result *rows, size_t row)
{
    return (struct job) {
        .schedule_id = db_text(rows, row, "schedule_id"),
        .project_id = db_text(rows, row, "project_id"),
        .enterprise_project_id = db_text(rows, row, "enterprise_project_id"),
        .enterprise_projects = db_text(rows, row, "enterprise_projects"),
        .export_size = (int) db_integer(rows, row, "export_size"),
        .request = db_text(rows, row, "request"),
        .time_zone = db_text(rows, row, "time_zone"),
        .credential_id = db_integer(rows, row, "credential_id"),
    };
}

/*
 * Finds the identity whose grants the job has. Without stored credentials, it is the operator's, or that of a caller
 * whom an identity service has identified: both have all grants in the project of the job.
 */
static bool find_grants(struct db *db, const struct job *job, struct identity *ret_identity, struct error *err)
{
    struct credential credential = {0};
    bool found = true;

    if (job->credential_id == 0) {
        *ret_identity = (struct identity) {.all = true};
        return true;
    }
    if (!credential_find_by_id(db, job->credential_id, &found, &credential, err))
        return false;
    if (!found)
        return error_set(err, ERROR_PERMISSION, "the token or access key of the schedule must be valid, got one that"
                         " is expired or revoked");
    *ret_identity = credential.identity;
    credential.identity = (struct identity) {0};
    credential_clear(&credential);
    return true;
}

bool job_find_scope(struct db *db, const struct job *job, char **ret_scope, struct error *err)
{
    bool all_granted = strcmp(job->enterprise_project_id, IDENTITY_ALL_GRANTED) == 0;
    const char *enterprise_project = all_granted ? NULL : job->enterprise_project_id;
    struct identity identity = {0};
    bool granted;

    if (!find_grants(db, job, &identity, err))
        return false;
    granted = identity_may_see(&identity, enterprise_project)
              && (job->credential_id == 0 || identity_may_use_project(&identity, job->project_id));
    if (granted)
        *ret_scope = identity_scope(&identity, enterprise_project);
    else
        error_set(err, ERROR_PERMISSION, "the enterprise project of the schedule must be granted to its token or"
                  " access key");
    identity_clear(&identity);
    return granted;
}

static char *make_body(const struct job *job, int64_t occurrence, struct error *err)
{
    struct time_zone *zone = time_zone_open(job->time_zone, err);
    char *body;

    if (zone == NULL)
        return NULL;
    body = schedule_request_body(job->request, zone, occurrence, err);
    time_zone_close(zone);
    return body;
}

/* Inserts the run of a task, which fails at once for `failure`, unless it is NULL. */
static bool insert_run(struct db *db, const struct job *job, const struct job_start *start, const char *task_id,
                       const struct error *failure, bool *ret_inserted, struct error *err)
{
    static const char sql[] =
        "INSERT INTO waybill.schedule_run"
        " (schedule_id, occurrence_time, requested, task_id, state, reason, finish_time, is_settled)"
        " VALUES ($1::uuid, " DB_TIME("$2") ", $3::boolean, $4::uuid,"
        "         CASE WHEN $5::text IS NULL THEN 'running' ELSE 'failure' END, $5,"
        "         CASE WHEN $5::text IS NOT NULL THEN now() END, $5::text IS NULL)"
        " ON CONFLICT (schedule_id, occurrence_time) WHERE NOT requested DO NOTHING"
        " RETURNING CASE WHEN NOT is_settled THEN pg_catalog.pg_notify('" SCHEDULE_CHANNEL "', '') END";
    char occurrence[24];
    const char *const values[] = {job->schedule_id, occurrence, start->requested ? "true" : "false", task_id,
                                  failure == NULL ? NULL : failure->message};
    struct db_result *row;

    snprintf(occurrence, sizeof(occurrence), "%" PRId64, start->occurrence);
    row = db_query_prepared(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);
    if (row == NULL)
        return false;
    *ret_inserted = db_rows(row) == 1;
    db_result_free(row);
    return true;
}

/* A new run supersedes the retry of an older one. */
static bool supersede_retries(struct db *db, const struct job *job, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.schedule_run SET retry_time = NULL WHERE schedule_id = $1::uuid AND retry_time IS NOT NULL";

    return db_execute(db, sql, 1, &job->schedule_id, NULL, err);
}

bool job_run(struct db *db, const struct job *job, const struct job_start *start,
             char ret_task_id[TEXT_UUID_LENGTH + 1], struct error *err)
{
    char *body = make_body(job, start->occurrence, err);
    char *scope = NULL;
    char task_id[TEXT_UUID_LENGTH + 1];
    struct error failure;
    struct task_spec spec = {
        .project_id = job->project_id,
        .enterprise_project_id = job->enterprise_project_id,
        .enterprise_projects = job->enterprise_projects, /* who may see the schedule may see the failure */
        .export_size = job->export_size,
        .request = body,
        .request_id = start->request_id,
        .task_id = task_id,
        .kept = true,
    };
    struct new_task task;
    bool done, inserted = false;

    if (body == NULL)
        return false;
    if (!job_find_scope(db, job, &scope, &failure)) {
        if (failure.code != ERROR_PERMISSION) {
            *err = failure;
            free(body);
            return false;
        }
        spec.failure = &failure;
    } else {
        spec.enterprise_projects = scope;
    }
    random_uuid(task_id);
    done = insert_run(db, job, start, task_id, spec.failure, &inserted, err)
           && (!inserted || (supersede_retries(db, job, err)
                             && task_create(db, &spec, start->limit, &task, err)));
    if (done)
        snprintf(ret_task_id, TEXT_UUID_LENGTH + 1, "%s", inserted ? task_id : "");
    free(scope);
    free(body);
    return done;
}
