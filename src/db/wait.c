/* Waiting for the server: by a deadline, and with a watcher that may give up. */
#include <errno.h>
#include <poll.h>

#include "base/clock.h"
#include "db/internal.h"

#define SERVER_TIMEOUT_SLACK_MS 500
#define WATCH_MS 250 /* between the calls of a watcher */

int64_t db_answer_deadline(const struct db *db)
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
    return ready != 0; /* an error of poll is for libpq to find on the socket */
}

bool db_wait(struct db *db, int64_t deadline, struct error *err)
{
    for (;;) {
        short events = PQflush(db->connection) > 0 ? POLLIN | POLLOUT : POLLIN;
        int64_t until = db->watcher == NULL ? deadline : clock_monotonic_ms() + WATCH_MS;

        if (db_wait_socket(db->connection, events, until < deadline ? until : deadline))
            return true;
        if (db->watcher != NULL && !db->watcher(db->watcher_context, err))
            break;
        if (clock_monotonic_ms() >= deadline) {
            /* The server's own timeout has not helped: it hangs, or the network does. */
            db_fail_with(err, ERROR_TIMEOUT);
            break;
        }
    }
    db->abandoned = true;
    return false;
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
