/* The settings of a session, as the script for each server version sets them (--wrap replaces the server). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "db/internal.h"

static struct {
    int version;
    char *script;
} server;

int __wrap_PQserverVersion(const PGconn *connection);
char *__wrap_PQescapeLiteral(PGconn *connection, const char *text, size_t length);
int __wrap_PQsendQuery(PGconn *connection, const char *script);
bool __wrap_db_fail(struct db *db, const PGresult *result, struct error *err);

int __wrap_PQserverVersion(const PGconn *connection)
{
    (void) connection;
    return server.version;
}

char *__wrap_PQescapeLiteral(PGconn *connection, const char *text, size_t length)
{
    char quoted[64];

    (void) connection;
    snprintf(quoted, sizeof(quoted), "'%.*s'", (int) length, text);
    return memory_copy_text(quoted);
}

/* Keeps the script and fails, because there is no response to read. */
int __wrap_PQsendQuery(PGconn *connection, const char *script)
{
    (void) connection;
    free(server.script);
    server.script = memory_copy_text(script);
    return 0;
}

bool __wrap_db_fail(struct db *db, const PGresult *result, struct error *err)
{
    (void) db;
    (void) result;
    return error_set(err, ERROR_UNAVAILABLE, "no server");
}

static const char *session_role;
static bool session_prefers_indexes;
static bool reads_inventory;

static const char *script_for(int version, int query_timeout_ms)
{
    const struct db_settings settings = {
        .time_zone = "Etc/GMT+5", .query_timeout_ms = query_timeout_ms, .role = session_role,
        .prefers_indexes = session_prefers_indexes, .reads_inventory = reads_inventory};
    struct db db = {0};
    struct error err;

    server.version = version;
    assert_false(db_pin_session(&db, &settings, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "no server");
    return server.script;
}

static void the_script(void)
{
    const char *script = script_for(150004, 4000);

    assert_non_null(strstr(script, "SET search_path = '';"));
    assert_non_null(strstr(script, "SET TimeZone = 'Etc/GMT+5';"));
    assert_non_null(strstr(script, "SET statement_timeout = 4000;"));
    assert_non_null(strstr(script, "SET waybill.project_id = '';"));
    assert_non_null(strstr(script, "SET waybill.enterprise_projects = '';"));
}

/* Only sessions for all projects become another role. */
static void the_role(void)
{
    assert_null(strstr(script_for(150004, 4000), "SET ROLE"));
    session_role = "waybill_worker";
    assert_non_null(strstr(script_for(150004, 4000), "SET ROLE waybill_worker;"));
    session_role = NULL;
}

/* Only sessions whose plans are kept. */
static void plans_that_are_kept(void)
{
    assert_null(strstr(script_for(150004, 4000), "enable_seqscan"));
    session_prefers_indexes = true;
    assert_non_null(strstr(script_for(150004, 4000), "SET enable_seqscan = off;"));
    session_prefers_indexes = false;
}

/* Only sessions that read the inventory have defaults of their own. */
static void the_planner(void)
{
    assert_null(strstr(script_for(150004, 4000), "random_page_cost"));
    reads_inventory = true;
    assert_non_null(strstr(script_for(150004, 4000), "('random_page_cost', '1.1'), ('max_parallel"));
    assert_non_null(strstr(script_for(150004, 4000), "s.source = 'default'"));
    reads_inventory = false;
}

static const struct version_case {
    const char *label;
    int version;
    bool has_transaction_timeout;
} version_cases[] = {{"15", 150004, false}, {"16", 169999, false}, {"17", 170000, true}, {"18", 180001, true}};

/* A setting that a server version does not know would be an error. */
static void versions(const void *row)
{
    const struct version_case *c = row;
    const char *found = strstr(script_for(c->version, 4000), "SET transaction_timeout = '0';");

    assert_int_equal(found != NULL, c->has_transaction_timeout);
}

static const struct idle_case {
    int query_timeout_ms;
    const char *setting;
} idle_cases[] = {
    {100, "SET idle_in_transaction_session_timeout = 1000;"},
    {4000, "SET idle_in_transaction_session_timeout = 1000;"},
    {4004, "SET idle_in_transaction_session_timeout = 1001;"},
    {600000, "SET idle_in_transaction_session_timeout = 150000;"},
};

/* A quarter of the query timeout, but at least a second. */
static void idle_transactions(const void *row)
{
    const struct idle_case *c = row;

    assert_non_null(strstr(script_for(150004, c->query_timeout_ms), c->setting));
}

int main(void)
{
    int status;

    CHECK(the_script);
    CHECK(the_role);
    CHECK(plans_that_are_kept);
    CHECK(the_planner);
    CHECK_EACH(versions, version_cases, label);
    CHECK_EACH(idle_transactions, idle_cases, setting);
    status = check_run("db/session");
    free(server.script);
    return status;
}
