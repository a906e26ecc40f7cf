#include "schedule/notification.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "db/query.h"
#include "schedule/webhook.h"

#define NOTIFICATION_LOCK 7305511992 /* one process claims at a time, to enforce NOTIFICATION_PER_RECEIVER */

bool notification_add(struct db *db, const char *schedule_id, const char *url, const char *body, struct error *err)
{
    static const char sql[] =
        "INSERT INTO waybill.notification (schedule_id, receiver, body) VALUES ($1::uuid, $2, $3)";
    char receiver[WEBHOOK_RECEIVER_SIZE];
    const char *const values[] = {schedule_id, receiver, body};

    return webhook_receiver(url, receiver, err) && db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);
}

bool notification_redirect(struct db *db, const char *schedule_id, const char *url, struct error *err)
{
    static const char remove[] = "DELETE FROM waybill.notification WHERE schedule_id = $1::uuid";
    static const char redirect[] = "UPDATE waybill.notification SET receiver = $2 WHERE schedule_id = $1::uuid";
    char receiver[WEBHOOK_RECEIVER_SIZE];
    const char *const values[] = {schedule_id, receiver};

    if (url == NULL)
        return db_execute(db, remove, 1, values, NULL, err);
    return webhook_receiver(url, receiver, err) && db_execute(db, redirect, ARRAY_SIZE(values), values, NULL, err);
}

/*
 * The receivers, the number of notifications that are being sent to each, and when the first of these leases expires.
 * The recursive query steps from receiver to receiver in an index, so the cost does not depend on the number of
 * notifications. statement_timestamp(): now() is the start of the transaction, before the wait for the lock.
 */
#define WITH_RECEIVERS                                                                                                 \
    "WITH RECURSIVE named (receiver) AS ("                                                                             \
    "    (SELECT receiver FROM waybill.notification ORDER BY receiver LIMIT 1)"                                        \
    "    UNION ALL"                                                                                                    \
    "    SELECT (SELECT receiver FROM waybill.notification WHERE receiver > named.receiver ORDER BY receiver LIMIT 1)" \
    "    FROM named WHERE receiver IS NOT NULL"                                                                        \
    "), receivers AS ("                                                                                                \
    "    SELECT named.receiver, busy.sending, busy.lease_end FROM named, LATERAL ("                                    \
    "        SELECT count(*) AS sending, min(next_attempt_time) AS lease_end FROM waybill.notification AS n"           \
    "        WHERE n.receiver = named.receiver AND is_sending AND next_attempt_time > statement_timestamp()) AS busy"  \
    "    WHERE named.receiver IS NOT NULL"                                                                             \
    ") "

/*
 * Claims a notification. Skips locked rows: otherwise a slow commit, which holds the lock of its row, would block all
 * claims. For the same reason there are several candidates.
 */
static struct db_result *claim_candidate(struct db *db, struct error *err)
{
    static const char sql[] =
        WITH_RECEIVERS
        ", candidates AS ("
        "    SELECT due.notification_id, receivers.sending, due.next_attempt_time FROM receivers, LATERAL ("
        "        SELECT notification_id, next_attempt_time FROM waybill.notification AS n"
        "        WHERE n.receiver = receivers.receiver AND next_attempt_time <= statement_timestamp()"
        "        ORDER BY next_attempt_time LIMIT 4) AS due"
        "    WHERE receivers.sending < $1::integer"
        "    ORDER BY receivers.sending, due.next_attempt_time LIMIT 16"
        "), claimed AS ("
        "    SELECT notification_id FROM candidates JOIN waybill.notification AS n USING (notification_id)"
        "    ORDER BY candidates.sending, candidates.next_attempt_time LIMIT 1 FOR UPDATE OF n SKIP LOCKED"
        ")"
        " UPDATE waybill.notification AS n"
        " SET is_sending = true, attempts = attempts + 1,"
        "     next_attempt_time = statement_timestamp() + $2::integer * interval '1 second'"
        " FROM claimed, waybill.export_schedule AS s"
        " WHERE n.notification_id = claimed.notification_id AND s.schedule_id = n.schedule_id"
        " RETURNING n.notification_id, n.schedule_id, n.attempts, n.receiver, n.body, s.notify_url,"
        "           s.notify_secret, s.project_id";
    char limit[16], lease[16];
    const char *const values[] = {limit, lease};

    snprintf(limit, sizeof(limit), "%d", NOTIFICATION_PER_RECEIVER);
    snprintf(lease, sizeof(lease), "%d", NOTIFICATION_LEASE);
    return db_query(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);
}

static bool remove_notification(struct db *db, const char *notification_id, struct error *err)
{
    const char *const values[] = {notification_id};

    return db_execute(db, "DELETE FROM waybill.notification WHERE notification_id = $1::uuid", ARRAY_SIZE(values),
                      values, NULL, err);
}

static struct notification *read_notification(const struct db_result *row)
{
    struct notification *notification = memory_zeroed(1, sizeof(*notification));

    snprintf(notification->notification_id, sizeof(notification->notification_id), "%s",
             db_text(row, 0, "notification_id"));
    snprintf(notification->schedule_id, sizeof(notification->schedule_id), "%s", db_text(row, 0, "schedule_id"));
    notification->attempt = (int) db_integer(row, 0, "attempts");
    notification->receiver = memory_copy_text(db_text(row, 0, "receiver"));
    notification->url = memory_copy_text(db_text(row, 0, "notify_url"));
    notification->project_id = memory_copy_text(db_text(row, 0, "project_id"));
    notification->stored_secret = memory_copy_text(db_text(row, 0, "notify_secret"));
    notification->body = memory_copy_text(db_text(row, 0, "body"));
    return notification;
}

/* Claims a notification, or removes one. *ret_more is true if the caller must call again. */
static bool claim_or_remove(struct db *db, struct notification **ret_notification, bool *ret_more, struct error *err)
{
    struct db_result *row = claim_candidate(db, err);
    bool good = row != NULL;

    *ret_more = false;
    if (row != NULL && db_rows(row) == 1) {
        if (!db_is_null(row, 0, "notify_url"))
            *ret_notification = read_notification(row);
        else
            *ret_more = good = remove_notification(db, db_text(row, 0, "notification_id"), err);
    }
    db_result_free(row);
    return good;
}

bool notification_claim(struct db *db, struct notification **ret_notification, struct error *err)
{
    struct notification *notification = NULL;
    bool more = true;

    if (!db_begin_locked(db, NOTIFICATION_LOCK, err))
        return false;
    while (more) {
        if (!claim_or_remove(db, &notification, &more, err)) {
            db_rollback(db);
            return false;
        }
    }
    if (!db_commit(db, err)) {
        notification_free(notification);
        return false;
    }
    *ret_notification = notification;
    return true;
}

void notification_free(struct notification *notification)
{
    if (notification == NULL)
        return;
    free(notification->receiver);
    free(notification->url);
    free(notification->project_id);
    memory_free_secret(notification->stored_secret);
    free(notification->body);
    free(notification);
}

bool notification_deliver(struct db *db, const struct notification *notification, struct error *err)
{
    return remove_notification(db, notification->notification_id, err);
}

int notification_pause(int attempt)
{
    /* Their sum is 24 hours. */
    static const int pauses[] = {10, 60, 300, 900, 2700, 7200, 14400, 24830, 36000};

    return attempt <= (int) ARRAY_SIZE(pauses) ? pauses[attempt - 1] : 0;
}

/* The condition of a change that requires the claim: $1 is the notification, $2 the attempt. */
#define WHERE_CLAIMED " WHERE notification_id = $1::uuid AND is_sending AND attempts = $2::integer"

bool notification_fail(struct db *db, const struct notification *notification, const char *reason, bool *ret_given_up,
                       struct error *err)
{
    static const char retry[] =
        "UPDATE waybill.notification"
        " SET is_sending = false, last_error = $3,"
        "     next_attempt_time = now() + $4::integer * interval '1 second'" WHERE_CLAIMED;
    static const char give_up[] = "DELETE FROM waybill.notification" WHERE_CLAIMED;
    int pause = notification_pause(notification->attempt);
    char attempt[16], pause_text[16];
    const char *const values[] = {notification->notification_id, attempt, reason, pause_text};
    int64_t changed;

    snprintf(attempt, sizeof(attempt), "%d", notification->attempt);
    snprintf(pause_text, sizeof(pause_text), "%d", pause);
    if (!db_execute(db, pause == 0 ? give_up : retry, pause == 0 ? 2 : ARRAY_SIZE(values), values, &changed, err))
        return false;
    *ret_given_up = pause == 0 && changed == 1;
    return true;
}

bool notification_release(struct db *db, const struct notification *notification, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.notification"
        " SET is_sending = false, attempts = attempts - 1,"
        "     next_attempt_time = date_trunc('milliseconds', now())" WHERE_CLAIMED;
    char attempt[16];
    const char *const values[] = {notification->notification_id, attempt};

    snprintf(attempt, sizeof(attempt), "%d", notification->attempt);
    return db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);
}

bool notification_next_due(struct db *db, int max_ms, int *ret_ms, struct error *err)
{
    static const char sql[] =
        WITH_RECEIVERS
        "SELECT greatest(0, least($2::bigint, ceil(" /* least() ignores the NULL of an empty table */
        "    1000 * extract(epoch FROM min(CASE WHEN sending < $1::integer THEN first.due ELSE lease_end END)"
        "                              - statement_timestamp()))))::bigint AS ms"
        " FROM receivers, LATERAL (SELECT min(next_attempt_time) AS due FROM waybill.notification AS n"
        "                          WHERE n.receiver = receivers.receiver) AS first";
    char limit[16], longest[16];
    const char *const values[] = {limit, longest};
    struct db_result *row;

    snprintf(limit, sizeof(limit), "%d", NOTIFICATION_PER_RECEIVER);
    snprintf(longest, sizeof(longest), "%d", max_ms);
    row = db_query(db, DB_ONE_ROW, sql, ARRAY_SIZE(values), values, err);
    if (row == NULL)
        return false;
    *ret_ms = (int) db_integer(row, 0, "ms");
    db_result_free(row);
    return true;
}
