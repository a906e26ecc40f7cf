#include "db/notification.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "db/internal.h"
#include "db/query.h"

bool db_listen(struct db *db, const char *channel, struct error *err)
{
    struct buffer script = {0};
    bool done;

    buffer_printf(&script, "LISTEN %s", channel);
    done = db_run_script(db, buffer_text(&script), err);
    buffer_free(&script);
    return done;
}

enum db_notification_result db_next_notification(struct db *db, int wake, int timeout_ms,
                                                 struct db_notification *ret_notification, struct error *err)
{
    struct pollfd events[] = {{.fd = PQsocket(db->connection), .events = POLLIN}, {.fd = wake, .events = POLLIN}};
    int64_t deadline = clock_monotonic_ms() + timeout_ms;
    PGnotify *notification;

    while ((notification = PQnotifies(db->connection)) == NULL) {
        int ready = poll(events, 2, clock_remaining_ms(deadline));

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0 || events[1].revents != 0)
            return DB_NOTIFICATION_NONE;
        if (PQconsumeInput(db->connection) == 0) {
            db_fail(db, NULL, err);
            return DB_NOTIFICATION_FAILED;
        }
    }
    snprintf(ret_notification->channel, DB_NOTIFICATION_SIZE, "%s", notification->relname);
    snprintf(ret_notification->payload, DB_NOTIFICATION_SIZE, "%s", notification->extra);
    ret_notification->is_own = notification->be_pid == PQbackendPID(db->connection);
    PQfreemem(notification);
    return DB_NOTIFICATION_RECEIVED;
}
