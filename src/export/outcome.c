#include "export/outcome.h"

#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "metrics/counters.h"

#define RECORD_PAUSE_MS 250 /* between attempts to record the outcome */

static bool commit_success(const struct attempt *attempt, struct db *db, struct error *err)
{
    struct claim_outcome values = {
        .exported_rows = attempt->progress.rows,
        .truncated = attempt->progress.truncated,
        .file_size = export_file_size(attempt->file),
        .gzip_size = export_file_gzip_size(attempt->file),
        .retention_hours = attempt->retention_hours,
    };

    export_file_sha256(attempt->file, values.sha256);
    return claim_succeed(db, attempt->claim, &values, err);
}

/* Whether the export will be tried again. */
static bool will_be_requeued(const struct attempt *attempt, const struct error *reason)
{
    if (reason->code == ERROR_UNAVAILABLE)
        return attempt->connection_was_dead || attempt->claim->attempt < CLAIM_MAX_ATTEMPTS;
    return reason->code == ERROR_CANCELLED;
}

/* Returns the intended outcome of the attempt: `reason` is NULL for success. */
static enum outcome decide_outcome(const struct attempt *attempt, const struct error *reason)
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

static bool commit_outcome(const struct attempt *attempt, enum outcome outcome, const struct error *reason,
                           struct error *err)
{
    struct db *db = db_pool_acquire(attempt->tasks, err);
    bool done;

    if (db == NULL)
        return false;
    atomic_store(&attempt->claim->ending, true);
    if (outcome == OUTCOME_SUCCESS)
        done = commit_success(attempt, db, err);
    else if (outcome == OUTCOME_REQUEUED)
        done = claim_requeue(db, attempt->claim, attempt_counts(attempt, reason), err);
    else
        done = claim_fail(db, attempt->claim, reason, err);
    db_pool_release(attempt->tasks, db);
    return done;
}

/*
 * Reads which outcome the database has recorded, after the response to `sent` was lost. Returns false if this is not
 * known yet. *err is set if the outcome is OUTCOME_ABANDONED.
 */
static bool find_recorded_outcome(const struct attempt *attempt, enum outcome sent, enum outcome *ret_outcome,
                                  struct error *err)
{
    struct db *db = db_pool_acquire(attempt->tasks, err);
    enum claim_state state;
    bool known;

    if (db == NULL)
        return false;
    known = claim_find_state(db, attempt->claim, &state, err);
    db_pool_release(attempt->tasks, db);
    if (!known)
        return false;
    if (state == CLAIM_HELD)
        return error_set(err, ERROR_UNAVAILABLE, "the database has not committed the outcome of the export yet");
    if (state == CLAIM_SUCCEEDED) {
        *ret_outcome = OUTCOME_SUCCESS;
    } else if ((state == CLAIM_FAILED && sent == OUTCOME_FAILURE)
               || (state == CLAIM_QUEUED && sent == OUTCOME_REQUEUED)) {
        *ret_outcome = sent;
    } else {
        *ret_outcome = OUTCOME_ABANDONED;
        error_set(err, ERROR_LEASE, "the task was claimed by another process, cancelled or removed");
    }
    return true;
}

/*
 * Returns the time at which to stop retrying. It can be later than the end of the lease, because only the database
 * knows which outcome it has committed.
 */
static int64_t record_deadline(const struct attempt *attempt)
{
    return attempt->deadline > attempt->claim->lease_end ? attempt->deadline : attempt->claim->lease_end;
}

/*
 * Records the outcome of the export and its reason. Retries until an outcome is recorded, which may be a different one
 * (*ret_outcome), until the deadline, or until the process stops.
 */
static bool record_outcome(const struct attempt *attempt, enum outcome outcome, const struct error *reason,
                           enum outcome *ret_outcome, struct error *err)
{
    const struct timespec pause = {.tv_nsec = RECORD_PAUSE_MS * 1000000L};

    while (!commit_outcome(attempt, outcome, reason, err)) {
        if ((error_is_transient(err) || err->code == ERROR_LEASE)
            && find_recorded_outcome(attempt, outcome, ret_outcome, err))
            return true;
        if (!error_is_transient(err) || clock_monotonic_ms() >= record_deadline(attempt) || atomic_load(attempt->stop))
            return false;
        nanosleep(&pause, NULL);
    }
    *ret_outcome = outcome;
    return true;
}

static void report_outcome(const struct attempt *attempt, enum outcome outcome, const struct error *reason)
{
    static const struct {
        const char *label;
        const char *event;
        enum log_level level;
    } outcomes[] = {
        [OUTCOME_SUCCESS] = {"success", "export succeeded", LOG_INFO},
        [OUTCOME_FAILURE] = {"failure", "export failed", LOG_ERROR},
        [OUTCOME_REQUEUED] = {"requeued", "export requeued", LOG_WARNING},
        [OUTCOME_ABANDONED] = {"abandoned", "export abandoned", LOG_WARNING},
    };
    int64_t size = attempt->file == NULL ? 0 : export_file_size(attempt->file);
    struct log_line line;

    counters_begin();
    counters_add(1, "waybill_exports_total{outcome=\"%s\"}", outcomes[outcome].label);
    if (outcome == OUTCOME_SUCCESS) {
        counters_add((double) attempt->progress.rows, "waybill_exported_rows_total");
        counters_add((double) size, "waybill_exported_bytes_total");
    }
    counters_end();
    log_begin(&line, outcomes[outcome].level, outcomes[outcome].event);
    log_text(&line, "task_id", attempt->claim->task_id);
    log_text(&line, "request_id", attempt->claim->request_id);
    log_text(&line, "project_id", attempt->claim->project_id);
    log_number(&line, "attempt", attempt->claim->attempt);
    log_number(&line, "rows", attempt->progress.rows);
    log_number(&line, "bytes", size);
    log_number(&line, "ms", clock_monotonic_ms() - attempt->started);
    if (outcome != OUTCOME_SUCCESS)
        log_error(&line, reason);
    log_end(&line);
}

/* Replaces the message of the last attempt, in which the database was unreachable. */
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

    log_begin(&line, LOG_WARNING, "the outcome of the export was not recorded");
    log_text(&line, "task_id", attempt->claim->task_id);
    log_text(&line, "request_id", attempt->claim->request_id);
    log_error(&line, err);
    log_end(&line);
}

enum outcome outcome_settle(const struct attempt *attempt, const struct error *reason)
{
    enum outcome outcome = decide_outcome(attempt, reason);
    struct error explained, err;

    if (outcome == OUTCOME_FAILURE && reason->code == ERROR_UNAVAILABLE) {
        explained = *reason;
        explain_last_attempt(&explained);
        reason = &explained;
    }
    if (outcome != OUTCOME_ABANDONED && !record_outcome(attempt, outcome, reason, &outcome, &err)) {
        if (reason == NULL && !error_is_transient(&err))
            return outcome_settle(attempt, &err); /* the database rejects the success, so record a failure */
        outcome = OUTCOME_ABANDONED;
        log_unrecorded(attempt, &err);
    } else if (outcome != OUTCOME_SUCCESS && attempt->file != NULL) {
        /* Not earlier: until the database has recorded another outcome, the task can still succeed with this file. */
        export_file_unpublish(attempt->file);
    }
    report_outcome(attempt, outcome, reason != NULL ? reason : &err);
    return outcome;
}
