#include "export/claim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "db/query.h"
#include "export/task.h"

#define CLAIM_LOCK 7305511991 /* one process claims at a time, to enforce the limit of running exports */

/*
 * Marks as failed the tasks whose lease expired during the last permitted attempt. Skips locked rows: otherwise a slow
 * commit, which holds the lock of its row, would block all claims.
 */
static bool fail_exhausted(struct db *db, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET state = 'failure', lease = NULL, lease_expire_time = NULL, finish_time = now(), error_code = $1,"
        "     error_msg = 'the export was abandoned after ' || attempts || ' attempts, because its process ended or"
        " stopped responding; create the export again'"
        " WHERE task_id IN ("
        "     SELECT task_id FROM waybill.export_task"
        "     WHERE state = 'running' AND lease_expire_time < now() AND attempts >= $2::integer"
        "     FOR UPDATE SKIP LOCKED)"
        " RETURNING " TASK_ANNOUNCE_CHANGE;
    char attempts[16];
    const char *const values[] = {error_info(ERROR_INTERNAL)->api_code, attempts};
    struct db_result *rows;

    snprintf(attempts, sizeof(attempts), "%d", CLAIM_MAX_ATTEMPTS);
    rows = db_query(db, DB_ROWS, sql, ARRAY_SIZE(values), values, err);
    db_result_free(rows);
    return rows != NULL;
}

#define IS_RUNNING " state = 'running' AND lease_expire_time >= now()"
/* Matches a task that can be claimed because its lease has expired. Append the maximum number of attempts. */
#define IS_EXPIRED " state = 'running' AND lease_expire_time < now() AND attempts < "

/*
 * Returns up to three projects that have a task to claim, in the order in which to serve them. The recursive query
 * steps from project to project in an index, so the cost does not depend on the length of the queue.
 */
static struct db_result *rank_projects(struct db *db, struct error *err)
{
    static const char sql[] =
        "WITH RECURSIVE queued (project_id) AS ("
        "    (SELECT project_id FROM waybill.export_task WHERE state = 'queued' ORDER BY project_id LIMIT 1)"
        "    UNION ALL"
        "    SELECT (SELECT project_id FROM waybill.export_task"
        "            WHERE state = 'queued' AND project_id > queued.project_id ORDER BY project_id LIMIT 1)"
        "    FROM queued WHERE project_id IS NOT NULL"
        "), claimable AS ("
        "    SELECT project_id FROM queued WHERE project_id IS NOT NULL"
        "    UNION SELECT project_id FROM waybill.export_task WHERE" IS_EXPIRED "$1::integer"
        "), running AS ("
        "    SELECT project_id, count(*) AS exports FROM waybill.export_task WHERE" IS_RUNNING " GROUP BY project_id"
        ")"
        " SELECT project_id FROM claimable LEFT JOIN running USING (project_id)"
        " ORDER BY running.exports NULLS FIRST,"
        "          (SELECT max(start_time) FROM waybill.export_task"
        "           WHERE project_id = claimable.project_id) NULLS FIRST,"
        "          (SELECT min(create_time) FROM waybill.export_task"
        "           WHERE project_id = claimable.project_id AND state = 'queued')"
        " LIMIT 3";
    char attempts[16];
    const char *const values[] = {attempts};

    snprintf(attempts, sizeof(attempts), "%d", CLAIM_MAX_ATTEMPTS);
    return db_query(db, DB_ROWS, sql, ARRAY_SIZE(values), values, err);
}

/* Checks whether the limit of running exports allows another one. */
static bool may_run_another(struct db *db, const struct claim_terms *terms, bool *ret_allowed, struct error *err)
{
    static const char sql[] = "SELECT count(*) AS running FROM waybill.export_task WHERE" IS_RUNNING;
    struct db_result *row;

    *ret_allowed = terms->running_exports == 0;
    if (*ret_allowed)
        return true;
    row = db_query(db, DB_ONE_ROW, sql, 0, NULL, err);
    if (row == NULL)
        return false;
    *ret_allowed = db_integer(row, 0, "running") < terms->running_exports;
    db_result_free(row);
    return true;
}

/*
 * Claims the task that a subquery selects. The times are those of clock_timestamp(), because now() is the start of the
 * transaction, before the wait for the lock.
 */
#define CLAIM_SQL(which)                                                                                               \
    "UPDATE waybill.export_task"                                                                                       \
    " SET state = 'running', lease = gen_random_uuid(),"                                                               \
    "     lease_expire_time = clock_timestamp() + $1::integer * interval '1 second',"                                  \
    "     attempts = attempts + 1, progress = 0, exported_rows = 0, start_time = clock_timestamp()"                    \
    " WHERE task_id = (" which ")"                                                                                     \
    " RETURNING task_id, lease, attempts, export_size, project_id, enterprise_projects, request, request_id"

/*
 * Runs a CLAIM_SQL statement: $1 is the duration of the lease, $2 the maximum number of attempts, $3 the key. The
 * result is empty if there is no task to claim.
 */
static struct db_result *run_claim_sql(struct db *db, const char *sql, const char *key, const struct claim_terms *terms,
                                       struct error *err)
{
    char lease[16], attempts[16];
    const char *const values[] = {lease, attempts, key};

    snprintf(lease, sizeof(lease), "%d", terms->lease);
    snprintf(attempts, sizeof(attempts), "%d", CLAIM_MAX_ATTEMPTS);
    return db_query(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);
}

/* Claims the oldest task of a project. Each inner subquery reads only the first row of an index. */
static struct db_result *claim_of_project(struct db *db, const char *project_id, const struct claim_terms *terms,
                                          struct error *err)
{
    static const char sql[] = CLAIM_SQL(
        "SELECT task_id FROM ("
        "    SELECT * FROM (SELECT task_id, create_time FROM waybill.export_task"
        "                   WHERE project_id = $3 AND state = 'queued'"
        "                   ORDER BY create_time LIMIT 1 FOR UPDATE SKIP LOCKED) queued"
        "    UNION ALL"
        "    SELECT * FROM (SELECT task_id, create_time FROM waybill.export_task"
        "                   WHERE project_id = $3 AND" IS_EXPIRED "$2::integer"
        "                   ORDER BY create_time LIMIT 1 FOR UPDATE SKIP LOCKED) expired) claimable"
        " ORDER BY create_time LIMIT 1");

    return run_claim_sql(db, sql, project_id, terms, err);
}

static struct db_result *claim_by_id(struct db *db, const char *task_id, const struct claim_terms *terms,
                                     struct error *err)
{
    static const char sql[] = CLAIM_SQL(
        "SELECT task_id FROM waybill.export_task"
        " WHERE task_id = $3::uuid AND (state = 'queued' OR" IS_EXPIRED "$2::integer) FOR UPDATE SKIP LOCKED");

    return run_claim_sql(db, sql, task_id, terms, err);
}

static struct claim *read_claim(const struct db_result *row, int64_t lease_end)
{
    const char *enterprise_projects = db_text(row, 0, "enterprise_projects");
    struct claim *claim = memory_zeroed(1, sizeof(*claim));

    snprintf(claim->task_id, sizeof(claim->task_id), "%s", db_text(row, 0, "task_id"));
    snprintf(claim->lease, sizeof(claim->lease), "%s", db_text(row, 0, "lease"));
    claim->lease_end = lease_end;
    claim->attempt = (int) db_integer(row, 0, "attempts");
    claim->export_size = (int) db_integer(row, 0, "export_size");
    claim->project_id = memory_copy_text(db_text(row, 0, "project_id"));
    claim->enterprise_projects = enterprise_projects == NULL ? NULL : memory_copy_text(enterprise_projects);
    claim->request = memory_copy_text(db_text(row, 0, "request"));
    claim->request_id = memory_copy_text(db_text(row, 0, "request_id"));
    atomic_init(&claim->ending, false);
    return claim;
}

/* Returns the end of a new lease. Called before the statement, so that it is no later than the end in the database. */
static int64_t lease_end(const struct claim_terms *terms)
{
    return clock_monotonic_ms() + (int64_t) terms->lease * 1000;
}

/* Claims a task of the first project or, if its tasks are locked, of the next one. */
static bool claim_by_rank(struct db *db, const struct claim_terms *terms, struct db_result **ret_row,
                          struct error *err)
{
    struct db_result *projects = rank_projects(db, err);
    struct db_result *row = NULL;
    bool done = projects != NULL;

    for (size_t i = 0; done && row == NULL && i < db_rows(projects); i++) {
        row = claim_of_project(db, db_text(projects, i, "project_id"), terms, err);
        done = row != NULL;
        if (done && db_rows(row) == 0) {
            db_result_free(row);
            row = NULL;
        }
    }
    db_result_free(projects);
    *ret_row = row;
    return done;
}

/* Claims a task. *ret_row is its row; NULL or empty if there is none or the limit of running exports is reached. */
static bool claim_if_allowed(struct db *db, const char *task_id, const struct claim_terms *terms,
                             struct db_result **ret_row, struct error *err)
{
    bool allowed;

    if (!may_run_another(db, terms, &allowed, err))
        return false;
    if (!allowed)
        return true;
    if (task_id == NULL)
        return claim_by_rank(db, terms, ret_row, err);
    *ret_row = claim_by_id(db, task_id, terms, err);
    return *ret_row != NULL;
}

bool claim_next(struct db *db, const char *task_id, const struct claim_terms *terms, struct claim **ret_claim,
                struct error *err)
{
    struct claim *claim = NULL;
    struct db_result *row = NULL;
    int64_t end;

    if (!db_begin_locked(db, CLAIM_LOCK, err))
        return false;
    end = lease_end(terms);
    if (!fail_exhausted(db, err) || !claim_if_allowed(db, task_id, terms, &row, err)) {
        db_rollback(db);
        return false;
    }
    if (row != NULL && db_rows(row) == 1)
        claim = read_claim(row, end);
    db_result_free(row);
    if (!db_commit(db, err)) {
        claim_free(claim); /* if the commit took effect nevertheless, the lease expires */
        return false;
    }
    *ret_claim = claim;
    return true;
}

void claim_free(struct claim *claim)
{
    if (claim == NULL)
        return;
    free(claim->project_id);
    free(claim->enterprise_projects);
    free(claim->request);
    free(claim->request_id);
    free(claim);
}

/* The condition of an UPDATE that requires the lease to be held: $1 is the task, $2 the lease. */
#define WHERE_HELD " WHERE task_id = $1::uuid AND lease = $2::uuid"

/* Runs a statement that returns a row if the lease was held. */
static bool change_held(struct db *db, const char *sql, size_t count, const char *const *values, struct error *err)
{
    struct db_result *row = db_query(db, DB_ONE_OR_NO_ROW, sql, count, values, err);
    bool held;

    if (row == NULL)
        return false;
    held = db_rows(row) == 1;
    db_result_free(row);
    return held ? true : error_set(err, ERROR_LEASE, "the task was claimed by another process, cancelled or removed");
}

bool claim_renew(struct db *db, struct claim *claim, const struct claim_terms *terms, int progress,
                 int64_t exported_rows, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET lease_expire_time = now() + $3::integer * interval '1 second',"
        "     progress = $4::integer, exported_rows = $5::bigint" WHERE_HELD " RETURNING true";
    char lease[16], progress_text[16], rows[24];
    const char *const values[] = {claim->task_id, claim->lease, lease, progress_text, rows};
    int64_t end = lease_end(terms);

    snprintf(lease, sizeof(lease), "%d", terms->lease);
    snprintf(progress_text, sizeof(progress_text), "%d", progress);
    snprintf(rows, sizeof(rows), "%" PRId64, exported_rows);
    if (!change_held(db, sql, ARRAY_SIZE(values), values, err))
        return false;
    claim->lease_end = end;
    return true;
}

bool claim_succeed(struct db *db, const struct claim *claim, const struct claim_outcome *outcome, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET state = 'success', lease = NULL, lease_expire_time = NULL, progress = 100,"
        "     exported_rows = $3::bigint, truncated = $4::boolean, file_id = lease, file_size = $5::bigint,"
        "     gzip_size = nullif($8::bigint, 0), sha256 = decode($6, 'hex'), finish_time = now(),"
        "     expire_time = CASE WHEN NOT kept THEN now() + $7::integer * interval '1 hour' END" WHERE_HELD
        " RETURNING " TASK_ANNOUNCE_CHANGE;
    char rows[24], size[24], gzip_size[24], sha256[2 * SHA256_SIZE + 1], retention[16];
    const char *const values[] = {claim->task_id, claim->lease, rows, outcome->truncated ? "true" : "false",
                                  size, sha256, retention, gzip_size};

    snprintf(rows, sizeof(rows), "%" PRId64, outcome->exported_rows);
    snprintf(size, sizeof(size), "%" PRId64, outcome->file_size);
    snprintf(gzip_size, sizeof(gzip_size), "%" PRId64, outcome->gzip_size);
    text_hex(sha256, outcome->sha256, SHA256_SIZE);
    snprintf(retention, sizeof(retention), "%d", outcome->retention_hours);
    return change_held(db, sql, ARRAY_SIZE(values), values, err);
}

bool claim_fail(struct db *db, const struct claim *claim, const struct error *reason, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET state = 'failure', lease = NULL, lease_expire_time = NULL, finish_time = now(),"
        "     error_code = $3, error_msg = $4" WHERE_HELD " RETURNING " TASK_ANNOUNCE_CHANGE;
    const char *const values[] = {claim->task_id, claim->lease, error_info(reason->code)->api_code, reason->message};

    return change_held(db, sql, ARRAY_SIZE(values), values, err);
}

bool claim_requeue(struct db *db, const struct claim *claim, bool attempted, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET state = 'queued', lease = NULL, lease_expire_time = NULL, progress = 0, exported_rows = 0,"
        "     attempts = attempts - $3::integer" WHERE_HELD " RETURNING " TASK_ANNOUNCE_WORK;
    const char *const values[] = {claim->task_id, claim->lease, attempted ? "0" : "1"};

    return change_held(db, sql, ARRAY_SIZE(values), values, err);
}

bool claim_find_state(struct db *db, const struct claim *claim, enum claim_state *ret_state, struct error *err)
{
    /* Returns one row even if the task does not exist. A standby may not have received the claim yet. */
    static const char sql[] =
        "SELECT bool_or(file_id = $2::uuid) AS succeeded,"
        "       bool_or(lease = $2::uuid) OR pg_catalog.pg_is_in_recovery() AS held,"
        "       bool_or(state = 'failure' AND attempts = $3::integer) AS failed, bool_or(state = 'queued') AS queued"
        " FROM waybill.export_task WHERE task_id = $1::uuid";
    static const struct {
        const char *column;
        enum claim_state state;
    } states[] = {
        {"succeeded", CLAIM_SUCCEEDED}, {"held", CLAIM_HELD}, {"failed", CLAIM_FAILED}, {"queued", CLAIM_QUEUED},
    };
    char attempt[16];
    const char *const values[] = {claim->task_id, claim->lease, attempt};
    struct db_result *row;
    size_t i = 0;

    snprintf(attempt, sizeof(attempt), "%d", claim->attempt);
    row = db_query(db, DB_ONE_ROW, sql, ARRAY_SIZE(values), values, err);
    if (row == NULL)
        return false;
    while (i < ARRAY_SIZE(states) && !db_boolean(row, 0, states[i].column))
        i++;
    *ret_state = i < ARRAY_SIZE(states) ? states[i].state : CLAIM_LOST;
    db_result_free(row);
    return true;
}
