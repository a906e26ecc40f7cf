#include "schedule/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "db/query.h"
#include "db/scope.h"
#include "export/kept_task.h"
#include "schedule/job.h"
#include "schedule/schedule.h"

static void read_run(const struct db_result *rows, size_t row, struct schedule_run *run)
{
    const char *task_id = db_text(rows, row, "task_id");
    const char *reason = db_text(rows, row, "reason");

    *run = (struct schedule_run) {.occurrence_time = db_integer(rows, row, "occurrence_ms")};
    snprintf(run->state, sizeof(run->state), "%s", db_text(rows, row, "state"));
    snprintf(run->task_id, sizeof(run->task_id), "%s", task_id == NULL ? "" : task_id);
    snprintf(run->reason, sizeof(run->reason), "%s", reason == NULL ? "" : reason);
}

bool schedule_run_list(struct db *db, const struct task_viewer *viewer, const char *schedule_id, int limit, int offset,
                       struct schedule_run_page *ret_page, struct error *err)
{
    /* The result of an empty page has one row, with the total. */
    static const char sql[] =
        "SELECT page.*, everything.total"
        " FROM (SELECT count(*) AS total FROM waybill.schedule_run WHERE schedule_id = $1::uuid) everything"
        " LEFT JOIN (SELECT run_id, " DB_MS("occurrence_time") " AS occurrence_ms, state, task_id, reason"
        "            FROM waybill.schedule_run WHERE schedule_id = $1::uuid"
        "            ORDER BY occurrence_time DESC, run_id DESC LIMIT $2::bigint OFFSET $3::bigint) page ON true"
        " ORDER BY page.occurrence_ms DESC, page.run_id DESC";
    struct db_result *rows;

    if (!schedule_check(db, viewer, schedule_id, err))
        return false;
    rows = db_query_page(db, sql, 1, &schedule_id, limit, offset, err);
    if (rows == NULL)
        return false;
    *ret_page = (struct schedule_run_page) {
        .total = db_integer(rows, 0, "total"),
        .runs = memory_zeroed(db_rows(rows), sizeof(struct schedule_run)),
    };
    while (ret_page->count < db_rows(rows) && !db_is_null(rows, ret_page->count, "run_id")) {
        read_run(rows, ret_page->count, &ret_page->runs[ret_page->count]);
        ret_page->count++;
    }
    db_result_free(rows);
    return true;
}

/* Runs a schedule that the transaction has locked. */
static bool run_locked(struct db *db, const char *schedule_id, const char *request_id, int limit,
                       char ret_task_id[TEXT_UUID_LENGTH + 1], struct error *err)
{
    static const char sql[] =
        "SELECT" JOB_COLUMNS ", " DB_MS("clock_timestamp()") " AS now_ms FROM waybill.export_schedule schedule"
        " WHERE schedule_id = $1::uuid";
    struct job_start start = {.requested = true, .request_id = request_id, .limit = limit};
    struct db_result *row = db_query(db, DB_ONE_ROW, sql, 1, &schedule_id, err);
    struct job job;
    bool done;

    if (row == NULL)
        return false;
    job = job_read(row, 0);
    start.occurrence = db_integer(row, 0, "now_ms");
    done = job_run(db, &job, &start, ret_task_id, err);
    db_result_free(row);
    return done;
}

bool schedule_run_now(struct db *db, const struct task_viewer *viewer, const char *schedule_id, const char *request_id,
                      int limit, char ret_task_id[TEXT_UUID_LENGTH + 1], struct error *err)
{
    char task_id[TEXT_UUID_LENGTH + 1];

    if (!db_begin(db, err))
        return false;
    if (!schedule_lock(db, viewer, schedule_id, err)
        || !db_widen_scope(db, err) /* the grants of the run are those of the schedule */
        || !run_locked(db, schedule_id, request_id, limit, task_id, err)) {
        db_rollback(db);
        return false;
    }
    if (!db_commit(db, err))
        return false;
    snprintf(ret_task_id, TEXT_UUID_LENGTH + 1, "%s", task_id);
    return true;
}

bool schedule_run_latest(struct db *db, const struct task_viewer *viewer, const char *schedule_id,
                         struct task *ret_task, struct error *err)
{
    static const char sql[] =
        "SELECT task_id FROM waybill.schedule_run WHERE schedule_id = $1::uuid AND has_file"
        " ORDER BY finish_time DESC, run_id DESC LIMIT 1";
    struct db_result *row;
    bool found;

    if (!schedule_check(db, viewer, schedule_id, err))
        return false;
    row = db_query(db, DB_ONE_OR_NO_ROW, sql, 1, &schedule_id, err);
    if (row == NULL)
        return false;
    if (db_rows(row) == 1)
        found = task_find(db, viewer, db_text(row, 0, "task_id"), ret_task, err);
    else
        found = error_set(err, ERROR_NOT_FOUND, "the schedule has no successful run with a file yet");
    db_result_free(row);
    return found;
}

/* Runs a query that returns the column `task_ids`, an array. */
static bool find_task_ids(struct db *db, const char *sql, size_t count, const char *const *values, char **ret_task_ids,
                          struct error *err)
{
    struct db_result *row = db_query_prepared(db, DB_ONE_ROW, sql, count, values, err);

    if (row == NULL)
        return false;
    *ret_task_ids = memory_copy_text(db_text(row, 0, "task_ids"));
    db_result_free(row);
    return true;
}

bool schedule_run_task_ids(struct db *db, const char *schedule_id, char **ret_task_ids, struct error *err)
{
    static const char sql[] =
        "SELECT coalesce(array_agg(task_id), '{}') AS task_ids FROM waybill.schedule_run"
        " WHERE schedule_id = $1::uuid AND task_id IS NOT NULL";

    return find_task_ids(db, sql, 1, &schedule_id, ret_task_ids, err);
}

bool schedule_run_prune(struct db *db, const char *schedule_id, int keep, struct error *err)
{
    static const char find_sql[] =
        "SELECT coalesce(array_agg(task_id), '{}') AS task_ids FROM ("
        "    SELECT task_id FROM waybill.schedule_run WHERE schedule_id = $1::uuid AND has_file"
        "    ORDER BY finish_time DESC, run_id DESC OFFSET $2::integer) superseded";
    static const char update_sql[] =
        "UPDATE waybill.schedule_run SET has_file = false WHERE task_id = ANY ($1::uuid[])";
    char keep_text[16];
    const char *const values[] = {schedule_id, keep_text};
    char *task_ids;
    const char *list;
    bool done;

    snprintf(keep_text, sizeof(keep_text), "%d", keep);
    if (!find_task_ids(db, find_sql, ARRAY_SIZE(values), values, &task_ids, err))
        return false;
    list = task_ids;
    done = strcmp(task_ids, "{}") == 0
           || (kept_task_expire(db, task_ids, err) && db_execute(db, update_sql, 1, &list, NULL, err));
    free(task_ids);
    return done;
}
