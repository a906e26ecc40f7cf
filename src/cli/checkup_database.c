/* The database of the tasks: its version, schema, privileges and clock, and the owner's connection. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/checkup.h"
#include "cli/cli.h"
#include "db/migrations.h"
#include "db/query.h"

#define OLDEST_SERVER 150000 /* server_version_num */
#define CLOCK_MS 2000        /* a larger difference is a warning */

static struct db_result *query_row(struct db *db, const char *sql, struct error *err)
{
    return db_query(db, DB_ONE_ROW, sql, 0, NULL, err);
}

/* Returns the connection of the service, or NULL. */
static struct db *check_connection(struct checkup *checkup)
{
    static const char sql[] =
        "SELECT current_setting('server_version_num')::integer AS number, current_setting('server_version') AS version,"
        " current_user AS role, pg_is_in_recovery() AS is_standby";
    struct error err;
    struct db *db = cli_open_service(checkup->config, NULL, &err);
    struct db_result *row = db == NULL ? NULL : query_row(db, sql, &err);

    if (row == NULL)
        checkup_add_error(checkup, FINDING_FAILED, "database", &err, "see [database] conninfo and pg_hba.conf");
    else if (db_integer(row, 0, "number") < OLDEST_SERVER)
        checkup_add(checkup, FINDING_FAILED, "database", "PostgreSQL %s is too old: version 15 or later is required",
                    db_text(row, 0, "version"));
    else if (db_boolean(row, 0, "is_standby"))
        checkup_add(checkup, FINDING_FAILED, "database",
                    "PostgreSQL %s is a standby, but tasks require the primary: specify it in [database] conninfo, or"
                    " add target_session_attrs=read-write", db_text(row, 0, "version"));
    else
        checkup_add(checkup, FINDING_OK, "database", "PostgreSQL %s, as %s", db_text(row, 0, "version"),
                    db_text(row, 0, "role"));
    db_result_free(row);
    return db;
}

static void check_schema_version(struct checkup *checkup, struct db *db)
{
    struct migrations_difference difference;
    struct error err;

    if (!migrations_compare(db, checkup->sql_dir, &difference, &err))
        checkup_add_error(checkup, FINDING_FAILED, "schema", &err, "run `waybill migrate`");
    else if (difference.missing[0] != '\0')
        checkup_add(checkup, FINDING_FAILED, "schema", "%s is not applied: run `waybill migrate`", difference.missing);
    else if (difference.unknown[0] != '\0')
        checkup_add(checkup, FINDING_WARNING, "schema", "%s is applied, but unknown to this version: install the"
                    " newer version on this host", difference.unknown);
    else
        checkup_add(checkup, FINDING_OK, "schema", "up to date: %s", difference.newest);
}

/*
 * Selects the privileges that the role lacks, of a list of tables and functions. It may have a privilege on a table or,
 * if it is not DELETE, on columns of it.
 */
#define MISSING(needs)                                                                                              \
    "(SELECT string_agg(privilege || ' on ' || name, ', ')"                                                          \
    " FROM (SELECT 'waybill.' || name, unnest(privileges) FROM (VALUES " needs ") AS listed (name, privileges))"     \
    "      AS needed (name, privilege)"                                                                              \
    " WHERE CASE privilege WHEN 'EXECUTE' THEN has_function_privilege(to_regprocedure(name), privilege)"             \
    "                      WHEN 'DELETE' THEN has_table_privilege(to_regclass(name), privilege)"                     \
    "                      ELSE has_any_column_privilege(to_regclass(name), privilege) END IS NOT TRUE)"             \
    " AS missing, current_user AS role"

/* Adds a finding if the role of the connection lacks privileges. Returns whether it has them. */
static bool has_privileges(struct checkup *checkup, const struct db_result *row)
{
    if (db_is_null(row, 0, "missing"))
        return true;
    checkup_add(checkup, FINDING_FAILED, "privileges",
                "%s lacks %s: connect as waybill_service or as a member of it, and run `waybill migrate`",
                db_text(row, 0, "role"), db_text(row, 0, "missing"));
    return false;
}

/* Checks the role that the service becomes for work that serves all projects. */
static bool check_worker(struct checkup *checkup)
{
    static const char sql[] = "SELECT " MISSING(
        "('credential', '{SELECT}'::text[]),"
        "('export_task', '{SELECT,INSERT,UPDATE,DELETE}'),"
        "('discarded_file', '{SELECT,DELETE}'),"
        "('idempotency_key', '{SELECT,UPDATE,DELETE}'),"
        "('counter', '{SELECT,INSERT,UPDATE}'),"
        "('task_tally', '{SELECT,INSERT,UPDATE,DELETE}'),"
        "('ended_tally', '{SELECT,INSERT,UPDATE,DELETE}'),"
        "('export_schedule', '{SELECT,UPDATE}'),"
        "('schedule_run', '{SELECT,INSERT,UPDATE,DELETE}'),"
        "('notification', '{SELECT,INSERT,UPDATE,DELETE}'),"
        "('unfinished_tasks(bigint)', '{EXECUTE}'),"
        "('running_exports(bigint)', '{EXECUTE}'),"
        "('inventory_census()', '{EXECUTE}')");
    struct error err;
    struct db *db = cli_open_worker(checkup->config, &err);
    struct db_result *row = db == NULL ? NULL : query_row(db, sql, &err);
    bool good = row != NULL && has_privileges(checkup, row);

    if (row == NULL)
        checkup_add_error(checkup, FINDING_FAILED, "privileges", &err, "connect as waybill_service or as a member of"
                          " it, run setup.sql again, and then `waybill migrate`");
    db_result_free(row);
    db_close(db);
    return good;
}

/* Checks that the role has the privileges that requests need. Warns if it has more. */
static void check_privileges(struct checkup *checkup, struct db *db)
{
    static const char sql[] = "SELECT " MISSING(
        "('credential', '{SELECT,UPDATE}'::text[]),"
        "('export_task', '{SELECT,INSERT,UPDATE,DELETE}'),"
        "('idempotency_key', '{SELECT,INSERT,UPDATE}'),"
        "('counter', '{SELECT,INSERT,UPDATE}'),"
        "('task_tally', '{SELECT}'),"
        "('export_schedule', '{SELECT,INSERT,UPDATE,DELETE}'),"
        "('schedule_run', '{SELECT,INSERT,UPDATE}'),"
        "('notification', '{SELECT,UPDATE,DELETE}'),"
        "('unfinished_tasks(bigint)', '{EXECUTE}'),"
        "('running_exports(bigint)', '{EXECUTE}'),"
        "('gauges()', '{EXECUTE}')")
        ", NOT row_security_active('waybill.export_task')"
        "  OR pg_has_role(current_user, 'waybill_worker', 'USAGE')"
        "  OR has_schema_privilege('waybill', 'CREATE')"
        "  OR has_table_privilege('waybill.credential', 'INSERT, UPDATE, DELETE') AS has_more";
    struct error err;
    struct db_result *row = query_row(db, sql, &err);

    if (row == NULL) {
        checkup_add_error(checkup, FINDING_FAILED, "privileges", &err, "run setup.sql again, and then `waybill"
                          " migrate`");
    } else if (has_privileges(checkup, row) && check_worker(checkup)) {
        if (db_boolean(row, 0, "has_more"))
            checkup_add(checkup, FINDING_WARNING, "privileges", "%s has more privileges than the service needs, and may"
                        " see the rows of all projects: connect as waybill_service, and run this command as the user"
                        " of the service", db_text(row, 0, "role"));
        else
            checkup_add(checkup, FINDING_OK, "privileges", "%s has exactly the privileges that the service needs",
                        db_text(row, 0, "role"));
    }
    db_result_free(row);
}

/* Compares the clocks of this host and of the server. A difference only affects the times in logs. */
static void check_clock(struct checkup *checkup, struct db *db)
{
    static const char sql[] = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";
    int64_t before = clock_now_ms();
    struct error err;
    struct db_result *row = query_row(db, sql, &err);
    int64_t after = clock_now_ms();
    int64_t ahead;

    if (row == NULL) {
        checkup_add_error(checkup, FINDING_FAILED, "clock", &err, "see the log of PostgreSQL");
        return;
    }
    ahead = (before + after) / 2 - db_integer(row, 0, "now");
    db_result_free(row);
    if (llabs(ahead) - (after - before) / 2 > CLOCK_MS)
        checkup_add(checkup, FINDING_WARNING, "clock", "the clock of this host is %" PRId64 " ms %s that of the"
                    " database: synchronize both hosts with NTP", (int64_t) llabs(ahead),
                    ahead > 0 ? "ahead of" : "behind");
    else
        checkup_add(checkup, FINDING_OK, "clock", "within %d ms of the clock of the database", CLOCK_MS);
}

void checkup_database(struct checkup *checkup)
{
    struct db *db = check_connection(checkup);

    if (db == NULL) {
        static const char *const subjects[] = {"schema", "privileges", "clock"};

        for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
            checkup_add(checkup, FINDING_SKIPPED, subjects[i], "there is no connection to the database");
    } else {
        check_schema_version(checkup, db);
        check_privileges(checkup, db);
        check_clock(checkup, db);
    }
    db_close(db);
}

void checkup_owner(struct checkup *checkup)
{
    static const char sql[] =
        "SELECT current_user AS role, pg_has_role(current_user, (SELECT nspowner FROM pg_catalog.pg_namespace"
        " WHERE nspname = 'waybill'), 'USAGE') AS is_owner";
    struct error err;
    struct db *db = cli_open_owner(checkup->config, &err);
    struct db_result *row = db == NULL ? NULL : query_row(db, sql, &err);

    if (row == NULL)
        checkup_add_error(checkup, FINDING_WARNING, "owner", &err, "`waybill migrate`, `waybill token` and `waybill"
                          " key` need a working [database] owner_conninfo");
    else if (!db_boolean(row, 0, "is_owner"))
        checkup_add(checkup, FINDING_WARNING, "owner", "%s does not own the schema: `waybill migrate`, `waybill token`"
                    " and `waybill key` need waybill_owner in [database] owner_conninfo", db_text(row, 0, "role"));
    else
        checkup_add(checkup, FINDING_OK, "owner", "%s", db_text(row, 0, "role"));
    db_result_free(row);
    db_close(db);
}
