#include "export/counters.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/metrics.h"

/* In one statement, and in the order of the names, so that processes never wait for each other in a circle. */
static bool add(struct db *db, const struct metric *metrics, size_t count, struct error *err)
{
    static const char sql[] =
        "INSERT INTO waybill.counter AS total (name, value)"
        " SELECT name, amount FROM unnest($1::text[], $2::double precision[]) AS counted (name, amount)"
        " ORDER BY name COLLATE \"C\""
        " ON CONFLICT (name) DO UPDATE SET value = total.value + excluded.value";
    const char **names = memory_zeroed(count, sizeof(*names));
    struct buffer amounts = {0};
    char *name_list;
    bool added;

    for (size_t i = 0; i < count; i++) {
        names[i] = metrics[i].name;
        buffer_printf(&amounts, "%s%.17g", i == 0 ? "{" : ",", metrics[i].amount);
    }
    buffer_append_text(&amounts, "}");
    name_list = db_array_literal(names, count);
    added = db_execute(db, sql, 2, (const char *const[]) {name_list, buffer_text(&amounts)}, NULL, err);
    buffer_free(&amounts);
    free(name_list);
    free(names);
    return added;
}

bool counters_flush(struct db *db, struct error *err)
{
    size_t count;
    struct metric *metrics = metrics_take(&count);
    bool added = count == 0 || add(db, metrics, count, err);

    for (size_t i = 0; !added && i < count; i++)
        metrics_add(metrics[i].amount, "%s", metrics[i].name);
    free(metrics);
    return added;
}

bool counters_read(struct db *db, void (*each)(void *context, const char *name, const char *value), void *context,
                   struct error *err)
{
    struct db_result *rows = db_query(db, DB_ROWS, "SELECT name, value FROM waybill.counter ORDER BY name", 0, NULL,
                                      err);

    if (rows == NULL)
        return false;
    for (size_t i = 0; i < db_rows(rows); i++)
        each(context, db_text(rows, i, 0), db_text(rows, i, 1));
    db_result_free(rows);
    return true;
}

bool counters_read_gauges(struct db *db, struct counters_gauges *ret_gauges, struct error *err)
{
    static const char sql[] =
        /* Ended tasks come from a tally and the others from small indexes: a scrape must not read the whole history. */
        "SELECT queued.tasks, running.tasks, ended.success, ended.failure, queued.oldest, ended.file_bytes"
        " FROM (SELECT count(*) AS tasks, coalesce(extract(epoch FROM now() - min(create_time)), 0) AS oldest"
        "       FROM waybill.export_task WHERE state = 'queued') queued,"
        "      (SELECT count(*) AS tasks FROM waybill.export_task WHERE state = 'running') running,"
        "      (SELECT coalesce(sum(success), 0) AS success, coalesce(sum(failure), 0) AS failure,"
        "              coalesce(sum(file_bytes), 0) AS file_bytes"
        "       FROM waybill.ended_tally) ended";
    struct db_result *row = db_query(db, DB_ONE_ROW, sql, 0, NULL, err);

    if (row == NULL)
        return false;
    *ret_gauges = (struct counters_gauges) {
        .queued = db_integer(row, 0, 0),
        .running = db_integer(row, 0, 1),
        .success = db_integer(row, 0, 2),
        .failure = db_integer(row, 0, 3),
        .oldest_queued = strtod(db_text(row, 0, 4), NULL),
        .files_bytes = db_integer(row, 0, 5),
    };
    db_result_free(row);
    return true;
}
