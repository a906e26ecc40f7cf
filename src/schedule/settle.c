#include "schedule/settle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "db/query.h"
#include "export/kept_task.h"
#include "export/task.h"
#include "export/task_json.h"
#include "schedule/job.h"
#include "schedule/notification.h"
#include "schedule/now.h"
#include "schedule/run.h"

#define PURGE_BATCH 1000

/* A run in a transaction that has locked its schedule and then its task. */
struct ended_run {
    char run_id[24];
    struct job job;
    const char *task_id;
    int64_t occurrence_time;
    int keep;
    const char *notify_url; /* NULL: none */
    bool enabled;
};

/* The columns that read_ended_run reads. */
#define RUN_COLUMNS                                                                                                 \
    JOB_COLUMNS ", run.run_id, run.task_id, " DB_MS("run.occurrence_time") " AS occurrence_ms, schedule.keep,"       \
    " schedule.notify_url, schedule.enabled"

#define FROM_RUNS " FROM waybill.schedule_run run JOIN waybill.export_schedule schedule USING (schedule_id)"

/* This locks only the schedule. The run may change until its task is locked too, so the updates check it again. */
#define NEXT_RUN " AND run.run_id > $1::bigint ORDER BY run.run_id LIMIT 1 FOR NO KEY UPDATE OF schedule SKIP LOCKED"

static struct ended_run read_ended_run(const struct db_result *row)
{
    struct ended_run run = {
        .job = job_read(row, 0),
        .task_id = db_text(row, 0, "task_id"),
        .occurrence_time = db_integer(row, 0, "occurrence_ms"),
        .keep = (int) db_integer(row, 0, "keep"),
        .notify_url = db_text(row, 0, "notify_url"),
        .enabled = db_boolean(row, 0, "enabled"),
    };

    snprintf(run.run_id, sizeof(run.run_id), "%s", db_text(row, 0, "run_id"));
    return run;
}

/* Processes a locked run. It may not apply any more: then it changes nothing and returns true. */
typedef bool (*process_run)(struct db *db, const struct ended_run *run, int64_t now, struct settle_result *result,
                            struct error *err);

/* Which runs to process, and how. */
struct pass {
    const char *sql;   /* finds the next run after the one with the id $1 */
    size_t parameters; /* 2 if $2 is the time, else 1 */
    process_run process;
};

/* Processes the next run after run_id, and sets run_id, which is "" if there is none. */
static bool process_next_run(struct db *db, const struct pass *pass, int64_t now, char run_id[24],
                         struct settle_result *result, struct error *err)
{
    struct settle_result after = *result;
    char now_text[CLOCK_ISO8601_SIZE];
    const char *const values[] = {run_id, now_value(now_text, now)};
    struct db_result *row;
    struct ended_run run;
    bool done;

    if (!job_begin(db, err))
        return false;
    row = db_query_prepared(db, DB_ONE_OR_NO_ROW, pass->sql, pass->parameters, values, err);
    done = row != NULL;
    if (done && db_rows(row) == 0) {
        *run_id = '\0';
    } else if (done) {
        run = read_ended_run(row);
        memcpy(run_id, run.run_id, sizeof(run.run_id));
        done = kept_task_lock(db, run.task_id, err) && pass->process(db, &run, now, &after, err);
    }
    db_result_free(row);
    if (!done) {
        db_rollback(db);
        return false;
    }
    if (!db_commit(db, err))
        return false;
    *result = after;
    return true;
}

static void log_unsettled(const char *run_id, const struct error *err)
{
    struct log_line line;

    log_begin(&line, LOG_ERROR, "the end of a schedule run could not be processed");
    log_text(&line, "run_id", run_id);
    log_error(&line, err);
    log_end(&line);
}

/* Processes the runs of a pass. A run that fails does not stop the others. */
static bool process_all(struct db *db, const struct pass *pass, int64_t now, int64_t limit,
                        const struct background *thread, struct settle_result *result, struct error *err)
{
    char run_id[24] = "0", before[24];

    *result = (struct settle_result) {0};
    for (int64_t i = 0; i < limit && *run_id != '\0' && !background_is_stopping(thread); i++) {
        memcpy(before, run_id, sizeof(before));
        if (process_next_run(db, pass, now, run_id, result, err))
            continue;
        if (err->code == ERROR_UNAVAILABLE || strcmp(before, run_id) == 0)
            return false;
        result->failed++;
        log_unsettled(run_id, err);
    }
    return true;
}

static bool add_notification(struct db *db, const struct ended_run *run, struct settle_result *result,
                             struct error *err)
{
    struct json_object *body;
    struct task task;
    bool added;

    if (run->notify_url == NULL)
        return true;
    if (!task_load(db, run->task_id, &task, err))
        return err->code == ERROR_NOT_FOUND; /* it was removed meanwhile */
    body = task_status_json(&task);
    json_add_text(body, "schedule_id", run->job.schedule_id);
    json_object_object_add(body, "occurrence_time", json_object_new_int64(run->occurrence_time));
    added = notification_add(db, run->job.schedule_id, run->notify_url,
                             json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN), err);
    json_object_put(body);
    result->notifications += added;
    return added;
}

static bool settle_run(struct db *db, const struct ended_run *run, int64_t now, struct settle_result *result,
                       struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.schedule_run run"
        " SET is_settled = true,"
        "     retry_time = CASE WHEN state = 'failure' AND attempts = 1 AND NOT EXISTS ("
        "         SELECT FROM waybill.schedule_run newer WHERE newer.schedule_id = run.schedule_id"
        "         AND newer.task_id IS NOT NULL AND newer.occurrence_time > run.occurrence_time)"
        "         THEN $1::timestamptz + $3::bigint * interval '1 millisecond' END"
        " WHERE run_id = $2::bigint AND NOT is_settled RETURNING state";
    char now_text[CLOCK_ISO8601_SIZE], pause[16];
    const char *const values[] = {now_value(now_text, now), run->run_id, pause};
    struct db_result *row;
    bool done = true;

    snprintf(pause, sizeof(pause), "%d", SETTLE_RETRY_MS);
    row = db_query_prepared(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);
    if (row == NULL)
        return false;
    if (db_rows(row) == 1) {
        bool success = strcmp(db_text(row, 0, "state"), "success") == 0;

        result->success += success;
        result->failure += !success;
        done = (!success || schedule_run_prune(db, run->job.schedule_id, run->keep, err))
               && add_notification(db, run, result, err);
    }
    db_result_free(row);
    return done;
}

bool settle_ended(struct db *db, int64_t now, int64_t limit, const struct background *thread,
                  struct settle_result *result, struct error *err)
{
    static const struct pass pass = {
        "SELECT" RUN_COLUMNS FROM_RUNS " WHERE NOT run.is_settled" NEXT_RUN, 1, settle_run,
    };

    return process_all(db, &pass, now, limit, thread, result, err);
}

/*
 * Ends the wait for the retry of a run, which has had `attempts`. *ret_ended is false if something else has ended the
 * wait, for example the operator's retry.
 */
static bool end_wait(struct db *db, const struct ended_run *run, int attempts, bool *ret_ended, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.schedule_run SET retry_time = NULL, attempts = $2::integer"
        " WHERE run_id = $1::bigint AND retry_time IS NOT NULL";
    char attempts_text[16];
    const char *const values[] = {run->run_id, attempts_text};
    int64_t changed = 0;

    snprintf(attempts_text, sizeof(attempts_text), "%d", attempts);
    if (!db_execute(db, sql, ARRAY_SIZE(values), values, &changed, err))
        return false;
    *ret_ended = changed == 1;
    return true;
}

static bool retry(struct db *db, const struct ended_run *run, int64_t now, struct settle_result *result,
                  struct error *err)
{
    char *scope = NULL;
    struct error refusal;
    bool queued = false, granted, ended, done;

    (void) now;
    if (!run->enabled)
        return end_wait(db, run, 1, &ended, err);
    granted = job_find_scope(db, &run->job, &scope, &refusal);
    if (!granted && refusal.code != ERROR_PERMISSION) {
        *err = refusal;
        return false;
    }
    done = end_wait(db, run, 2, &ended, err);
    if (done && ended)
        done = granted ? kept_task_restart(db, run->task_id, scope, &queued, err)
                       : kept_task_fail(db, run->task_id, &refusal, err);
    free(scope);
    result->restarted += queued;
    return done;
}

bool settle_retry(struct db *db, int64_t now, int64_t limit, const struct background *thread,
                  struct settle_result *result, struct error *err)
{
    static const struct pass pass = {
        "SELECT" RUN_COLUMNS FROM_RUNS " WHERE run.retry_time <= $2::timestamptz" NEXT_RUN, 2, retry,
    };

    return process_all(db, &pass, now, limit, thread, result, err);
}

bool settle_purge(struct db *db, int64_t now, int history_hours, const struct background *thread, struct error *err)
{
    static const char sql[] =
        "DELETE FROM waybill.schedule_run WHERE run_id = ANY (ARRAY("
        "    SELECT run_id FROM waybill.schedule_run run"
        "    WHERE finish_time < $1::timestamptz - $2::integer * interval '1 hour'"
        "    AND is_settled AND NOT has_file AND retry_time IS NULL"
        "    AND EXISTS (SELECT FROM waybill.schedule_run newer WHERE newer.schedule_id = run.schedule_id"
        "                AND newer.task_id IS NOT NULL AND newer.occurrence_time > run.occurrence_time)"
        "    ORDER BY finish_time" DB_LIMIT(PURGE_BATCH) "))";
    char now_text[CLOCK_ISO8601_SIZE], hours[16];
    const char *const values[] = {now_value(now_text, now), hours};
    int64_t deleted = PURGE_BATCH;

    snprintf(hours, sizeof(hours), "%d", history_hours);
    while (deleted == PURGE_BATCH && !background_is_stopping(thread)) {
        if (!db_execute(db, sql, ARRAY_SIZE(values), values, &deleted, err))
            return false;
    }
    return true;
}
