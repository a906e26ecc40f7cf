#include "schedule/due.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "db/query.h"
#include "metrics/counters.h"
#include "schedule/job.h"
#include "schedule/now.h"
#include "schedule/recurrence.h"

/* Where a pass over the due schedules is. */
struct cursor {
    char next_run_time[40];
    char schedule_id[TEXT_UUID_LENGTH + 1];
};

/* A due schedule, in a transaction that has locked it. */
struct due {
    struct job job;
    bool is_unfinished; /* the run of an earlier occurrence is */
    int64_t pending_from;
    int64_t now;
    int64_t next;   /* the occurrence after now; 0: none */
    int64_t count;  /* of occurrences that are due; 0: none, because the time zone has changed */
    int64_t newest; /* of these occurrences */
    int64_t newest_missed; /* the one before it, if another one runs */
};

/* What became of a due schedule, for the log and the counters after the commit. */
struct result {
    char schedule_id[TEXT_UUID_LENGTH + 1];
    char task_id[TEXT_UUID_LENGTH + 1]; /* "": no run was started */
    bool skipped;
    const struct error *pause_reason; /* NULL: not paused */
};

static struct db_result *select_next(struct db *db, int64_t now, const struct cursor *cursor, struct error *err)
{
    static const char sql[] =
        "SELECT" JOB_COLUMNS ", schedule.rule, " DB_MS("schedule.start_time") " AS start_ms,"
        "       " DB_MS("schedule.pending_from") " AS pending_ms, schedule.next_run_time,"
        "       " DB_MS("$1::timestamptz") " AS now_ms"
        " FROM waybill.export_schedule schedule"
        " WHERE next_run_time <= $1::timestamptz"
        " AND (next_run_time, schedule_id) > ($2::timestamptz, $3::uuid)"
        " ORDER BY next_run_time, schedule_id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED";
    char now_text[CLOCK_ISO8601_SIZE];
    const char *const values[] = {now_value(now_text, now), cursor->next_run_time, cursor->schedule_id};

    return db_query_prepared(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);
}

/*
 * Finds whether the run of an earlier occurrence is unfinished. The statement that locked the schedule cannot tell: it
 * may have begun before another process committed that run.
 */
static bool find_unfinished(struct db *db, struct due *due, struct error *err)
{
    static const char sql[] =
        "SELECT EXISTS (SELECT FROM waybill.schedule_run WHERE schedule_id = $1::uuid"
        "               AND state = 'running' AND NOT requested) AS is_unfinished";
    struct db_result *row = db_query_prepared(db, DB_ONE_ROW, sql, 1, &due->job.schedule_id, err);

    if (row == NULL)
        return false;
    due->is_unfinished = db_boolean(row, 0, "is_unfinished");
    db_result_free(row);
    return true;
}

/* Finds the occurrences that are due, and the next one. ERROR_PARAMETER if the rule or the time zone is invalid. */
static bool find_occurrences(const struct db_result *row, struct due *due, struct error *err)
{
    struct recurrence *recurrence = recurrence_parse(db_text(row, 0, "rule"), due->job.time_zone,
                                                     db_integer(row, 0, "start_ms"), err);

    if (recurrence == NULL)
        return false;
    due->count = recurrence_count(recurrence, due->pending_from, due->now, &due->newest);
    if (!recurrence_next(recurrence, due->now + 1, &due->next))
        due->next = 0;
    if (due->count > 1 && !due->is_unfinished)
        (void) !recurrence_count(recurrence, due->pending_from, due->newest - 1, &due->newest_missed);
    recurrence_free(recurrence);
    return true;
}

/* Records occurrences that will not run: their number, the newest of them, and why. */
static bool record_skipped(struct db *db, const struct due *due, int64_t count, int64_t newest, const char *why,
                           struct error *err)
{
    static const char sql[] =
        "INSERT INTO waybill.schedule_run (schedule_id, occurrence_time, state, reason, finish_time)"
        " VALUES ($1::uuid, " DB_TIME("$2") ", 'skipped', $3, now())"
        " ON CONFLICT (schedule_id, occurrence_time) WHERE NOT requested DO NOTHING";
    char occurrence[24], reason[128];
    const char *const values[] = {due->job.schedule_id, occurrence, reason};

    snprintf(occurrence, sizeof(occurrence), "%" PRId64, newest);
    snprintf(reason, sizeof(reason), "%s%" PRId64 " %s skipped: %s",
             due->count < RECURRENCE_COUNT_MAX ? "" : "at least ", count,
             count == 1 ? "occurrence was" : "occurrences were", why);
    return db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);
}

/* Runs the newest occurrence. Skips older ones, and all while an earlier run is unfinished. */
static bool run_or_skip(struct db *db, const struct due *due, struct result *result, struct error *err)
{
    const struct job_start start = {.occurrence = due->newest, .request_id = due->job.schedule_id};

    if (due->count == 0)
        return true;
    result->skipped = due->is_unfinished || due->count > 1;
    if (due->is_unfinished)
        return record_skipped(db, due, due->count, due->newest, "the run before was unfinished", err);
    if (due->count > 1
        && !record_skipped(db, due, due->count - 1, due->newest_missed, "the service was not running", err))
        return false;
    return job_run(db, &due->job, &start, result->task_id, err);
}

/* Sets the next occurrence. */
static bool advance(struct db *db, const struct due *due, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_schedule SET pending_from = " DB_TIME("$2") ", next_run_time = " DB_TIME("$3")
        " WHERE schedule_id = $1::uuid";
    char pending_from[24], next[24];
    struct db_result *row;
    const char *const values[] = {due->job.schedule_id, pending_from, due->next == 0 ? NULL : next};

    snprintf(pending_from, sizeof(pending_from), "%" PRId64, due->now + 1);
    snprintf(next, sizeof(next), "%" PRId64, due->next);
    row = db_query_prepared(db, DB_NOTHING, sql, ARRAY_SIZE(values), values, err);
    db_result_free(row);
    return row != NULL;
}

/* Pauses a schedule that can no longer run: its time zone was removed, or its request is no longer accepted. */
static bool pause_schedule(struct db *db, const struct due *due, const struct error *reason, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_schedule SET enabled = false, next_run_time = NULL, pause_reason = $2"
        " WHERE schedule_id = $1::uuid";
    const char *const values[] = {due->job.schedule_id, reason->message};

    return db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);
}

/* Processes a due schedule in the transaction that has locked it. */
static bool process(struct db *db, const struct db_result *row, struct result *result, struct error *reason,
                    struct error *err)
{
    struct due due = {
        .job = job_read(row, 0),
        .pending_from = db_integer(row, 0, "pending_ms"),
        .now = db_integer(row, 0, "now_ms"),
    };

    if (!find_unfinished(db, &due, err))
        return false;
    if (find_occurrences(row, &due, reason) && run_or_skip(db, &due, result, reason))
        return advance(db, &due, err);
    *err = *reason;
    if (reason->code != ERROR_PARAMETER && reason->code != ERROR_BODY)
        return false;
    result->pause_reason = reason;
    return pause_schedule(db, &due, reason, err);
}

static void report(const struct result *result)
{
    struct log_line line;

    if (result->skipped && result->pause_reason == NULL)
        counters_add(1, "waybill_schedule_runs_total{outcome=\"skipped\"}");
    if (result->pause_reason != NULL) {
        log_begin(&line, LOG_WARNING, "schedule paused");
        log_text(&line, "schedule_id", result->schedule_id);
        log_error(&line, result->pause_reason);
    } else if (*result->task_id != '\0') {
        log_begin(&line, LOG_INFO, "schedule run started");
        log_text(&line, "schedule_id", result->schedule_id);
        log_text(&line, "task_id", result->task_id);
    } else if (result->skipped) {
        log_begin(&line, LOG_INFO, "schedule run skipped");
        log_text(&line, "schedule_id", result->schedule_id);
    } else {
        return;
    }
    log_end(&line);
}

static void log_unstarted(const struct cursor *cursor, const struct error *err)
{
    struct log_line line;

    log_begin(&line, LOG_ERROR, "schedule run could not be started");
    log_text(&line, "schedule_id", cursor->schedule_id);
    log_error(&line, err);
    log_end(&line);
}

/* Processes the next due schedule after the cursor, which it advances. *ret_found is false if there is none. */
static bool process_next_due(struct db *db, int64_t now, struct cursor *cursor, struct result *result, bool *ret_found,
                             struct error *err)
{
    struct error reason = {0};
    struct db_result *row;
    bool done;

    *result = (struct result) {0};
    *ret_found = false;
    if (!job_begin(db, err))
        return false;
    row = select_next(db, now, cursor, err);
    *ret_found = row != NULL && db_rows(row) == 1;
    if (*ret_found) {
        snprintf(cursor->next_run_time, sizeof(cursor->next_run_time), "%s", db_text(row, 0, "next_run_time"));
        snprintf(cursor->schedule_id, sizeof(cursor->schedule_id), "%s", db_text(row, 0, "schedule_id"));
        memcpy(result->schedule_id, cursor->schedule_id, sizeof(result->schedule_id));
    }
    done = row != NULL && (!*ret_found || (process(db, row, result, &reason, err) && db_commit(db, err)));
    db_result_free(row);
    if (!done || !*ret_found)
        db_rollback(db);
    if (done && *ret_found)
        report(result);
    return done;
}

#define COUNT_DUE(from) "(SELECT count(*) FROM (SELECT " from DB_LIMIT(DUE_BATCH) ") due)"

/* Rounded up, so that the time has come when the wait ends. */
#define MS_UNTIL(time) "ceil(extract(epoch FROM " time " - $1::timestamptz) * 1000)::bigint"

bool due_look(struct db *db, int64_t now, struct due_outlook *ret_outlook, struct error *err)
{
    static const char sql[] =
        "SELECT " COUNT_DUE("FROM waybill.export_schedule WHERE next_run_time <= $1::timestamptz") " AS schedules,"
        "       " COUNT_DUE("FROM waybill.schedule_run WHERE retry_time <= $1::timestamptz") " AS retries,"
        "       " COUNT_DUE("FROM waybill.schedule_run WHERE NOT is_settled") " AS ended,"
        "       " MS_UNTIL("least((SELECT min(next_run_time) FROM waybill.export_schedule"
        "                          WHERE next_run_time > $1::timestamptz),"
        "                         (SELECT min(retry_time) FROM waybill.schedule_run"
        "                          WHERE retry_time > $1::timestamptz))") " AS wait_ms";
    char now_text[CLOCK_ISO8601_SIZE];
    const char *const values[] = {now_value(now_text, now)};
    struct db_result *row = db_query_prepared(db, DB_ONE_ROW, sql, ARRAY_SIZE(values), values, err);

    if (row == NULL)
        return false;
    *ret_outlook = (struct due_outlook) {
        .schedules = db_integer(row, 0, "schedules"),
        .retries = db_integer(row, 0, "retries"),
        .ended = db_integer(row, 0, "ended"),
        .wait_ms = db_is_null(row, 0, "wait_ms") ? INT64_MAX : db_integer(row, 0, "wait_ms"),
    };
    db_result_free(row);
    return true;
}

bool due_process(struct db *db, int64_t now, int64_t limit, const struct background *thread, int64_t *ret_started,
                 int64_t *ret_failed, struct error *err)
{
    struct cursor cursor = {.next_run_time = "-infinity", .schedule_id = "00000000-0000-0000-0000-000000000000"};
    struct result result;
    bool found = true;

    *ret_started = *ret_failed = 0;
    for (int64_t i = 0; i < limit && found && !background_is_stopping(thread); i++) {
        if (process_next_due(db, now, &cursor, &result, &found, err)) {
            *ret_started += *result.task_id != '\0';
        } else if (!found || err->code == ERROR_UNAVAILABLE) {
            return false;
        } else {
            ++*ret_failed;
            log_unstarted(&cursor, err);
        }
    }
    return true;
}
