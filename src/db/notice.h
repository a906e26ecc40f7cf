/* LISTEN, and the wait for notifications. The errors are those of db/connection.h. */
#ifndef WAYBILL_DB_NOTICE_H
#define WAYBILL_DB_NOTICE_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

#define DB_NOTICE_SIZE 64

/* Subscribes the connection to a channel of NOTIFY. */
MUST_CHECK bool db_listen(struct db *db, const char *channel, struct error *err);

enum db_notice {
    DB_NOTICE,        /* the payload was filled in, cut if too long */
    DB_NOTICE_NONE,   /* none within the time limit, or the descriptor became readable */
    DB_NOTICE_FAILED, /* the connection is lost, see err */
};

/* Waits for a notification, for at most timeout_ms or until `wake` is readable. */
MUST_CHECK enum db_notice db_next_notice(struct db *db, int wake, int timeout_ms, char payload[DB_NOTICE_SIZE],
                                         struct error *err);

#endif
