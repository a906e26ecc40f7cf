#include "metrics/totals.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "db/failure.h"
#include "db/query.h"
#include "metrics/counters.h"

/* Adds the failures that src/db has counted. src/db must not depend on the counters of this directory. */
static void count_database_failures(void)
{
    for (int code = 0; code < ERROR_CODE_COUNT; code++) {
        uint64_t failures = db_failures_take((enum error_code) code);

        if (failures > 0)
            counters_add((double) failures, "waybill_database_errors_total{reason=\"%s\"}",
                         error_info((enum error_code) code)->name);
    }
}

/* Adds all counters in one statement, in the order of their names, so that processes cannot deadlock. */
static bool add_to_totals(struct db *db, const struct counter *counters, size_t count, struct error *err)
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
        names[i] = counters[i].name;
        buffer_printf(&amounts, "%s%.17g", i == 0 ? "{" : ",", counters[i].amount);
    }
    buffer_append_text(&amounts, "}");
    name_list = db_array_literal(names, count);
    added = db_execute(db, sql, 2, (const char *const[]) {name_list, buffer_text(&amounts)}, NULL, err);
    buffer_free(&amounts);
    free(name_list);
    free(names);
    return added;
}

/* Adds the counters to those in memory again, all at once. */
static void put_back(const struct counter *counters, size_t count)
{
    counters_begin();
    for (size_t i = 0; i < count; i++)
        counters_add(counters[i].amount, "%s", counters[i].name);
    counters_end();
}

bool totals_flush(struct db *db, struct error *err)
{
    struct counter *counters;
    size_t count;
    bool added;

    count_database_failures();
    counters = counters_take(&count);
    added = count == 0 || add_to_totals(db, counters, count, err);
    if (!added)
        put_back(counters, count);
    free(counters);
    return added;
}

bool totals_read(struct db *db, void (*each)(void *context, const char *name, const char *value), void *context,
                 struct error *err)
{
    struct db_result *rows = db_query(db, DB_ROWS, "SELECT name, value FROM waybill.counter ORDER BY name", 0, NULL,
                                      err);

    if (rows == NULL)
        return false;
    for (size_t i = 0; i < db_rows(rows); i++)
        each(context, db_text(rows, i, "name"), db_text(rows, i, "value"));
    db_result_free(rows);
    return true;
}

bool totals_read_gauges(struct db *db, struct totals_gauges *ret_gauges, struct error *err)
{
    struct db_result *row = db_query(db, DB_ONE_ROW, "SELECT * FROM waybill.gauges()", 0, NULL, err);

    if (row == NULL)
        return false;
    *ret_gauges = (struct totals_gauges) {
        .queued = db_integer(row, 0, "queued"),
        .running = db_integer(row, 0, "running"),
        .success = db_integer(row, 0, "success"),
        .failure = db_integer(row, 0, "failure"),
        .oldest_queued = strtod(db_text(row, 0, "oldest_queued"), NULL),
        .oldest_due = strtod(db_text(row, 0, "oldest_due"), NULL),
        .files_bytes = db_integer(row, 0, "file_bytes"),
    };
    db_result_free(row);
    return true;
}
