/* Waits for the server, with a deadline and a watcher. */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "db/internal.h"

#define SERVER_TIMEOUT_SLACK_MS 500

int64_t db_response_deadline(const struct db *db)
{
    return clock_monotonic_ms() + db->query_timeout_ms + SERVER_TIMEOUT_SLACK_MS;
}

bool db_wait_socket(PGconn *connection, short events, int64_t deadline)
{
    struct pollfd socket = {.fd = PQsocket(connection), .events = events};
    int ready;

    do
        ready = poll(&socket, 1, clock_remaining_ms(deadline));
    while (ready < 0 && errno == EINTR);
    return ready != 0; /* libpq will notice an error of the socket */
}

/*
 * Waits for these poll events until the watcher must be called or the deadline passes. *ret_ready is whether they
 * occurred. Returns false if the watcher returned false or the deadline passed; in that case, the connection is lost.
 */
static bool wait_and_watch(struct db *db, short events, int64_t deadline, bool *ret_ready, struct error *err)
{
    int64_t until = db->watcher == NULL ? deadline : clock_monotonic_ms() + DB_WATCH_MS;

    *ret_ready = db_wait_socket(db->connection, events, until < deadline ? until : deadline);
    if (*ret_ready)
        return true;
    if (db->watcher != NULL && !db->watcher(db->watcher_context, err)) {
        db->abandoned = true;
        return false;
    }
    if (clock_monotonic_ms() < deadline)
        return true;
    db_fail_with(err, ERROR_TIMEOUT); /* the timeout of the server had no effect: the server or the network hangs */
    db->abandoned = true;
    return false;
}

bool db_wait(struct db *db, int64_t deadline, struct error *err)
{
    bool ready = false;

    while (!ready) {
        short events = PQflush(db->connection) > 0 ? POLLIN | POLLOUT : POLLIN;

        if (!wait_and_watch(db, events, deadline, &ready, err))
            return false;
    }
    return true;
}

bool db_flush(struct db *db, int64_t deadline, struct error *err)
{
    bool ready;
    int left;

    /* Read the data that the server sends meanwhile, so that the two sides do not wait for each other. */
    while ((left = PQflush(db->connection)) > 0) {
        if (!wait_and_watch(db, POLLIN | POLLOUT, deadline, &ready, err))
            return false;
        if (ready && PQconsumeInput(db->connection) == 0)
            return db_fail(db, NULL, err);
    }
    return left == 0 ? true : db_fail(db, NULL, err);
}

void db_watch(struct db *db, db_watcher watcher, void *context)
{
    db->watcher = watcher;
    db->watcher_context = context;
}

PGresult *db_next_result(struct db *db, int64_t deadline, bool *ret_failed, struct error *err)
{
    *ret_failed = false;
    while (PQisBusy(db->connection)) {
        *ret_failed = !db_wait(db, deadline, err);
        if (!*ret_failed && PQconsumeInput(db->connection) == 0)
            *ret_failed = !db_fail(db, NULL, err);
        if (*ret_failed)
            return NULL;
    }
    return PQgetResult(db->connection);
}

void db_discard_results(struct db *db)
{
    int64_t deadline = db_response_deadline(db);
    struct error ignored;
    PGresult *result;
    bool failed;

    while ((result = db_next_result(db, deadline, &failed, &ignored)) != NULL)
        PQclear(result);
}
