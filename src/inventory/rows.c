#include "inventory/rows.h"

#include "base/clock.h"
#include "db/plan.h"
#include "db/query.h"
#include "db/statement.h"
#include "inventory/combinations.h"
#include "inventory/contract.h"

/* A transfer of rows from the connection to the sink. */
struct transfer {
    const struct inventory_sink *sink;
    const struct inventory_watcher *watcher; /* may be NULL */
    struct inventory_progress *progress;
    int64_t limit;
    int64_t next_call; /* of the watcher, monotonic */
};

static bool call_watcher(void *context, struct error *err)
{
    struct transfer *transfer = context;
    const struct inventory_watcher *watcher = transfer->watcher;

    transfer->next_call = clock_monotonic_ms() + DB_WATCH_MS;
    return watcher == NULL || watcher->may_continue(watcher->context, transfer->progress, err);
}

/* Passes rows to the sink until the stream ends. */
static bool transfer_rows(struct transfer *transfer, struct db_stream *stream, struct error *err)
{
    const struct inventory_sink *sink = transfer->sink;
    struct inventory_progress *progress = transfer->progress;
    struct db_row row;

    for (;;) {
        if (clock_monotonic_ms() >= transfer->next_call && !call_watcher(transfer, err))
            return false;
        switch (db_stream_next(stream, &row, err)) {
        case DB_STREAM_FAILED:
            return false;
        case DB_STREAM_END:
            return true;
        case DB_STREAM_ROW:
            break;
        }
        if (transfer->limit > 0 && progress->rows == transfer->limit) {
            progress->truncated = true; /* the query can return one row more than its limit */
            continue;
        }
        if (!sink->consume_row(sink->context, &row, err))
            return false;
        progress->rows++;
    }
}

/* Builds the query in the transaction of the connection, with the combinations that the snapshot has. */
static bool build_query(struct db *db, const struct inventory_query *query, struct statement *statement,
                        struct error *err)
{
    struct inventory_query complete = *query;
    struct combinations combinations;

    if (!combinations_find(db, query->relation, query->project_id, query->enterprise_projects, query->selection,
                           &combinations, err))
        return false;
    complete.combinations = &combinations;
    inventory_query_build(statement, &complete);
    combinations_free(&combinations);
    return true;
}

bool inventory_rows(struct db *db, const struct inventory_query *query, const struct inventory_sink *sink,
                    const struct inventory_watcher *watcher, struct inventory_progress *progress, struct error *err)
{
    struct transfer transfer = {
        .sink = sink,
        .watcher = watcher,
        .progress = progress,
        .limit = query->limit,
        .next_call = clock_monotonic_ms() + DB_WATCH_MS,
    };
    struct statement statement = {0};
    struct db_stream *stream = NULL;
    bool done;

    *progress = (struct inventory_progress) {0};
    db_watch(db, call_watcher, &transfer);
    progress->answered = db_begin_snapshot(db, err);
    done = progress->answered
           && contract_check_query(db, query, err)
           && build_query(db, query, &statement, err)
           && db_estimate_rows(db, &statement, &progress->expected, err)
           && (stream = db_stream_begin(db, &statement, err)) != NULL
           && transfer_rows(&transfer, stream, err);
    db_stream_end(stream);
    done = done && db_commit(db, err);
    db_watch(db, NULL, NULL);
    if (!done)
        db_rollback(db);
    statement_free(&statement);
    return done;
}
