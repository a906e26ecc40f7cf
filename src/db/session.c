/*
 * The settings of a session. They override those of the role, the database, the server and the connection string.
 *
 * The table contains each setting that changes the meaning of the SQL of this program or the format of results, or that
 * can end a session early. Other settings stay as they are, for these reasons:
 *
 * - enable_*, *_cost, geqo*, *_collapse_limit, work_mem, max_parallel_*, plan_cache_mode, constraint_exclusion and the
 *   like: they select among equivalent plans. The administrator tunes them. Sessions that keep plans set one of them
 *   (prefers_indexes). Sessions that read the inventory replace PostgreSQL's own defaults of a few of them
 *   (inventory_defaults), but no value that the administrator has set.
 * - synchronize_seqscans: no statement relies on the order of rows without an ORDER BY.
 * - array_nulls: db_array_literal quotes each element. backslash_quote, escape_string_warning: no text of this program
 *   and no literal of libpq has a quote after a backslash.
 * - quote_all_identifiers: EXPLAIN uses it, but db_estimate_rows reads no identifier.
 * - lc_messages: errors are identified by their SQLSTATE, notices by their untranslated severity. lc_monetary,
 *   lc_numeric, lc_time, default_text_search_config, xmloption, xmlbinary: no statement of this program uses them. If
 *   [inventory] relation is a view, the view may use them, with the values that the administrator configured.
 * - default_tablespace, temp_tablespaces, default_table_access_method, default_toast_compression, maintenance_*,
 *   check_function_bodies: they control where and how migrations create tables. The administrator decides that.
 * - role: the administrator may configure the login role to act as another role. Only sessions that must be
 *   waybill_worker set it.
 * - client_encoding, application_name: db_connect sends them, which overrides the role.
 * - restrict_nonsystem_relation_kind: an administrator who sets it to block views disables exports from a view, which
 *   then fail with an error.
 * - log_*, track_*, debug_*, trace_*, compute_query_id, commit_delay, commit_siblings, deadlock_timeout, tcp_*,
 *   vacuum_*, wal_*: they change logging, statistics or speed.
 * - Settings of superusers that damage data (zero_damaged_pages, ignore_checksum_failure, ignore_system_indexes): a
 *   session without superuser privileges cannot change them.
 */
#include <string.h>

#include "base/buffer.h"
#include "db/internal.h"

#define IDLE_IN_TRANSACTION_MIN_MS 1000 /* enough for a transaction of several statements on a busy server */

static const struct {
    const char *name;
    const char *value;
    int since; /* minimum server version; 0: any */
} pins[] = {
    /* The meaning of names, literals and comparisons. */
    {"search_path", "", 0},
    {"standard_conforming_strings", "on", 0},
    {"transform_null_equals", "off", 0},
    {"timezone_abbreviations", "Default", 0}, /* for Z in timestamps */

    /* The text format of values, including those of a view in [inventory] relation. */
    {"DateStyle", "ISO, YMD", 0},
    {"IntervalStyle", "postgres", 0},
    {"bytea_output", "hex", 0},
    {"extra_float_digits", "1", 0}, /* all digits of counters */

    /*
     * What a transaction sees and may do. A statement that counts rows under an advisory lock needs a snapshot from
     * after it acquired the lock, so each statement takes its own snapshot.
     */
    {"default_transaction_isolation", "read committed", 0},
    {"default_transaction_read_only", "off", 0},
    {"default_transaction_deferrable", "off", 0},

    /* The rows that a query returns. Each transaction sets its own scope (db/scope.h). */
    {"row_security", "on", 0},
    {"waybill.project_id", "", 0},
    {"waybill.enterprise_projects", "", 0},
    {"gin_fuzzy_search_limit", "0", 0}, /* otherwise trigram indexes omit matching rows at random */

    /* What can end a session, a transaction or a wait early. statement_timeout also limits waits for locks. */
    {"lock_timeout", "0", 0},
    {"idle_session_timeout", "0", 0},
    {"transaction_timeout", "0", 170000},
    {"client_connection_check_interval", "1000", 0}, /* cancels a query whose client has disconnected */
    {"exit_on_error", "off", 0},

    {"client_min_messages", "warning", 0},
    {"jit", "off", 0}, /* compilation does not pay off for the scans of exports */
};

/*
 * Defaults of sessions that read the inventory. An export reads the rows of a project in the order of the primary key.
 * With PostgreSQL's random_page_cost, that of a disk with a moving head, the planner would sort them instead. Parallel
 * workers take longer to start than a few rows to read, and use cores that other exports need.
 */
static const struct {
    const char *name;
    const char *value;
} inventory_defaults[] = {
    {"random_page_cost", "1.1"},
    {"max_parallel_workers_per_gather", "0"},
};

/* Sets them, where neither the server nor the database, the role or the connection string has set a value. */
static void append_inventory_defaults(struct buffer *script)
{
    buffer_append_text(script, "SELECT pg_catalog.set_config(ours.name, ours.value, false) FROM (VALUES ");
    for (size_t i = 0; i < ARRAY_SIZE(inventory_defaults); i++)
        buffer_printf(script, "%s('%s', '%s')", i == 0 ? "" : ", ", inventory_defaults[i].name,
                      inventory_defaults[i].value);
    buffer_append_text(script, ") AS ours (name, value) JOIN pg_catalog.pg_settings AS s"
                               " ON s.name = ours.name AND s.source = 'default';");
}

static void append_pins(struct buffer *script, int server_version)
{
    for (size_t i = 0; i < ARRAY_SIZE(pins); i++) {
        if (server_version >= pins[i].since)
            buffer_printf(script, "SET %s = '%s';", pins[i].name, pins[i].value);
    }
}

/*
 * A process that is suspended inside a transaction must lose the transaction and its locks well before the processes
 * that wait for the locks reach their time limit.
 */
static int idle_in_transaction_ms(int query_timeout_ms)
{
    int ms = query_timeout_ms / 4;

    return ms > IDLE_IN_TRANSACTION_MIN_MS ? ms : IDLE_IN_TRANSACTION_MIN_MS;
}

/*
 * Only a superuser can change this setting, so it is only checked. If triggers did not run, the tallies and the records
 * of discarded files would be wrong.
 */
static bool check_triggers(const PGresult *result, struct error *err)
{
    if (strcmp(PQgetvalue(result, 0, 0), "replica") != 0)
        return true;
    error_set(err, ERROR_CONFIG, "the database is not set up for the service; for details, see the log of the service");
    return error_detail(err, "session_replication_role is 'replica' for this role or database, so triggers do not run;"
                             " fix this with ALTER ROLE ... RESET session_replication_role");
}

bool db_pin_session(struct db *db, const struct db_settings *settings, struct error *err)
{
    char *zone = PQescapeLiteral(db->connection, settings->time_zone, strlen(settings->time_zone));
    struct buffer script = {0};
    PGresult *result = NULL;
    bool done;

    if (zone == NULL)
        return db_fail(db, NULL, err);
    /*
     * Without an explicit level, this transaction would use the default of the role, because the settings below apply
     * to later transactions. A hot standby rejects SERIALIZABLE.
     */
    buffer_append_text(&script, "BEGIN ISOLATION LEVEL READ COMMITTED;");
    append_pins(&script, PQserverVersion(db->connection));
    if (settings->prefers_indexes)
        buffer_append_text(&script, "SET enable_seqscan = off;");
    if (settings->role != NULL)
        buffer_printf(&script, "SET ROLE %s;", settings->role);
    if (settings->reads_inventory)
        append_inventory_defaults(&script);
    db_append_scope_statement(&script);
    buffer_printf(&script,
                  "SET TimeZone = %s;"
                  "SET statement_timeout = %d;"
                  "SET idle_in_transaction_session_timeout = %d;"
                  /* a confirmed commit must survive a crash of the server */
                  "SELECT pg_catalog.set_config('synchronous_commit', 'on', false)"
                  " WHERE pg_catalog.current_setting('synchronous_commit') = 'off';"
                  "COMMIT;"
                  "SELECT pg_catalog.current_setting('session_replication_role')",
                  zone, settings->query_timeout_ms, idle_in_transaction_ms(settings->query_timeout_ms));
    PQfreemem(zone);
    if (PQsendQuery(db->connection, buffer_text(&script)) == 0)
        db_fail(db, NULL, err);
    else
        result = db_collect(db, err);
    done = result != NULL && check_triggers(result, err);
    PQclear(result);
    buffer_free(&script);
    return done;
}
