/* Receives notifications (LISTEN/NOTIFY). The errors are those of db/connection.h. */
#ifndef WAYBILL_DB_NOTIFICATION_H
#define WAYBILL_DB_NOTIFICATION_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

#define DB_NOTIFICATION_SIZE 64 /* the longest identifier, or the longest payload that Waybill sends, and a NUL */

struct db_notification {
    char channel[DB_NOTIFICATION_SIZE];
    char payload[DB_NOTIFICATION_SIZE]; /* cut if it is too long */
    bool is_own;                        /* the same connection has sent it */
};

/* Subscribes the connection to a channel, in addition to others. `channel` is an SQL identifier. */
MUST_CHECK bool db_listen(struct db *db, const char *channel, struct error *err);

enum db_notification_result {
    DB_NOTIFICATION_RECEIVED, /* *ret_notification was filled in */
    DB_NOTIFICATION_NONE,     /* none within the time limit, or the descriptor became readable */
    DB_NOTIFICATION_FAILED,   /* the connection is lost, see err */
};

/* Waits for a notification, for at most timeout_ms or until `wake` is readable. */
MUST_CHECK enum db_notification_result db_next_notification(struct db *db, int wake, int timeout_ms,
                                                            struct db_notification *ret_notification,
                                                            struct error *err);

#endif
