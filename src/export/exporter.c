#include "export/exporter.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/statement.h"
#include "export/export_file.h"
#include "export/inventory_query.h"
#include "export/request.h"

#define TICK_MS 1000        /* how often a running export looks up */
#define RECORD_PAUSE_MS 500 /* between attempts to write down how it ended */

/* An export under way. */
struct run {
    const struct exporter *exporter;
    const struct task_claim *claim;
    struct export_request *request;
    struct export_file *file;
    int64_t started;  /* monotonic, like the other two */
    int64_t next_tick;
    int64_t next_renewal;
    int64_t expected; /* the planner's guess of the rows */
    int64_t rows;
    bool truncated;
};

static bool renew(struct run *run, struct error *err)
{
    const struct exporter *exporter = run->exporter;
    int64_t target = run->expected > run->rows ? run->expected : run->rows + 1;
    struct db *db = db_pool_take(exporter->tasks, err);
    bool held;

    if (db == NULL)
        return false;
    held = task_renew(db, run->claim, exporter->lease, (int) (run->rows * 99 / target), run->rows, err);
    db_pool_give(exporter->tasks, db);
    return held;
}

/* What a running export does once a second: stop if it must, renew the lease and show its progress. */
static bool tick(struct run *run, struct error *err)
{
    const struct exporter *exporter = run->exporter;
    int64_t now = clock_monotonic_ms();

    if (now < run->next_tick)
        return true;
    run->next_tick = now + TICK_MS;
    if (atomic_load(exporter->stop))
        return error_set(err, ERROR_CANCELLED, "the service is stopping");
    if (now - run->started > (int64_t) exporter->timeout * 1000)
        return error_set(err, ERROR_TIMEOUT, "the export took longer than the %d seconds it may", exporter->timeout);
    if (now < run->next_renewal)
        return true;
    run->next_renewal = now + (int64_t) exporter->lease * 1000 / 3;
    return renew(run, err);
}

static bool to_file(void *context, const char *data, size_t length, struct error *err)
{
    return export_file_write(context, data, length, err);
}

static bool write_header(struct csv_writer *csv, const struct export_request *request, struct error *err)
{
    for (size_t i = 0; i < request->header_count; i++)
        csv_writer_field(csv, COLUMN_TEXT, request->headers[i].name, strlen(request->headers[i].name));
    return csv_writer_end_line(csv, err);
}

/* Copies rows from the stream to the file until the stream ends or export_size is reached. */
static bool copy_rows(struct run *run, struct db_stream *stream, struct csv_writer *csv, struct error *err)
{
    const struct export_request *request = run->request;
    struct db_row row;

    for (;;) {
        if (!tick(run, err))
            return false;
        switch (db_stream_next(stream, TICK_MS, &row, err)) {
        case DB_STREAM_WAITING:
            continue;
        case DB_STREAM_FAILED:
            return false;
        case DB_STREAM_END:
            return true;
        case DB_STREAM_ROW:
            break;
        }
        if (run->rows == run->claim->export_size) {
            run->truncated = true; /* the query asks for one row more than the file may have */
            continue;
        }
        for (size_t i = 0; i < request->header_count; i++)
            csv_writer_field(csv, request->headers[i].column->type, row.fields[i].data, row.fields[i].length);
        if (!csv_writer_end_line(csv, err))
            return false;
        run->rows++;
    }
}

static bool write_file(struct run *run, struct db *inventory, const struct statement *query, struct error *err)
{
    struct db_stream *stream = NULL;
    struct csv_writer csv;
    bool done;

    csv_writer_begin(&csv, &run->exporter->csv, to_file, run->file);
    done = write_header(&csv, run->request, err)
           && db_estimate_rows(inventory, query, &run->expected, err)
           && (stream = db_stream_begin(inventory, query, err)) != NULL
           && copy_rows(run, stream, &csv, err)
           && csv_writer_flush(&csv, err);
    db_stream_end(stream);
    csv_writer_end(&csv);
    return done;
}

static bool record_success(struct run *run, struct error *err)
{
    struct task_outcome outcome = {
        .exported_rows = run->rows,
        .truncated = run->truncated,
        .file_id = export_file_id(run->file),
        .file_size = export_file_size(run->file),
        .retention_hours = run->exporter->retention_hours,
    };
    struct db *db = db_pool_take(run->exporter->tasks, err);
    bool recorded;

    if (db == NULL)
        return false;
    export_file_sha256(run->file, outcome.sha256);
    recorded = task_succeed(db, run->claim, &outcome, err);
    db_pool_give(run->exporter->tasks, db);
    return recorded;
}

/* The whole of it but for the recording of a failure. */
static bool export_rows(struct run *run, struct db *inventory, struct error *err)
{
    const struct exporter *exporter = run->exporter;
    const struct task_claim *claim = run->claim;
    const struct inventory_scope scope = {exporter->relation, claim->project_id, claim->enterprise_projects};
    struct statement query = {0};
    bool done = false;

    run->request = export_request_parse(claim->request, strlen(claim->request), err);
    if (run->request == NULL)
        return false;
    run->file = export_file_begin(exporter->directory, err);
    if (run->file == NULL)
        return false;

    inventory_query_build(&query, &scope, run->request, (int64_t) claim->export_size + 1);
    done = write_file(run, inventory, &query, err) && export_file_publish(run->file, err);
    statement_free(&query);
    if (!done || record_success(run, err))
        return done;

    /* A commit whose answer was lost may have happened: then the file must stay. */
    if (err->code != ERROR_UNAVAILABLE && err->code != ERROR_TIMEOUT)
        export_file_unpublish(run->file);
    return false;
}

static bool record_failure(const struct exporter *exporter, const struct task_claim *claim, const struct error *reason,
                           struct error *err)
{
    struct db *db = db_pool_take(exporter->tasks, err);
    bool recorded;

    if (db == NULL)
        return false;
    if (reason->code == ERROR_CANCELLED)
        recorded = task_hand_back(db, claim, false, err);
    else if (reason->code == ERROR_UNAVAILABLE && claim->attempt < TASK_MAX_ATTEMPTS)
        recorded = task_hand_back(db, claim, true, err);
    else
        recorded = task_fail(db, claim, reason, err);
    db_pool_give(exporter->tasks, db);
    return recorded;
}

/* Tries until the database takes it, the lease can no longer be held, or the process stops. */
static void record_failure_in_time(struct run *run, const struct error *reason)
{
    const struct exporter *exporter = run->exporter;
    int64_t deadline = clock_monotonic_ms() + (int64_t) exporter->lease * 1000;
    const struct timespec pause = {.tv_nsec = RECORD_PAUSE_MS * 1000000L};
    struct log_line line;
    struct error err;

    while (!record_failure(exporter, run->claim, reason, &err)) {
        bool again = err.code == ERROR_UNAVAILABLE && clock_monotonic_ms() < deadline && !atomic_load(exporter->stop);

        if (again) {
            nanosleep(&pause, NULL);
            continue;
        }
        log_begin(&line, LOG_WARNING, "the end of the export was not recorded");
        log_text(&line, "task_id", run->claim->task_id);
        log_error(&line, &err);
        log_end(&line);
        return;
    }
}

static void log_end_of_run(const struct run *run, const struct error *reason)
{
    struct log_line line;

    if (reason == NULL)
        log_begin(&line, LOG_INFO, "export succeeded");
    else
        log_begin(&line, reason->code == ERROR_CANCELLED ? LOG_WARNING : LOG_ERROR, "export failed");
    log_text(&line, "task_id", run->claim->task_id);
    log_text(&line, "request_id", run->claim->request_id);
    log_number(&line, "attempt", run->claim->attempt);
    log_number(&line, "rows", run->rows);
    log_number(&line, "ms", clock_monotonic_ms() - run->started);
    if (reason != NULL)
        log_error(&line, reason);
    log_end(&line);
}

void exporter_run(const struct exporter *exporter, struct db *inventory, const struct task_claim *claim)
{
    int64_t now = clock_monotonic_ms();
    struct run run = {
        .exporter = exporter,
        .claim = claim,
        .started = now,
        .next_tick = now + TICK_MS,
        .next_renewal = now + (int64_t) exporter->lease * 1000 / 3,
    };
    struct error reason;

    if (export_rows(&run, inventory, &reason)) {
        log_end_of_run(&run, NULL);
    } else {
        log_end_of_run(&run, &reason);
        record_failure_in_time(&run, &reason);
    }
    export_file_free(run.file);
    export_request_free(run.request);
}
