#include "export/exporter.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "export/export_file.h"
#include "inventory/rows_csv.h"
#include "inventory/selection.h"
#include "metrics/counters.h"

#define FIRST_RENEWAL_MS 1000 /* soon: a change of the task just after its claim may not have been heard */
#define RENEW_PAUSE_MS 1000   /* between attempts to renew the lease, while the database can't be reached */
#define RECORD_PAUSE_MS 250   /* between attempts to write down how it ended */

/* An export under way. */
struct run {
    const struct exporter *exporter;
    struct claim *claim;
    struct export_file *file;
    int64_t started;      /* monotonic */
    int64_t next_renewal; /* monotonic */
    struct inventory_progress progress;
    bool inventory_is_new;
    bool inventory_was_dead; /* when the export began */
};

/* Whether the database could not be asked, so that asking again may help. */
static bool is_passing(const struct error *err)
{
    return err->code == ERROR_UNAVAILABLE || err->code == ERROR_TIMEOUT;
}

static bool renew_once(struct run *run, const struct inventory_progress *progress, struct error *err)
{
    const struct exporter *exporter = run->exporter;
    int64_t target = progress->expected > progress->rows ? progress->expected : progress->rows + 1;
    int percent = (int) (progress->rows * 99 / target);
    struct db *db = db_pool_take(exporter->tasks, err);
    bool held;

    if (db == NULL)
        return false;
    held = claim_renew(db, run->claim, &exporter->terms, percent, progress->rows, err);
    db_pool_give(exporter->tasks, db);
    return held;
}

/* Goes on without an answer from the database for as long as the lease lasts. */
static bool renew(struct run *run, const struct inventory_progress *progress, struct error *err)
{
    run->next_renewal = clock_monotonic_ms() + (int64_t) run->exporter->terms.lease * 1000 / 3;
    if (renew_once(run, progress, err))
        return true;
    if (!is_passing(err))
        return false;
    if (clock_monotonic_ms() >= run->claim->lease_end) {
        err->code = ERROR_LEASE; /* by now it may be another's */
        return false;
    }
    run->next_renewal = clock_monotonic_ms() + RENEW_PAUSE_MS;
    return true;
}

/* Whether the export may go on. Renews the lease when it is time, or when there is doubt. */
static bool may_go_on(void *context, const struct inventory_progress *progress, struct error *err)
{
    struct run *run = context;
    const struct exporter *exporter = run->exporter;
    int64_t now = clock_monotonic_ms();

    if (atomic_load(exporter->stop))
        return error_set(err, ERROR_CANCELLED, "the service is stopping");
    if (now - run->started > (int64_t) exporter->timeout * 1000)
        return error_set(err, ERROR_TIMEOUT, "the export took longer than the %d seconds it may", exporter->timeout);
    if (now < run->next_renewal && watch_wait(&run->claim->watch, 0) != WATCH_CHANGED)
        return true;
    return renew(run, progress, err);
}

static bool write_to_file(void *context, const char *data, size_t length, struct error *err)
{
    return export_file_write(context, data, length, err);
}

/* Runs the query into the file. */
static bool write_file(struct run *run, struct db *inventory, const struct selection *selection, struct error *err)
{
    const struct exporter *exporter = run->exporter;
    const struct inventory_query query = {
        .relation = exporter->relation,
        .project_id = run->claim->project_id,
        .enterprise_projects = run->claim->enterprise_projects,
        .selection = selection,
        .limit = run->claim->export_size,
    };
    const struct csv_output output = {write_to_file, run->file};
    const struct inventory_watcher watcher = {may_go_on, run};
    bool done = inventory_rows_csv(inventory, &query, &exporter->csv, &output, &watcher, &run->progress, err);

    run->inventory_was_dead = !done && !run->inventory_is_new && !run->progress.answered;
    return done;
}

/* Makes the file of the task and publishes it. */
static bool make_file(struct run *run, struct db *inventory, struct error *err)
{
    const struct exporter *exporter = run->exporter;
    const struct claim *claim = run->claim;
    struct selection *selection = selection_parse(claim->request, strlen(claim->request), err);
    bool done;

    if (selection == NULL)
        return false;
    run->file = export_file_begin(exporter->directory, claim->lease, exporter->gzip, err);
    done = run->file != NULL && write_file(run, inventory, selection, err);
    selection_free(selection);
    /* A process that was stopped for a while should find out before there is a file, not after. */
    return done && may_go_on(run, &run->progress, err) && export_file_publish(run->file, err);
}

static bool send_success(struct run *run, struct db *db, struct error *err)
{
    struct claim_outcome outcome = {
        .exported_rows = run->progress.rows,
        .truncated = run->progress.truncated,
        .file_size = export_file_size(run->file),
        .gzip_size = export_file_gzip_size(run->file),
        .retention_hours = run->exporter->retention_hours,
    };

    export_file_sha256(run->file, outcome.sha256);
    return claim_succeed(db, run->claim, &outcome, err);
}

/* Whether the export will be tried again. */
static bool is_handed_back(const struct run *run, const struct error *reason)
{
    if (reason->code == ERROR_UNAVAILABLE)
        return run->inventory_was_dead || run->claim->attempt < CLAIM_MAX_ATTEMPTS;
    return reason->code == ERROR_CANCELLED;
}

/* How the export ends if nothing comes between: `reason` is NULL for success. */
static enum exporter_end end_for(const struct run *run, const struct error *reason)
{
    if (reason == NULL)
        return EXPORTER_SUCCESS;
    if (reason->code == ERROR_LEASE)
        return EXPORTER_ABANDONED;
    return is_handed_back(run, reason) ? EXPORTER_REQUEUED : EXPORTER_FAILURE;
}

/* Has the database commit an end. */
static bool send_end(struct run *run, enum exporter_end end, const struct error *reason, struct error *err)
{
    struct db *db = db_pool_take(run->exporter->tasks, err);
    bool done;

    if (db == NULL)
        return false;
    atomic_store(&run->claim->ending, true);
    if (end == EXPORTER_SUCCESS)
        done = send_success(run, db, err);
    else if (end == EXPORTER_REQUEUED)
        done = claim_hand_back(db, run->claim, reason->code == ERROR_UNAVAILABLE && !run->inventory_was_dead, err);
    else
        done = claim_fail(db, run->claim, reason, err);
    db_pool_give(run->exporter->tasks, db);
    return done;
}

/* Asks the database how the export ended, after `sent` was not answered. False if it can't tell. */
static bool find_end(struct run *run, enum exporter_end sent, enum exporter_end *ret_end, struct error *err)
{
    struct db *db = db_pool_take(run->exporter->tasks, err);
    enum claim_fate fate;
    bool known;

    if (db == NULL)
        return false;
    known = claim_find_fate(db, run->claim, &fate, err);
    db_pool_give(run->exporter->tasks, db);
    if (!known)
        return false;
    if (fate == CLAIM_HELD)
        return error_set(err, ERROR_UNAVAILABLE, "the database has not committed the end of the export yet");
    if (fate == CLAIM_SUCCEEDED) {
        *ret_end = EXPORTER_SUCCESS;
    } else if ((fate == CLAIM_FAILED && sent == EXPORTER_FAILURE)
               || (fate == CLAIM_QUEUED && sent == EXPORTER_REQUEUED)) {
        *ret_end = sent;
    } else {
        *ret_end = EXPORTER_ABANDONED;
        error_set(err, ERROR_LEASE, "the task was taken over, cancelled or removed meanwhile");
    }
    return true;
}

/* Until when the end is recorded. The database alone knows what it has committed, even when the lease has run out. */
static int64_t record_deadline(const struct run *run)
{
    int64_t timeout = run->started + (int64_t) run->exporter->timeout * 1000;

    return timeout > run->claim->lease_end ? timeout : run->claim->lease_end;
}

/*
 * Writes down how the export ends: `end` for `reason`. Tries until the database says how it ended, which can be
 * otherwise, the time for an export is over, or the process stops.
 */
static bool record(struct run *run, enum exporter_end end, const struct error *reason, enum exporter_end *ret_end,
                   struct error *err)
{
    const struct timespec pause = {.tv_nsec = RECORD_PAUSE_MS * 1000000L};

    while (!send_end(run, end, reason, err)) {
        if ((is_passing(err) || err->code == ERROR_LEASE) && find_end(run, end, ret_end, err))
            return true;
        if (!is_passing(err) || clock_monotonic_ms() >= record_deadline(run) || atomic_load(run->exporter->stop))
            return false;
        nanosleep(&pause, NULL);
    }
    *ret_end = end;
    return true;
}

static void report(const struct run *run, enum exporter_end end, const struct error *reason)
{
    static const struct {
        const char *outcome;
        const char *event;
        enum log_level level;
    } ends[] = {
        [EXPORTER_SUCCESS] = {"success", "export succeeded", LOG_INFO},
        [EXPORTER_FAILURE] = {"failure", "export failed", LOG_ERROR},
        [EXPORTER_REQUEUED] = {"requeued", "export handed back", LOG_WARNING},
        [EXPORTER_ABANDONED] = {"abandoned", "export abandoned", LOG_WARNING},
    };
    int64_t size = run->file == NULL ? 0 : export_file_size(run->file);
    struct log_line line;

    counters_add(1, "waybill_exports_total{outcome=\"%s\"}", ends[end].outcome);
    if (end == EXPORTER_SUCCESS) {
        counters_add((double) run->progress.rows, "waybill_exported_rows_total");
        counters_add((double) size, "waybill_exported_bytes_total");
    }
    log_begin(&line, ends[end].level, ends[end].event);
    log_text(&line, "task_id", run->claim->task_id);
    log_text(&line, "request_id", run->claim->request_id);
    log_text(&line, "project_id", run->claim->project_id);
    log_number(&line, "attempt", run->claim->attempt);
    log_number(&line, "rows", run->progress.rows);
    log_number(&line, "bytes", size);
    log_number(&line, "ms", clock_monotonic_ms() - run->started);
    if (end != EXPORTER_SUCCESS)
        log_error(&line, reason);
    log_end(&line);
}

/* What a caller is told when the last attempt ended like the others. */
static void explain_last_attempt(const struct run *run, struct error *reason)
{
    struct error last = *reason;

    if (reason->code != ERROR_UNAVAILABLE || is_handed_back(run, reason))
        return;
    error_set(reason, ERROR_UNAVAILABLE,
              "the inventory could not be read in %d attempts, as the database can't be reached; create the export"
              " anew later",
              CLAIM_MAX_ATTEMPTS);
    error_detail(reason, "%s", last.detail);
}

static void log_unrecorded(const struct run *run, const struct error *err)
{
    struct log_line line;

    log_begin(&line, LOG_WARNING, "the end of the export was not recorded");
    log_text(&line, "task_id", run->claim->task_id);
    log_text(&line, "request_id", run->claim->request_id);
    log_error(&line, err);
    log_end(&line);
}

/*
 * Ends the export: `reason` is NULL for success. A published file is removed only when the database has said that its
 * name was given up: before that the task can still come to be a success with it. Housekeeping sees to what stays.
 */
static enum exporter_end finish(struct run *run, struct error *reason)
{
    enum exporter_end end = end_for(run, reason);
    struct error err;

    if (reason != NULL)
        explain_last_attempt(run, reason);
    if (end != EXPORTER_ABANDONED && !record(run, end, reason, &end, &err)) {
        if (reason == NULL && !is_passing(&err))
            return finish(run, &err); /* the database refuses it */
        end = EXPORTER_ABANDONED;
        log_unrecorded(run, &err);
    } else if (end != EXPORTER_SUCCESS && run->file != NULL) {
        export_file_unpublish(run->file);
    }
    report(run, end, reason != NULL ? reason : &err);
    return end;
}

enum exporter_end exporter_run(const struct exporter *exporter, struct db *inventory, bool inventory_is_new,
                               struct claim *claim)
{
    int64_t now = clock_monotonic_ms();
    struct run run = {
        .exporter = exporter,
        .claim = claim,
        .started = now,
        .next_renewal = now + FIRST_RENEWAL_MS,
        .inventory_is_new = inventory_is_new,
    };
    enum exporter_end end;
    struct error err;

    end = finish(&run, make_file(&run, inventory, &err) ? NULL : &err);
    export_file_free(run.file);
    return end;
}
