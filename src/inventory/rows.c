#include "inventory/rows.h"

#include "base/clock.h"
#include "db/query.h"
#include "db/script.h"
#include "db/statement.h"
#include "inventory/combinations.h"
#include "inventory/contract.h"

#define ROWS_PER_LOOK 16 /* at the clock */

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
        if (progress->rows % ROWS_PER_LOOK == 0 && clock_monotonic_ms() >= transfer->next_call
            && !call_watcher(transfer, err))
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

/*
 * Begins the transaction and finds the combinations in it, in one round trip. If the columns of the relation are not
 * known to be usable, or have changed, sets *ret_unknown and fails.
 */
static bool begin_at_once(struct db *db, const struct inventory_query *query, const char *shape,
                          struct combinations *ret_combinations, bool *ret_unknown, struct error *err)
{
    struct statement script = {0};
    struct db_result *last;
    bool searches;

    *ret_unknown = !db_append_shape_check(db, shape, &script);
    if (*ret_unknown)
        return false;
    statement_append(&script, "; ");
    searches = combinations_append_search(&script, query->relation, query->project_id, query->enterprise_projects,
                                          query->selection);
    last = db_begin_snapshot_with(db, &script, err);
    statement_free(&script);
    if (last != NULL && searches)
        combinations_take(last, ret_combinations);
    *ret_unknown = last == NULL && err->code == ERROR_INTERNAL && db_is_usable(db);
    db_result_free(last);
    return last != NULL;
}

/*
 * The same, after a look into the catalog. The shape is remembered before, so that a change after the look is a change
 * of the shape.
 */
static bool begin_with_catalog(struct db *db, const struct inventory_query *query, const char *shape,
                               struct combinations *ret_combinations, bool *ret_answered, struct error *err)
{
    db_forget_shape(db, shape);
    *ret_answered = db_remember_shape(db, shape, err) || db_is_usable(db);
    if (!*ret_answered)
        return false;
    /* If the relation or a column does not exist, the catalog tells which. */
    if (db_begin_snapshot(db, err)
        && contract_check_query(db, query, err)
        && combinations_find(db, query->relation, query->project_id, query->enterprise_projects, query->selection,
                             ret_combinations, err))
        return true;
    db_rollback(db);
    db_forget_shape(db, shape);
    return false;
}

/* Begins the transaction, and builds the query with the combinations that the snapshot has. */
static bool begin_query(struct db *db, const struct inventory_query *query, struct statement *statement,
                        bool *ret_answered, struct error *err)
{
    struct inventory_query complete = *query;
    struct combinations combinations = {0};
    struct statement shape = {0};
    bool unknown, begun;

    contract_append_shape(&shape, query);
    begun = begin_at_once(db, query, buffer_text(&shape.sql), &combinations, &unknown, err);
    *ret_answered = begun || db_is_usable(db);
    if (unknown)
        begun = begin_with_catalog(db, query, buffer_text(&shape.sql), &combinations, ret_answered, err);
    statement_free(&shape);
    if (!begun)
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
    done = begin_query(db, query, &statement, &progress->answered, err)
           && (stream = db_stream_begin(db, &statement, err)) != NULL
           && transfer_rows(&transfer, stream, err);
    db_stream_end(stream);
    db_watch(db, NULL, NULL);
    if (!done)
        db_rollback(db);
    statement_free(&statement);
    return done;
}
