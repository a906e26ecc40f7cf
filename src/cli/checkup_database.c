/* The part of `waybill check` that asks PostgreSQL. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/checkup.h"
#include "cli/cli.h"
#include "db/migrations.h"
#include "db/settings.h"
#include "inventory/filters.h"
#include "inventory/query.h"

#define OLDEST_SERVER 150000
#define LAG_SECONDS 60
#define CLOCK_MS 2000

static struct db_result *ask(struct db *db, const char *sql, struct error *err)
{
    return db_query(db, DB_ONE_ROW, sql, 0, NULL, err);
}

static void check_connection(struct checkup *checkup)
{
    static const char sql[] =
        "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), current_user,"
        " pg_is_in_recovery()";
    struct db_result *row;
    struct error err;

    checkup->db = cli_open_service(checkup->config, &err);
    row = checkup->db == NULL ? NULL : ask(checkup->db, sql, &err);
    if (row == NULL)
        checkup_say_error(checkup, FINDING_FAILED, "database", &err, "see [database] conninfo and pg_hba.conf");
    else if (db_integer(row, 0, 0) < OLDEST_SERVER)
        checkup_say(checkup, FINDING_FAILED, "database", "PostgreSQL %s: it must be 15 or later", db_text(row, 0, 1));
    else if (db_boolean(row, 0, 3))
        checkup_say(checkup, FINDING_FAILED, "database",
                    "PostgreSQL %s is a standby, and tasks need the primary: name it in [database] conninfo, or add"
                    " target_session_attrs=read-write", db_text(row, 0, 1));
    else
        checkup_say(checkup, FINDING_OK, "database", "PostgreSQL %s, as %s", db_text(row, 0, 1), db_text(row, 0, 2));
    db_result_free(row);
}

static void check_schema(struct checkup *checkup)
{
    struct migrations_difference difference;
    struct error err;

    if (!migrations_compare(checkup->db, checkup->sql_dir, &difference, &err))
        checkup_say_error(checkup, FINDING_FAILED, "schema", &err, "run `waybill migrate`");
    else if (difference.missing[0] != '\0')
        checkup_say(checkup, FINDING_FAILED, "schema", "it lacks %s: run `waybill migrate`", difference.missing);
    else if (difference.unknown[0] != '\0')
        checkup_say(checkup, FINDING_WARNING, "schema", "it has %s, which this version doesn't know: install the newer"
                    " version here too", difference.unknown);
    else
        checkup_say(checkup, FINDING_OK, "schema", "as this version wants it: %s", difference.newest);
}

/* What the service does to the tables, and what it must not be able to do. */
static void check_rights(struct checkup *checkup)
{
    static const char sql[] =
        "WITH needed (name, privilege) AS (VALUES"
        "    ('waybill.access_token', 'SELECT'),"
        "    ('waybill.export_task', 'SELECT'), ('waybill.export_task', 'INSERT'),"
        "    ('waybill.export_task', 'UPDATE'), ('waybill.export_task', 'DELETE'),"
        "    ('waybill.discarded_file', 'SELECT'), ('waybill.discarded_file', 'INSERT'),"
        "    ('waybill.discarded_file', 'DELETE'),"
        "    ('waybill.counter', 'SELECT'), ('waybill.counter', 'INSERT'), ('waybill.counter', 'UPDATE'),"
        "    ('waybill.task_tally', 'SELECT'), ('waybill.task_tally', 'INSERT'),"
        "    ('waybill.task_tally', 'UPDATE'), ('waybill.task_tally', 'DELETE'),"
        "    ('waybill.ended_tally', 'SELECT'), ('waybill.ended_tally', 'INSERT'),"
        "    ('waybill.ended_tally', 'UPDATE'), ('waybill.ended_tally', 'DELETE')"
        ")"
        " SELECT (SELECT string_agg(privilege || ' on ' || name, ', ') FROM needed"
        "         WHERE has_table_privilege(to_regclass(name), privilege) IS NOT TRUE),"
        "        (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)"
        "        OR has_schema_privilege('waybill', 'CREATE')"
        "        OR has_table_privilege('waybill.access_token', 'INSERT, UPDATE, DELETE'),"
        "        current_user";
    struct error err;
    struct db_result *row = ask(checkup->db, sql, &err);

    if (row == NULL)
        checkup_say_error(checkup, FINDING_FAILED, "rights", &err, "run `waybill migrate`");
    else if (!db_is_null(row, 0, 0))
        checkup_say(checkup, FINDING_FAILED, "rights", "%s lacks %s: connect as waybill_service or a member of it",
                    db_text(row, 0, 2), db_text(row, 0, 0));
    else if (db_boolean(row, 0, 1))
        checkup_say(checkup, FINDING_WARNING, "rights", "%s may do more than the service needs: let it connect as"
                    " waybill_service, and run this as the service's user", db_text(row, 0, 2));
    else
        checkup_say(checkup, FINDING_OK, "rights", "%s may do what the service does, and no more", db_text(row, 0, 2));
    db_result_free(row);
}

/* A selection that names every column and every filter, so that each is tried. */
static struct selection *selection_of_all(struct error *err)
{
    struct selection *selection;
    struct buffer body = {0};

    buffer_append_text(&body, "{");
    for (size_t i = 0; i < FILTER_COUNT; i++) {
        const struct filter *filter = &filters[i];
        const char *value = filter->kind == FILTER_BOOLEAN      ? "true"
                            : filter->kind == FILTER_TIME_RANGE ? "{\"start_time\":0,\"end_time\":0}"
                                                                : "\"1*\"";

        if (filter->kind == FILTER_CHOICE)
            buffer_printf(&body, "\"%s\":\"%s\",", filter->name, filter->choices[0]);
        else
            buffer_printf(&body, "\"%s\":%s,", filter->name, value);
    }
    buffer_append_text(&body, "\"export_headers\":[");
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        buffer_printf(&body, "%s[\"%s\",\"%s\"]", i == 0 ? "" : ",", columns[i].key, columns[i].key);
    buffer_append_text(&body, "]}");
    selection = selection_parse(buffer_text(&body), body.length, err);
    buffer_free(&body);
    return selection;
}

/* Has the server plan an export with all columns and filters: it needs them all to be there, and readable. */
static bool try_inventory(struct db *db, const char *relation, struct error *err)
{
    const struct inventory_scope scope = {.relation = relation, .project_id = "check"};
    struct selection *selection = selection_of_all(err);
    struct statement query = {0};
    int64_t rows;
    bool planned;

    if (selection == NULL)
        return false;
    inventory_query_build(&query, &scope, selection, 1);
    planned = db_estimate_rows(db, &query, &rows, err);
    statement_free(&query);
    selection_free(selection);
    return planned;
}

static void say_inventory(struct checkup *checkup, struct db *db)
{
    static const char sql[] =
        "SELECT current_setting('server_version'), pg_is_in_recovery(),"
        " CASE WHEN pg_is_in_recovery() AND pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()"
        "      THEN coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::bigint ELSE 0 END";
    const char *relation = checkup->config->relation;
    struct error err;
    struct db_result *row = ask(db, sql, &err);

    if (row == NULL)
        checkup_say_error(checkup, FINDING_FAILED, "inventory", &err, NULL);
    else if (!db_boolean(row, 0, 1))
        checkup_say(checkup, FINDING_OK, "inventory", "%s, readable", relation);
    else if (db_integer(row, 0, 2) > LAG_SECONDS)
        checkup_say(checkup, FINDING_WARNING, "inventory", "%s on a standby that is %" PRId64 " seconds behind: see to"
                    " its replication", relation, db_integer(row, 0, 2));
    else
        checkup_say(checkup, FINDING_OK, "inventory", "%s on a standby, readable", relation);
    db_result_free(row);
}

static void check_inventory(struct checkup *checkup)
{
    const struct db_settings settings = db_settings_for_inventory(checkup->config);
    struct error err;
    struct db *db = db_open(&settings, &err);

    if (db == NULL)
        checkup_say_error(checkup, FINDING_FAILED, "inventory", &err, "see [inventory] conninfo");
    else if (!try_inventory(db, checkup->config->relation, &err))
        checkup_say_error(checkup, FINDING_FAILED, "inventory", &err, "[inventory] relation needs the columns of"
                          " waybill.container, and the service's role the right to read it");
    else
        say_inventory(checkup, db);
    db_close(db);
}

static void check_owner(struct checkup *checkup)
{
    static const char sql[] =
        "SELECT current_user, pg_has_role(current_user, (SELECT nspowner FROM pg_catalog.pg_namespace"
        " WHERE nspname = 'waybill'), 'USAGE')";
    struct error err;
    struct db *db = cli_open_owner(checkup->config, &err);
    struct db_result *row = db == NULL ? NULL : ask(db, sql, &err);

    if (row == NULL)
        checkup_say_error(checkup, FINDING_WARNING, "owner", &err, "`waybill migrate` and `waybill token` work only"
                          " where [database] owner_conninfo does, and for who may use it");
    else if (!db_boolean(row, 0, 1))
        checkup_say(checkup, FINDING_WARNING, "owner", "%s does not own the schema: `waybill migrate` and `waybill"
                    " token` need waybill_owner in [database] owner_conninfo", db_text(row, 0, 0));
    else
        checkup_say(checkup, FINDING_OK, "owner", "%s", db_text(row, 0, 0));
    db_result_free(row);
    db_close(db);
}

/* How far this host's clock is from the server's. Nothing breaks by it, but times in answers and logs don't match. */
static void check_clock(struct checkup *checkup)
{
    static const char sql[] = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    int64_t before = clock_now_ms();
    struct error err;
    struct db_result *row = ask(checkup->db, sql, &err);
    int64_t after = clock_now_ms();
    int64_t ahead;

    if (row == NULL) {
        checkup_say_error(checkup, FINDING_FAILED, "clock", &err, NULL);
        return;
    }
    ahead = (before + after) / 2 - db_integer(row, 0, 0);
    db_result_free(row);
    if (llabs(ahead) - (after - before) / 2 > CLOCK_MS)
        checkup_say(checkup, FINDING_WARNING, "clock", "%" PRId64 " ms %s that of the database: have both hosts follow"
                    " NTP", (int64_t) llabs(ahead), ahead > 0 ? "ahead of" : "behind");
    else
        checkup_say(checkup, FINDING_OK, "clock", "within %d ms of that of the database", CLOCK_MS);
}

void checkup_database(struct checkup *checkup)
{
    check_connection(checkup);
    if (checkup->db == NULL) {
        static const char *const subjects[] = {"schema", "rights", "clock"};

        for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
            checkup_say(checkup, FINDING_SKIPPED, subjects[i], "there is no connection to the database");
    } else {
        check_schema(checkup);
        check_rights(checkup);
        check_clock(checkup);
    }
    check_inventory(checkup);
    check_owner(checkup);
    db_close(checkup->db);
    checkup->db = NULL;
}
