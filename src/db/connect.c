/* Connects to a single host within connect_timeout_ms, or to one of several hosts with libpq's timeout for each. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/internal.h"

/* Logs notices of the server, which libpq would print. A notice may also announce that the server disconnects. */
static void handle_notice(void *context, const PGresult *notice)
{
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    struct db *db = context;
    struct log_line line;

    if (severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
        db->abandoned = true;
    log_begin(&line, LOG_DEBUG, "database notice");
    log_text(&line, "severity", severity);
    log_text(&line, "message", PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
    log_end(&line);
}

static bool is_list(const char *value)
{
    return value != NULL && strchr(value, ',') != NULL;
}

/* libpq treats any other string as the name of a database. */
static bool is_connection_string(const char *conninfo)
{
    return strchr(conninfo, '=') != NULL || strncmp(conninfo, "postgresql://", 13) == 0
           || strncmp(conninfo, "postgres://", 11) == 0;
}

/*
 * Whether there may be several hosts to try: host=a,b,c, in the connection string or in the environment variable. A
 * connection service (PGSERVICE) may also define several hosts, but only libpq reads its file.
 */
static bool may_have_several_hosts(const char *conninfo)
{
    PQconninfoOption *options = is_connection_string(conninfo) ? PQconninfoParse(conninfo, NULL) : NULL;
    const char *host = getenv("PGHOST"), *hostaddr = getenv("PGHOSTADDR"), *service = getenv("PGSERVICE");
    bool several;

    for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++) {
        if (option->val == NULL)
            continue;
        if (strcmp(option->keyword, "host") == 0)
            host = option->val;
        else if (strcmp(option->keyword, "hostaddr") == 0)
            hostaddr = option->val;
        else if (strcmp(option->keyword, "service") == 0)
            service = option->val;
    }
    several = is_list(host) || is_list(hostaddr) || service != NULL;
    PQconninfoFree(options);
    return several;
}

static void finish_connecting(PGconn *connection, int64_t deadline)
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;

    while (PQstatus(connection) != CONNECTION_BAD && state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
        if (!db_wait_socket(connection, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline))
            break;
        state = PQconnectPoll(connection);
    }
}

PGconn *db_connect(struct db *db, const struct db_settings *settings)
{
    int64_t deadline = clock_monotonic_ms() + settings->connect_timeout_ms;
    char seconds[16];
    /* The connection string overrides the parameters before it, and is overridden by those after it. */
    const char *const keywords[] = {"keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
                                    "dbname", "client_encoding", "fallback_application_name", "connect_timeout", NULL};
    const char *const values[] = {"30", "10", "3", "30000",
                                  settings->conninfo, "UTF8", settings->application_name, seconds, NULL};
    PGconn *connection;

    snprintf(seconds, sizeof(seconds), "%d", (settings->connect_timeout_ms + 999) / 1000);
    if (may_have_several_hosts(settings->conninfo)) {
        /* If a host does not respond, libpq continues with the next one, but only if libpq itself waits. */
        connection = PQconnectdbParams(keywords, values, 1);
        if (connection != NULL)
            PQsetNoticeReceiver(connection, handle_notice, db);
        return connection;
    }
    connection = PQconnectStartParams(keywords, values, 1);
    if (connection != NULL) {
        /* A server that is shutting down may announce this before the connection is complete. */
        PQsetNoticeReceiver(connection, handle_notice, db);
        finish_connecting(connection, deadline);
    }
    return connection;
}
