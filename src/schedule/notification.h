/*
 * The notifications that have not been delivered, in the table waybill.notification. A claim has a lease of 30 seconds:
 * if the process does not end the claim, another process can claim the notification afterwards. So each notification is
 * sent at least once. The id of the message stays the same, and the receiver can detect repetitions by it.
 */
#ifndef WAYBILL_SCHEDULE_NOTIFICATION_H
#define WAYBILL_SCHEDULE_NOTIFICATION_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/text.h"
#include "db/connection.h"

#define NOTIFICATION_LEASE 30       /* seconds */
#define NOTIFICATION_PER_RECEIVER 2 /* sent at the same time to a receiver, by all processes together */

/* A notification that this process sends. */
struct notification {
    char notification_id[TEXT_UUID_LENGTH + 1];
    char schedule_id[TEXT_UUID_LENGTH + 1];
    int attempt; /* from 1 */
    char *receiver;
    char *url;    /* that the schedule has now */
    char *project_id;
    char *stored_secret; /* notify_secret.h */
    char *body;
};

/* Adds a notification to the schedule, which must have a notify_url. `url` is that notify_url, `body` a JSON text. */
MUST_CHECK bool notification_add(struct db *db, const char *schedule_id, const char *url, const char *body,
                                 struct error *err);

/*
 * Adapts the notifications of a schedule to its new notify_url: they go there, or are removed if it is NULL. Must be
 * called in the transaction that changes the schedule.
 */
MUST_CHECK bool notification_redirect(struct db *db, const char *schedule_id, const char *url, struct error *err);

/*
 * Claims the next notification that is due. A receiver to which NOTIFICATION_PER_RECEIVER notifications are being sent
 * must wait. The receiver with the fewest comes first, then the notification that is due longest. A notification whose
 * schedule no longer has a notify_url is removed. *ret_notification is NULL if there is none; free it with
 * notification_free. Must not be called in a transaction.
 */
MUST_CHECK bool notification_claim(struct db *db, struct notification **ret_notification, struct error *err);

/* NULL is allowed. */
void notification_free(struct notification *notification);

/*
 * Ends a claim. notification_deliver removes the notification, even if the lease has expired. The others have no effect
 * if the lease has expired and another process has claimed the notification.
 */
MUST_CHECK bool notification_deliver(struct db *db, const struct notification *notification, struct error *err);

/*
 * Records that the attempt failed and why. The next attempt follows after notification_pause. If it was the last one,
 * removes the notification, and *ret_given_up is true.
 */
MUST_CHECK bool notification_fail(struct db *db, const struct notification *notification, const char *reason,
                                  bool *ret_given_up, struct error *err);

/* Makes the notification due now. The attempt does not count. */
MUST_CHECK bool notification_release(struct db *db, const struct notification *notification, struct error *err);

/*
 * Returns the seconds between an attempt that failed, counted from 1, and the next one; 0: it was the last one. The
 * pauses grow from 10 seconds to 10 hours, and the last attempt follows 24 hours after the first.
 */
int notification_pause(int attempt);

/*
 * *ret_ms is the time in milliseconds until a notification can be claimed, from 0 to max_ms. It assumes that processes
 * that are sending end when their lease expires.
 */
MUST_CHECK bool notification_next_due(struct db *db, int max_ms, int *ret_ms, struct error *err);

#endif
