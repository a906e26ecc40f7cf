#include "export/claim.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "db/query.h"
#include "export/task.h"

#define CLAIM_LOCK 7305511991 /* one process claims at a time, to enforce the limit of running exports */

/*
 * When this process sent the newest change that the server has confirmed to be on its disk; monotonic. The server
 * writes its log in order, so everything that was confirmed before that time is on disk too.
 */
static _Atomic int64_t flushed_until = 1; /* after 0, which is the time of a claim that is on disk */

static void note_flush(int64_t sent)
{
    int64_t known = atomic_load(&flushed_until);

    while (known < sent && !atomic_compare_exchange_weak(&flushed_until, &known, sent))
        continue;
}

bool claim_is_durable(const struct claim *claim)
{
    return claim->confirmed < atomic_load(&flushed_until);
}

/*
 * Runs first in the transaction of a claim. See claim_next. Planning a claim takes longer than the claim, and happens
 * under the lock. By default, PostgreSQL plans the first five of each connection.
 */
static const char begin_claim[] =
    "SELECT pg_catalog.set_config('synchronous_commit', 'off', true),"
    " pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true),"
    " pg_catalog.pg_advisory_xact_lock(" TEXT_OF(CLAIM_LOCK) ")";

/*
 * Marks as failed the tasks whose lease expired during the last permitted attempt. Skips locked rows: otherwise a slow
 * commit, which holds the lock of its row, would block all claims.
 */
#define EXHAUSTED                                                                                                      \
    "exhausted AS ("                                                                                                   \
    "    UPDATE waybill.export_task"                                                                                   \
    "    SET state = 'failure', lease = NULL, lease_expire_time = NULL, finish_time = now(), error_code = $3,"         \
    "        error_msg = 'the export was abandoned after ' || attempts || ' attempts, because its process ended or"    \
    " stopped responding; create the export again'"                                                                    \
    "    WHERE task_id IN ("                                                                                           \
    "        SELECT task_id FROM waybill.export_task"                                                                  \
    "        WHERE state = 'running' AND lease_expire_time < now() AND attempts >= $2::integer"                        \
    "        FOR UPDATE SKIP LOCKED)"                                                                                  \
    "    RETURNING " TASK_ANNOUNCE_CHANGE ")"

/* Matches a task that can be claimed because its lease has expired. */
#define IS_EXPIRED " state = 'running' AND lease_expire_time < now() AND attempts < $2::integer"

/* The running exports of each project. */
#define RUNNING                                                                                                        \
    "running AS ("                                                                                                     \
    "    SELECT project_id, count(*) AS exports FROM waybill.export_task"                                              \
    "    WHERE state = 'running' AND lease_expire_time >= now() GROUP BY project_id)"
#define MAY_RUN_ANOTHER " ($4::integer = 0 OR (SELECT coalesce(sum(exports), 0) FROM running) < $4::integer)"

/*
 * Claims the task that a subquery selects: $1 is the duration of the lease, $2 the maximum number of attempts, $3 an
 * error_code, $4 the maximum number of running exports. The times are those of clock_timestamp(), because now() is the
 * start of the transaction, before the wait for the lock.
 */
#define CLAIM_SQL(which)                                                                                               \
    " UPDATE waybill.export_task"                                                                                      \
    " SET state = 'running', lease = gen_random_uuid(),"                                                               \
    "     lease_expire_time = clock_timestamp() + $1::integer * interval '1 second',"                                  \
    "     attempts = attempts + 1, progress = 0, exported_rows = 0, start_time = clock_timestamp()"                    \
    " WHERE task_id = (" which ")"                                                                                     \
    " RETURNING task_id, lease, attempts, export_size, project_id, enterprise_projects, request, request_id,"          \
    "     (SELECT count(*) = 2 FROM (SELECT FROM waybill.export_task WHERE state = 'queued' LIMIT 2) queued) AS more"

/*
 * Claims the oldest task of one of up to three projects, in the order in which to serve them: the tasks of the first
 * ones may be locked. The recursive query steps from project to project in an index, and each innermost subquery reads
 * only the first row of an index, so the cost does not depend on the length of the queue.
 */
static const char claim_next_sql[] =
    "WITH RECURSIVE " EXHAUSTED ", queued (project_id) AS ("
    "    (SELECT project_id FROM waybill.export_task WHERE state = 'queued' ORDER BY project_id LIMIT 1)"
    "    UNION ALL"
    "    SELECT (SELECT project_id FROM waybill.export_task"
    "            WHERE state = 'queued' AND project_id > queued.project_id ORDER BY project_id LIMIT 1)"
    "    FROM queued WHERE project_id IS NOT NULL"
    "), claimable AS ("
    "    SELECT project_id FROM queued WHERE project_id IS NOT NULL"
    "    UNION SELECT project_id FROM waybill.export_task WHERE" IS_EXPIRED
    "), " RUNNING ", ranked AS ("
    "    SELECT project_id FROM claimable LEFT JOIN running USING (project_id), LATERAL ("
    "        SELECT max(start_time) AS started FROM waybill.export_task"
    "        WHERE project_id = claimable.project_id) turn"
    "    ORDER BY running.exports NULLS FIRST, started NULLS FIRST,"
    "             CASE WHEN started IS NULL THEN ("
    "                 SELECT min(create_time) FROM waybill.export_task"
    "                 WHERE project_id = claimable.project_id AND state = 'queued') END"
    "    LIMIT 3)"
    CLAIM_SQL(
        "SELECT oldest.task_id FROM ranked, LATERAL ("
        "    SELECT task_id FROM ("
        "        SELECT * FROM (SELECT task_id, create_time FROM waybill.export_task"
        "                       WHERE project_id = ranked.project_id AND state = 'queued'"
        "                       ORDER BY create_time LIMIT 1 FOR UPDATE SKIP LOCKED) queued"
        "        UNION ALL"
        "        SELECT * FROM (SELECT task_id, create_time FROM waybill.export_task"
        "                       WHERE project_id = ranked.project_id AND" IS_EXPIRED
        "                       ORDER BY create_time LIMIT 1 FOR UPDATE SKIP LOCKED) expired) claimable"
        "    ORDER BY create_time LIMIT 1) oldest"
        " WHERE" MAY_RUN_ANOTHER " LIMIT 1");

/* Claims the task $5. */
static const char claim_by_id_sql[] =
    "WITH " EXHAUSTED ", " RUNNING
    CLAIM_SQL(
        "SELECT task_id FROM waybill.export_task"
        " WHERE task_id = $5::uuid AND (state = 'queued' OR" IS_EXPIRED ") AND" MAY_RUN_ANOTHER
        " FOR UPDATE SKIP LOCKED");

static struct claim *read_claim(const struct db_result *row, const struct claim_terms *terms, int64_t lease_end)
{
    const char *enterprise_projects = db_text(row, 0, "enterprise_projects");
    struct claim *claim = memory_zeroed(1, sizeof(*claim));

    snprintf(claim->task_id, sizeof(claim->task_id), "%s", db_text(row, 0, "task_id"));
    snprintf(claim->lease, sizeof(claim->lease), "%s", db_text(row, 0, "lease"));
    claim->terms = *terms;
    claim->lease_end = lease_end;
    claim->attempt = (int) db_integer(row, 0, "attempts");
    claim->export_size = (int) db_integer(row, 0, "export_size");
    claim->project_id = memory_copy_text(db_text(row, 0, "project_id"));
    claim->enterprise_projects = enterprise_projects == NULL ? NULL : memory_copy_text(enterprise_projects);
    claim->request = memory_copy_text(db_text(row, 0, "request"));
    claim->request_id = memory_copy_text(db_text(row, 0, "request_id"));
    claim->more_are_queued = db_boolean(row, 0, "more");
    claim->confirmed = clock_monotonic_ms();
    atomic_init(&claim->ending, false);
    return claim;
}

/* Returns the end of a new lease. Called before the statement, so that it is no later than the end in the database. */
static int64_t lease_end(const struct claim_terms *terms)
{
    return clock_monotonic_ms() + (int64_t) terms->lease * 1000;
}

bool claim_next(struct db *db, const char *task_id, const struct claim_terms *terms, struct claim **ret_claim,
                struct error *err)
{
    char lease[16], attempts[16], exports[16];
    const char *const values[] = {lease, attempts, error_info(ERROR_INTERNAL)->api_code, exports, task_id};
    const char *sql = task_id == NULL ? claim_next_sql : claim_by_id_sql;
    int64_t end = lease_end(terms);
    struct db_result *row;

    snprintf(lease, sizeof(lease), "%d", terms->lease);
    snprintf(attempts, sizeof(attempts), "%d", CLAIM_MAX_ATTEMPTS);
    snprintf(exports, sizeof(exports), "%d", terms->running_exports);
    row = db_query_after(db, begin_claim, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values) - (task_id == NULL), values, err);
    if (row == NULL)
        return false; /* if the claim took effect nevertheless, the lease expires */
    *ret_claim = db_rows(row) == 1 ? read_claim(row, terms, end) : NULL;
    db_result_free(row);
    return true;
}

struct claim *claim_new(const struct task_spec *spec, const struct claim_terms *terms)
{
    struct claim *claim = memory_zeroed(1, sizeof(*claim));

    snprintf(claim->task_id, sizeof(claim->task_id), "%s", spec->task_id);
    random_uuid(claim->lease);
    claim->terms = *terms;
    claim->lease_end = lease_end(terms);
    claim->attempt = 1;
    claim->export_size = spec->export_size;
    claim->project_id = memory_copy_text(spec->project_id);
    claim->enterprise_projects = spec->enterprise_projects == NULL ? NULL : memory_copy_text(spec->enterprise_projects);
    claim->request = memory_copy_text(spec->request);
    claim->request_id = memory_copy_text(spec->request_id);
    claim->confirmed = INT64_MAX;
    atomic_init(&claim->ending, false);
    return claim;
}

void claim_created(struct claim *claim)
{
    claim->confirmed = 0;
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
    int64_t sent = clock_monotonic_ms();
    struct db_result *row = db_query_prepared(db, DB_ONE_OR_NO_ROW, sql, count, values, err);
    bool held;

    if (row == NULL)
        return false;
    held = db_rows(row) == 1;
    db_result_free(row);
    if (held)
        note_flush(sent);
    return held ? true : error_set(err, ERROR_LEASE, "the task was claimed by another process, cancelled or removed");
}

bool claim_renew(struct db *db, struct claim *claim, int progress, int64_t exported_rows, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET lease_expire_time = now() + $3::integer * interval '1 second',"
        "     progress = $4::integer, exported_rows = $5::bigint" WHERE_HELD " RETURNING true";
    char lease[16], progress_text[16], rows[24];
    const char *const values[] = {claim->task_id, claim->lease, lease, progress_text, rows};
    int64_t end = lease_end(&claim->terms);

    snprintf(lease, sizeof(lease), "%d", claim->terms.lease);
    snprintf(progress_text, sizeof(progress_text), "%d", progress);
    snprintf(rows, sizeof(rows), "%" PRId64, exported_rows);
    if (!change_held(db, sql, ARRAY_SIZE(values), values, err))
        return false;
    claim->lease_end = end;
    claim->confirmed = 0;
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
        " RETURNING true";
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
