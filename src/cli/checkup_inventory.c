/* The inventory: whether exports can read its relation, and how far a standby lags behind the primary. */
#include <inttypes.h>

#include "base/buffer.h"
#include "cli/checkup.h"
#include "db/plan.h"
#include "db/query.h"
#include "db/settings.h"
#include "inventory/columns.h"
#include "inventory/filters.h"
#include "inventory/query.h"

#define LAG_SECONDS 60 /* of a standby: a larger lag is a warning */

/* Appends a value that is valid for the filter, as JSON. */
static void append_filter_value(struct buffer *body, const struct filter *filter)
{
    switch (filter->kind) {
    case FILTER_BOOLEAN:
        buffer_append_text(body, "true");
        break;
    case FILTER_CHOICE:
        buffer_printf(body, "\"%s\"", filter->choices[0]);
        break;
    case FILTER_TIME_RANGE:
        buffer_append_text(body, "{\"start_time\":0,\"end_time\":0}");
        break;
    case FILTER_NAME:
    case FILTER_QUANTITY:
        buffer_append_text(body, "\"1*\"");
        break;
    }
}

/* Returns a selection that has every column and every filter. */
static struct selection *selection_of_all(struct error *err)
{
    struct selection *selection;
    struct buffer body = {0};

    buffer_append_text(&body, "{");
    for (size_t i = 0; i < FILTER_COUNT; i++) {
        buffer_printf(&body, "\"%s\":", filters[i].name);
        append_filter_value(&body, &filters[i]);
        buffer_append_text(&body, ",");
    }
    buffer_append_text(&body, "\"export_headers\":[");
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        buffer_printf(&body, "%s[\"%s\",\"%s\"]", i == 0 ? "" : ",", columns[i].key, columns[i].key);
    buffer_append_text(&body, "]}");
    selection = selection_parse(buffer_text(&body), body.length, err);
    buffer_free(&body);
    return selection;
}

/* Plans an export with all columns and filters, without running it. Fails unless all columns exist and are readable. */
static bool try_inventory(struct db *db, const char *relation, struct error *err)
{
    struct selection *selection = selection_of_all(err);
    const struct inventory_query query = {
        .relation = relation,
        .project_id = "check",
        .selection = selection,
        .limit = 1,
    };
    struct statement statement = {0};
    int64_t rows;
    bool planned;

    if (selection == NULL)
        return false;
    inventory_query_build(&statement, &query);
    planned = db_estimate_rows(db, &statement, &rows, err);
    statement_free(&statement);
    selection_free(selection);
    return planned;
}

static void report_inventory(struct checkup *checkup, struct db *db)
{
    static const char sql[] =
        "SELECT pg_is_in_recovery() AS is_standby,"
        " CASE WHEN pg_is_in_recovery() AND pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()"
        "      THEN coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::bigint ELSE 0 END AS lag";
    const char *relation = checkup->config->relation;
    struct error err;
    struct db_result *row = db_query(db, DB_ONE_ROW, sql, 0, NULL, &err);

    if (row == NULL)
        checkup_add_error(checkup, FINDING_FAILED, "inventory", &err, "see the log of PostgreSQL");
    else if (!db_boolean(row, 0, "is_standby"))
        checkup_add(checkup, FINDING_OK, "inventory", "%s, readable", relation);
    else if (db_integer(row, 0, "lag") > LAG_SECONDS)
        checkup_add(checkup, FINDING_WARNING, "inventory", "%s on a standby that is %" PRId64 " seconds behind: check"
                    " its replication", relation, db_integer(row, 0, "lag"));
    else
        checkup_add(checkup, FINDING_OK, "inventory", "%s on a standby, readable", relation);
    db_result_free(row);
}

void checkup_inventory(struct checkup *checkup)
{
    const struct db_settings settings = db_settings_for_inventory(checkup->config);
    struct error err;
    struct db *db = db_open(&settings, &err);

    if (db == NULL)
        checkup_add_error(checkup, FINDING_FAILED, "inventory", &err, "see [inventory] conninfo");
    else if (!try_inventory(db, checkup->config->relation, &err))
        checkup_add_error(checkup, FINDING_FAILED, "inventory", &err, "[inventory] relation must have the columns of"
                          " waybill.container, and the role of the service needs SELECT on it");
    else
        report_inventory(checkup, db);
    db_close(db);
}
