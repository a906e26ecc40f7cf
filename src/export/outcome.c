#include "export/outcome.h"

#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "metrics/counters.h"

#define RECORD_PAUSE_MS 250 /* between attempts to record the end */

static bool commit_success(const struct attempt *attempt, struct db *db, struct error *err)
{
    struct claim_outcome outcome = {
        .exported_rows = attempt->progress.rows,
        .truncated = attempt->progress.truncated,
        .file_size = export_file_size(attempt->file),
        .gzip_size = export_file_gzip_size(attempt->file),
        .retention_hours = attempt->retention_hours,
    };

    export_file_sha256(attempt->file, outcome.sha256);
    return claim_succeed(db, attempt->claim, &outcome, err);
}

/* Whether the export will be tried again. */
static bool will_be_requeued(const struct attempt *attempt, const struct error *reason)
{
    if (reason->code == ERROR_UNAVAILABLE)
        return attempt->connection_was_dead || attempt->claim->attempt < CLAIM_MAX_ATTEMPTS;
    return reason->code == ERROR_CANCELLED;
}

/* Returns the intended outcome of the attempt: `reason` is NULL for success. */
static enum outcome decide_end(const struct attempt *attempt, const struct error *reason)
{
    if (reason == NULL)
        return OUTCOME_SUCCESS;
    if (reason->code == ERROR_LEASE)
        return OUTCOME_ABANDONED;
    return will_be_requeued(attempt, reason) ? OUTCOME_REQUEUED : OUTCOME_FAILURE;
}

/* Whether the attempt of a requeued task counts. */
static bool attempt_counts(const struct attempt *attempt, const struct error *reason)
{
    return reason->code == ERROR_UNAVAILABLE && !attempt->connection_was_dead;
}

/* Commits an outcome. */
static bool commit_end(const struct attempt *attempt, enum outcome end, const struct error *reason, struct error *err)
{
    struct db *db = db_pool_acquire(attempt->tasks, err);
    bool done;

    if (db == NULL)
        return false;
    atomic_store(&attempt->claim->ending, true);
    if (end == OUTCOME_SUCCESS)
        done = commit_success(attempt, db, err);
    else if (end == OUTCOME_REQUEUED)
        done = claim_requeue(db, attempt->claim, attempt_counts(attempt, reason), err);
    else
        done = claim_fail(db, attempt->claim, reason, err);
    db_pool_release(attempt->tasks, db);
    return done;
}

/* Asks the database how the export ended, after the response to `sent` was lost. Returns false if it cannot tell. */
static bool find_recorded_end(const struct attempt *attempt, enum outcome sent, enum outcome *ret_end,
                              struct error *err)
{
    struct db *db = db_pool_acquire(attempt->tasks, err);
    enum claim_fate fate;
    bool known;

    if (db == NULL)
        return false;
    known = claim_find_fate(db, attempt->claim, &fate, err);
    db_pool_release(attempt->tasks, db);
    if (!known)
        return false;
    if (fate == CLAIM_HELD)
        return error_set(err, ERROR_UNAVAILABLE, "the database has not committed the end of the export yet");
    if (fate == CLAIM_SUCCEEDED) {
        *ret_end = OUTCOME_SUCCESS;
    } else if ((fate == CLAIM_FAILED && sent == OUTCOME_FAILURE)
               || (fate == CLAIM_QUEUED && sent == OUTCOME_REQUEUED)) {
        *ret_end = sent;
    } else {
        *ret_end = OUTCOME_ABANDONED;
        error_set(err, ERROR_LEASE, "the task was claimed by another process, cancelled or removed meanwhile");
    }
    return true;
}

/*
 * Returns the time at which to stop trying. Only the database knows what it has committed, even after the lease has
 * expired.
 */
static int64_t record_deadline(const struct attempt *attempt)
{
    return attempt->deadline > attempt->claim->lease_end ? attempt->deadline : attempt->claim->lease_end;
}

/*
 * Records that the export ends with `end`, for `reason`. Tries until the database knows how the export ended, which
 * can be another end, until the deadline, or until the process stops.
 */
static bool record_end(const struct attempt *attempt, enum outcome end, const struct error *reason,
                       enum outcome *ret_end, struct error *err)
{
    const struct timespec pause = {.tv_nsec = RECORD_PAUSE_MS * 1000000L};

    while (!commit_end(attempt, end, reason, err)) {
        if ((error_is_transient(err) || err->code == ERROR_LEASE) && find_recorded_end(attempt, end, ret_end, err))
            return true;
        if (!error_is_transient(err) || clock_monotonic_ms() >= record_deadline(attempt) || atomic_load(attempt->stop))
            return false;
        nanosleep(&pause, NULL);
    }
    *ret_end = end;
    return true;
}

static void report_end(const struct attempt *attempt, enum outcome end, const struct error *reason)
{
    static const struct {
        const char *outcome;
        const char *event;
        enum log_level level;
    } ends[] = {
        [OUTCOME_SUCCESS] = {"success", "export succeeded", LOG_INFO},
        [OUTCOME_FAILURE] = {"failure", "export failed", LOG_ERROR},
        [OUTCOME_REQUEUED] = {"requeued", "export requeued", LOG_WARNING},
        [OUTCOME_ABANDONED] = {"abandoned", "export abandoned", LOG_WARNING},
    };
    int64_t size = attempt->file == NULL ? 0 : export_file_size(attempt->file);
    struct log_line line;

    counters_add(1, "waybill_exports_total{outcome=\"%s\"}", ends[end].outcome);
    if (end == OUTCOME_SUCCESS) {
        counters_add((double) attempt->progress.rows, "waybill_exported_rows_total");
        counters_add((double) size, "waybill_exported_bytes_total");
    }
    log_begin(&line, ends[end].level, ends[end].event);
    log_text(&line, "task_id", attempt->claim->task_id);
    log_text(&line, "request_id", attempt->claim->request_id);
    log_text(&line, "project_id", attempt->claim->project_id);
    log_number(&line, "attempt", attempt->claim->attempt);
    log_number(&line, "rows", attempt->progress.rows);
    log_number(&line, "bytes", size);
    log_number(&line, "ms", clock_monotonic_ms() - attempt->started);
    if (end != OUTCOME_SUCCESS)
        log_error(&line, reason);
    log_end(&line);
}

/* Replaces the message if the database was lost in every attempt. */
static void explain_last_attempt(struct error *reason)
{
    struct error last = *reason;

    error_set(reason, ERROR_UNAVAILABLE,
              "the inventory could not be read in %d attempts, because the database is unreachable; create the export"
              " again later",
              CLAIM_MAX_ATTEMPTS);
    error_detail(reason, "%s", last.detail);
}

static void log_unrecorded(const struct attempt *attempt, const struct error *err)
{
    struct log_line line;

    log_begin(&line, LOG_WARNING, "the end of the export was not recorded");
    log_text(&line, "task_id", attempt->claim->task_id);
    log_text(&line, "request_id", attempt->claim->request_id);
    log_error(&line, err);
    log_end(&line);
}

enum outcome outcome_settle(const struct attempt *attempt, const struct error *reason)
{
    enum outcome end = decide_end(attempt, reason);
    struct error told, err;

    if (end == OUTCOME_FAILURE && reason->code == ERROR_UNAVAILABLE) {
        told = *reason;
        explain_last_attempt(&told);
        reason = &told;
    }
    if (end != OUTCOME_ABANDONED && !record_end(attempt, end, reason, &end, &err)) {
        if (reason == NULL && !error_is_transient(&err))
            return outcome_settle(attempt, &err); /* the database rejects the success */
        end = OUTCOME_ABANDONED;
        log_unrecorded(attempt, &err);
    } else if (end != OUTCOME_SUCCESS && attempt->file != NULL) {
        /* Not earlier: until the database has recorded another end, the task can still succeed with this file. */
        export_file_unpublish(attempt->file);
    }
    report_end(attempt, end, reason != NULL ? reason : &err);
    return end;
}
