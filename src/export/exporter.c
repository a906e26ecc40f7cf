#include "export/exporter.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "db/scope.h"
#include "export/export_file.h"
#include "inventory/rows_csv.h"
#include "inventory/selection.h"

#define FIRST_RENEWAL_MS 1000 /* early, because a change between the claim and watch_begin is not reported */
#define RENEW_PAUSE_MS 1000   /* between attempts to renew the lease, while the database is unreachable */

/* A running export. */
struct run {
    const struct exporter *exporter;
    struct attempt attempt;
    bool inventory_is_new;
    int64_t next_renewal; /* monotonic */
};

static bool try_to_renew(struct run *run, const struct inventory_progress *progress, struct error *err)
{
    const struct exporter *exporter = run->exporter;
    int percent = (int) (progress->rows * 99 / run->attempt.claim->export_size);
    struct db *db = db_pool_acquire(exporter->tasks, err);
    bool held;

    if (db == NULL)
        return false;
    held = claim_renew(db, run->attempt.claim, percent, progress->rows, err);
    db_pool_release(exporter->tasks, db);
    return held;
}

/* Renews the lease. If the database does not respond, the export continues until the lease expires. */
static bool renew_lease(struct run *run, const struct inventory_progress *progress, struct error *err)
{
    run->next_renewal = clock_monotonic_ms() + (int64_t) run->exporter->terms.lease * 1000 / 3;
    if (try_to_renew(run, progress, err))
        return true;
    if (!error_is_transient(err))
        return false;
    if (clock_monotonic_ms() >= run->attempt.claim->lease_end) {
        err->code = ERROR_LEASE; /* another process may have claimed the task */
        return false;
    }
    run->next_renewal = clock_monotonic_ms() + RENEW_PAUSE_MS;
    return true;
}

/* Whether the task of the claim has changed since the last call. */
static bool has_changed(struct claim *claim)
{
    enum watch_event event = watch_wait(&claim->watch, 0);

    return event == WATCH_CHANGED || event == WATCH_ENDED;
}

/* Checks whether the export may continue. Renews the lease when this is due or the task has changed. */
static bool may_continue(void *context, const struct inventory_progress *progress, struct error *err)
{
    struct run *run = context;
    const struct exporter *exporter = run->exporter;
    int64_t now = clock_monotonic_ms();

    if (atomic_load(exporter->stop))
        return error_set(err, ERROR_CANCELLED, "the service is stopping");
    if (now > run->attempt.deadline)
        return error_set(err, ERROR_TIMEOUT, "the export exceeded its time limit of %d seconds", exporter->timeout);
    if (now < run->next_renewal && !has_changed(run->attempt.claim))
        return true;
    return renew_lease(run, progress, err);
}

/*
 * Checks again whether the export may continue, so that a process that was suspended does not publish the file of a
 * lost lease. Waits until the claim is durable.
 */
static bool may_publish(struct run *run, struct error *err)
{
    const struct timespec pause = {.tv_sec = RENEW_PAUSE_MS / 1000};
    const struct inventory_progress *progress = &run->attempt.progress;

    for (;;) {
        if (!claim_is_durable(run->attempt.claim))
            run->next_renewal = clock_monotonic_ms();
        if (!may_continue(run, progress, err))
            return false;
        if (claim_is_durable(run->attempt.claim))
            return true;
        nanosleep(&pause, NULL); /* the database is unreachable */
    }
}

static bool write_to_file(void *context, const char *data, size_t length, struct error *err)
{
    return export_file_write(context, data, length, err);
}

/* Writes the rows of the query to the file. */
static bool write_file(struct run *run, struct db *inventory, const struct selection *selection, struct error *err)
{
    const struct exporter *exporter = run->exporter;
    struct attempt *attempt = &run->attempt;
    const struct inventory_query query = {
        .relation = exporter->relation,
        .project_id = attempt->claim->project_id,
        .enterprise_projects = attempt->claim->enterprise_projects,
        .selection = selection,
        .limit = attempt->claim->export_size,
    };
    const struct csv_output output = {write_to_file, attempt->file};
    const struct inventory_watcher watcher = {may_continue, run};
    bool done = inventory_rows_csv(inventory, &query, &exporter->csv, &output, &watcher, &attempt->progress, err);

    attempt->connection_was_dead = !run->inventory_is_new && !attempt->progress.answered;
    return done;
}

/* Creates the file of the task and publishes it. */
static bool make_file(struct run *run, struct db *inventory, struct error *err)
{
    const struct exporter *exporter = run->exporter;
    struct attempt *attempt = &run->attempt;
    const struct claim *claim = attempt->claim;
    struct selection *selection = selection_parse(claim->request, strlen(claim->request), err);
    bool done;

    if (selection == NULL)
        return false;
    attempt->file = export_file_begin(exporter->directory, claim->lease, exporter->gzip, err);
    done = attempt->file != NULL && write_file(run, inventory, selection, err);
    selection_free(selection);
    return done && may_publish(run, err) && export_file_publish(attempt->file, err);
}

enum outcome exporter_run(const struct exporter *exporter, struct db *inventory, bool inventory_is_new,
                          struct claim *claim)
{
    int64_t now = clock_monotonic_ms();
    struct run run = {
        .exporter = exporter,
        .attempt = {
            .claim = claim,
            .tasks = exporter->tasks,
            .stop = exporter->stop,
            .retention_hours = exporter->retention_hours,
            .started = now,
            .deadline = now + (int64_t) exporter->timeout * 1000,
        },
        .inventory_is_new = inventory_is_new,
        .next_renewal = now + FIRST_RENEWAL_MS,
    };
    enum outcome outcome;
    struct error err;

    db_set_scope(inventory, claim->project_id, claim->enterprise_projects);
    outcome = outcome_settle(&run.attempt, make_file(&run, inventory, &err) ? NULL : &err);
    export_file_free(run.attempt.file);
    return outcome;
}
