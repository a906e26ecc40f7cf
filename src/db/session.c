/*
 * What a session is set to, whatever the role, the database, the server or the connection string has set.
 *
 * Here stands each setting that changes what our SQL means, what its answers look like, or how long a session lasts.
 * These others, which a role may have, are left as they are, and why:
 *
 * - enable_*, *_cost, geqo*, *_collapse_limit, work_mem, max_parallel_*, plan_cache_mode, constraint_exclusion and the
 *   like: they choose between plans of one meaning. The site tunes them.
 * - synchronize_seqscans: no statement relies on the order of rows without an ORDER BY.
 * - array_nulls: db_array_literal quotes each element. backslash_quote, escape_string_warning: no text of ours and no
 *   literal of libpq has a quote after a backslash.
 * - quote_all_identifiers: EXPLAIN obeys it, but db_estimate_rows reads no identifier.
 * - lc_messages: errors are told apart by their SQLSTATE, notices by their untranslated severity. lc_monetary,
 *   lc_numeric, lc_time, default_text_search_config, xmloption, xmlbinary: no statement of ours uses them; a site's
 *   view may, as the site wants it.
 * - default_tablespace, temp_tablespaces, default_table_access_method, default_toast_compression, maintenance_*,
 *   check_function_bodies: they say where and how migrations make tables, as the site wants it.
 * - role: a login may take the rights of another role so.
 * - client_encoding, application_name: db_connect sends them, which outranks the role.
 * - restrict_nonsystem_relation_kind: with it a site refuses its own view; the export fails and says so.
 * - log_*, track_*, debug_*, trace_*, compute_query_id, commit_delay, commit_siblings, deadlock_timeout, tcp_*,
 *   vacuum_*, wal_*: they change what is logged, counted or how fast it goes.
 * - Settings of superusers that damage data (zero_damaged_pages, ignore_checksum_failure, ignore_system_indexes): no
 *   session of a role without their rights can mend them.
 */
#include <string.h>

#include "base/buffer.h"
#include "db/internal.h"

#define IDLE_IN_TRANSACTION_MIN_MS 1000 /* a transaction of several statements, on a server that is busy */

static const struct {
    const char *name;
    const char *value;
    int since; /* the server's version; 0: all have it */
} pins[] = {
    /* What names, literals and comparisons mean. */
    {"search_path", "", 0},
    {"standard_conforming_strings", "on", 0},
    {"transform_null_equals", "off", 0},
    {"timezone_abbreviations", "Default", 0}, /* Z in our timestamps */

    /* What values look like as text: our own, and those of a site's view. */
    {"DateStyle", "ISO, YMD", 0},
    {"IntervalStyle", "postgres", 0},
    {"bytea_output", "hex", 0},
    {"extra_float_digits", "1", 0}, /* all digits of the counters */

    /* What a transaction sees, and may do. Counting under a lock relies on a snapshot for each statement. */
    {"default_transaction_isolation", "read committed", 0},
    {"default_transaction_read_only", "off", 0},
    {"default_transaction_deferrable", "off", 0},

    /* Which rows a query gives. */
    {"row_security", "on", 0},
    {"gin_fuzzy_search_limit", "0", 0}, /* else trigram indexes leave out matching rows, by chance */

    /* How long a session lasts. Beside statement_timeout, a limit for locks alone would have no effect. */
    {"lock_timeout", "0", 0},
    {"idle_session_timeout", "0", 0},
    {"transaction_timeout", "0", 170000},
    {"client_connection_check_interval", "1000", 0}, /* a query whose caller is gone ends */
    {"exit_on_error", "off", 0},

    {"client_min_messages", "warning", 0},
    {"jit", "off", 0}, /* exports are scans of rows as they are: compiling them never pays */
};

static void append_pins(struct buffer *script, int server_version)
{
    for (size_t i = 0; i < ARRAY_SIZE(pins); i++) {
        if (server_version >= pins[i].since)
            buffer_printf(script, "SET %s = '%s';", pins[i].name, pins[i].value);
    }
}

/*
 * A process that is stopped inside a transaction must lose it, and the locks that others wait for, well before
 * their own time is over.
 */
static int idle_in_transaction_ms(int query_timeout_ms)
{
    int ms = query_timeout_ms / 4;

    return ms > IDLE_IN_TRANSACTION_MIN_MS ? ms : IDLE_IN_TRANSACTION_MIN_MS;
}

/* Only a superuser can set this one back: without its triggers the schema does not keep what it promises. */
static bool check_triggers(const PGresult *result, struct error *err)
{
    if (strcmp(PQgetvalue(result, 0, 0), "replica") != 0)
        return true;
    error_set(err, ERROR_CONFIG, "the database is not set up for the service; its log has the details");
    return error_detail(err, "session_replication_role is 'replica' for this role or database, so that triggers do not"
                             " run: ALTER ROLE ... RESET session_replication_role");
}

bool db_pin_session(struct db *db, const struct db_settings *settings, struct error *err)
{
    char *zone = PQescapeLiteral(db->connection, settings->time_zone, strlen(settings->time_zone));
    struct buffer script = {0};
    PGresult *result = NULL;
    bool done;

    if (zone == NULL)
        return db_fail(db, NULL, err);
    /* This transaction still begins as the role has it: a standby can't do SERIALIZABLE. */
    buffer_append_text(&script, "BEGIN ISOLATION LEVEL READ COMMITTED;");
    append_pins(&script, PQserverVersion(db->connection));
    buffer_printf(&script,
                  "SET TimeZone = %s;"
                  "SET statement_timeout = %d;"
                  "SET idle_in_transaction_session_timeout = %d;"
                  /* a commit that was answered must survive a crash of the server */
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
