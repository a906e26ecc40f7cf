/*
 * The inventory: whether exports can read its relation, how far a standby lags behind the primary, and what its rows
 * contain.
 */
#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "cli/checkup.h"
#include "db/plan.h"
#include "db/query.h"
#include "db/settings.h"
#include "inventory/census.h"
#include "inventory/columns.h"
#include "inventory/combinations.h"
#include "inventory/contract.h"
#include "inventory/filters.h"
#include "inventory/query.h"
#include "inventory/record.h"

#define LAG_SECONDS 60 /* of a standby: a larger lag is a warning */
#define MAX_SCOPES 20  /* lines about enterprise projects */
#define MAX_VALUES 5   /* examples of values that no filter can select, at most MAX_SCOPES */
#define COUNT_MS 60000 /* the time limit for counting the rows */

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

/*
 * Looks up the combinations for an export with all columns and filters, and plans it without running it. Fails if the
 * view or a table of it is damaged, or if the role may not read the combinations.
 */
static bool try_inventory(struct db *db, const char *relation, struct error *err)
{
    struct selection *selection = selection_of_all(err);
    struct combinations combinations = {0};
    const struct inventory_query query = {
        .relation = relation,
        .project_id = "check",
        .selection = selection,
        .combinations = &combinations,
        .limit = 1,
    };
    struct statement statement = {0};
    int64_t rows;
    bool planned;

    if (selection == NULL)
        return false;
    planned = combinations_find(db, relation, query.project_id, NULL, selection, &combinations, err);
    if (planned) {
        inventory_query_build(&statement, &query);
        planned = db_estimate_rows(db, &statement, &rows, err);
    }
    combinations_free(&combinations);
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

/* Adds a finding for each problem. Returns false if there are any, or if the catalog cannot be read. */
static bool check_contract(struct checkup *checkup, struct db *db)
{
    struct contract_result result;
    struct error err;
    bool fulfilled;

    if (!contract_compare(db, checkup->config->relation, &result, &err)) {
        checkup_add_error(checkup, FINDING_FAILED, "inventory", &err, "see the log of PostgreSQL");
        return false;
    }
    for (size_t i = 0; i < result.count; i++)
        checkup_add(checkup, FINDING_FAILED, "inventory", "%s", result.problems[i].text);
    fulfilled = result.count == 0;
    contract_free(&result);
    return fulfilled;
}

/* The lines about counted rows. */
struct tally {
    struct checkup *checkup;
    bool has_rows;
    struct census_entry last; /* of the entries that are in a line; its texts are not valid */
    int64_t line_rows;        /* number of rows of these entries of the same filter */
    struct buffer values;     /* of the filter */
    bool only_known;          /* each of them is a valid value of the column */
};

/* Adds a line about the enterprise projects beyond the limit. */
static void finish_scopes(struct tally *tally)
{
    const struct census_entry *last = &tally->last;

    if (last->entries > last->rank)
        checkup_add(tally->checkup, FINDING_OK, "rows", "%" PRId64 " more enterprise projects with %" PRId64 " rows",
                    last->entries - last->rank, last->total_rows - tally->line_rows);
}

/* Adds a line about the values of a filter. */
static void finish_values(struct tally *tally)
{
    const struct census_entry *last = &tally->last;

    if (last->entries > last->rank)
        buffer_printf(&tally->values, " and %" PRId64 " more (%" PRId64 " rows)", last->entries - last->rank,
                      last->total_rows - tally->line_rows);
    if (tally->only_known)
        checkup_add(tally->checkup, FINDING_OK, "values", "valid in %s, but selected by no filter: %s",
                    last->filter->name, buffer_text(&tally->values));
    else
        checkup_add(tally->checkup, FINDING_WARNING, "values", "%s has values that no filter can select: %s: use those"
                    " of waybill-inventory(7) instead", last->filter->name, buffer_text(&tally->values));
    buffer_clear(&tally->values);
}

/* Adds the line that is due before an entry of another filter, or at the end. */
static void finish_entries(struct tally *tally)
{
    if (!tally->has_rows)
        return;
    if (tally->last.filter == NULL)
        finish_scopes(tally);
    else
        finish_values(tally);
}

static void tally_scope(struct tally *tally, const struct census_entry *entry)
{
    struct checkup *checkup = tally->checkup;

    if (entry->value == NULL)
        checkup_add(checkup, FINDING_WARNING, "rows", "project_id is NULL: %" PRId64 " rows, which no export contains:"
                    " set project_id", entry->rows);
    else if (entry->enterprise_project_id == NULL)
        checkup_add(checkup, FINDING_WARNING, "rows", "project %s, enterprise_project_id is NULL: %" PRId64 " rows,"
                    " which only exports of all enterprise projects contain: set enterprise_project_id", entry->value,
                    entry->rows);
    else
        checkup_add(checkup, FINDING_OK, "rows", "project %s, enterprise project %s: %" PRId64, entry->value,
                    entry->enterprise_project_id, entry->rows);
}

static void tally_value(struct tally *tally, const struct census_entry *entry)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    if (entry->rank == 1)
        tally->only_known = true;
    if (!record_is_choice(record_find(entry->filter->name, strlen(entry->filter->name)), entry->value))
        tally->only_known = false;
    buffer_printf(&tally->values, "%s%s (%" PRId64 " rows)", entry->rank == 1 ? "" : ", ",
                  text_excerpt(excerpt, entry->value, strlen(entry->value)), entry->rows);
}

static void tally_entry(void *context, const struct census_entry *entry)
{
    struct tally *tally = context;

    if (entry->filter != NULL && entry->rank > MAX_VALUES)
        return;
    if (entry->rank == 1) {
        finish_entries(tally);
        tally->line_rows = 0;
    }
    if (entry->filter == NULL)
        tally_scope(tally, entry);
    else
        tally_value(tally, entry);
    tally->last = *entry;
    tally->line_rows += entry->rows;
    tally->has_rows = true;
}

static void skip_counts(struct checkup *checkup, const char *reason)
{
    checkup_add(checkup, FINDING_SKIPPED, "rows", "%s", reason);
    checkup_add(checkup, FINDING_SKIPPED, "values", "%s", reason);
}

/* Whether row level security hides rows of the inventory from the role of the connection. */
static bool find_restriction(struct db *db, bool *ret_restricted, struct error *err)
{
    struct db_result *row = db_query(db, DB_ONE_ROW, "SELECT row_security_active('waybill.container') AS restricted", 0,
                                     NULL, err);

    if (row == NULL)
        return false;
    *ret_restricted = db_boolean(row, 0, "restricted");
    db_result_free(row);
    return true;
}

/* Counts the rows of all projects. A role that sees only one project counts them as waybill_worker. */
static bool count_all_rows(struct checkup *checkup, struct db *db, const struct db_settings *settings,
                           const struct census_reader *reader, struct error *err)
{
    const char *relation = checkup->config->relation;
    struct db_settings worker = *settings;
    bool restricted = false, counted;
    struct db *other;

    if (combinations_exist(relation) && !find_restriction(db, &restricted, err))
        return false;
    if (!restricted)
        return census_take(db, relation, MAX_SCOPES, reader, err);
    worker.role = db_settings_for_worker(checkup->config).role;
    other = db_open(&worker, err);
    counted = other != NULL && census_take(other, NULL, MAX_SCOPES, reader, err);
    db_close(other);
    return counted;
}

/* Counts the rows, even if some columns are not usable. */
static void check_rows(struct checkup *checkup, struct db *db, const struct db_settings *settings)
{
    struct tally tally = {.checkup = checkup};
    const struct census_reader reader = {tally_entry, &tally};
    struct error err;

    if (checkup->no_counts) {
        skip_counts(checkup, "--no-counts was given");
    } else if (!count_all_rows(checkup, db, settings, &reader, &err)) {
        skip_counts(checkup, err.code == ERROR_TIMEOUT ? "counting the rows takes too long: use --no-counts"
                                                       : "the rows cannot be counted");
    } else {
        finish_entries(&tally);
        if (!tally.has_rows)
            checkup_add(checkup, FINDING_OK, "rows", "none");
        if (!tally.has_rows || tally.last.filter == NULL)
            checkup_add(checkup, FINDING_OK, "values", "each can be selected by a filter");
    }
    buffer_free(&tally.values);
}

void checkup_inventory(struct checkup *checkup)
{
    struct db_settings settings = db_settings_for_inventory(checkup->config);
    struct error err;
    struct db *db;

    if (settings.query_timeout_ms > COUNT_MS)
        settings.query_timeout_ms = COUNT_MS;
    db = db_open(&settings, &err);
    if (db == NULL) {
        checkup_add_error(checkup, FINDING_FAILED, "inventory", &err, "see [inventory] conninfo");
        skip_counts(checkup, "there is no connection to the inventory");
        return;
    }
    if (check_contract(checkup, db)) {
        if (try_inventory(db, checkup->config->relation, &err))
            report_inventory(checkup, db);
        else
            checkup_add_error(checkup, FINDING_FAILED, "inventory", &err, "the relation or a table that it needs does"
                              " not work: correct it, its privileges, or [inventory] relation");
    }
    check_rows(checkup, db, &settings);
    db_close(db);
}
