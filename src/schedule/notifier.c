#include "schedule/notifier.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/background.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "metrics/counters.h"
#include "schedule/notification.h"
#include "schedule/notify_secret.h"

#define POLL_MS 15000 /* between polls if there is no wake-up: other processes add notifications too */
#define RETRY_MS 1000 /* the same after a failure */

struct notifier {
    struct db_pool *pool;
    struct key_ring *ring;
    struct webhook_terms terms;
    atomic_bool stop;
    atomic_bool has_failed; /* the last claim of any thread failed, and this was logged */
    int count;
    struct background *threads[];
};

static void count_outcome(const char *outcome)
{
    counters_add(1, "waybill_notifications_total{outcome=\"%s\"}", outcome);
}

static void log_notification(enum log_level level, const char *event, const struct notification *notification,
                             const struct error *err)
{
    struct log_line line;

    log_begin(&line, level, event);
    log_text(&line, "receiver", notification->receiver);
    log_text(&line, "schedule_id", notification->schedule_id);
    log_text(&line, "notification_id", notification->notification_id);
    log_number(&line, "attempt", notification->attempt);
    if (err != NULL)
        log_error(&line, err);
    log_end(&line);
}

/* Records in the database how an attempt ended. `reason` is NULL if the notification was delivered. */
static bool end_claim(struct db *db, const struct notification *notification, const struct error *reason,
                      bool *ret_given_up, struct error *err)
{
    if (reason == NULL)
        return notification_deliver(db, notification, err);
    if (reason->code == ERROR_CANCELLED)
        return notification_release(db, notification, err);
    return notification_fail(db, notification, reason->message, ret_given_up, err);
}

/* Counts and logs how an attempt ended. */
static void report_attempt(const struct notification *notification, const struct error *reason, bool given_up)
{
    if (reason == NULL) {
        count_outcome("delivered");
        log_notification(LOG_INFO, "notification delivered", notification, NULL);
    } else if (reason->code == ERROR_CANCELLED) {
        log_notification(LOG_INFO, "notification interrupted", notification, reason);
    } else if (given_up) {
        count_outcome("given_up");
        log_notification(LOG_WARNING, "notification given up", notification, reason);
    } else {
        count_outcome("retried");
        log_notification(LOG_INFO, "notification failed", notification, reason);
    }
}

/* If the end of the claim cannot be recorded, its lease expires, and the notification is sent again. */
static void record_attempt(struct notifier *notifier, struct background *background,
                           const struct notification *notification, const struct error *reason)
{
    bool given_up = false, recorded;
    struct error err;
    struct db *db = db_pool_acquire_watched(notifier->pool, background_check_time, background, &err);

    recorded = db != NULL && end_claim(db, notification, reason, &given_up, &err);
    if (db != NULL)
        db_pool_release(notifier->pool, db);
    report_attempt(notification, reason, given_up);
    if (!recorded)
        log_notification(LOG_WARNING, "the end of an attempt cannot be recorded", notification, &err);
}

static bool sign_and_send(struct notifier *notifier, const struct notification *notification, struct error *err)
{
    char id[sizeof("msg_") + TEXT_UUID_LENGTH];
    char *secret = notify_secret_unseal(notifier->ring, notification->project_id, notification->stored_secret, err);
    const struct webhook_message message = {
        .url = notification->url, .secret = secret, .id = id, .body = notification->body};
    bool sent;

    snprintf(id, sizeof(id), "msg_%s", notification->notification_id);
    sent = secret != NULL && webhook_send(&message, &notifier->terms, err);
    memory_free_secret(secret);
    return sent;
}

static void send_notification(struct notifier *notifier, struct background *background,
                              const struct notification *notification)
{
    struct error reason;
    bool sent = sign_and_send(notifier, notification, &reason);

    record_attempt(notifier, background, notification, sent ? NULL : &reason);
}

/* Logs the first failure of a series, and its end. */
static void log_claims(struct notifier *notifier, const struct error *err)
{
    struct log_line line;

    if (atomic_exchange(&notifier->has_failed, err != NULL) == (err != NULL))
        return;
    if (err == NULL) {
        log_event(LOG_INFO, "notifications can be claimed again");
        return;
    }
    log_begin(&line, LOG_ERROR, "notifications cannot be claimed");
    log_error(&line, err);
    log_end(&line);
}

/* Claims a notification. If there is none, *ret_ms is the time until the next one is due. */
static bool claim_or_wait(struct notifier *notifier, struct background *background,
                          struct notification **ret_notification, int *ret_ms, struct error *err)
{
    struct db *db = db_pool_acquire_watched(notifier->pool, background_check_time, background, err);
    bool good;

    if (db == NULL)
        return false;
    good = notification_claim(db, ret_notification, err)
        && (*ret_notification != NULL || notification_next_due(db, POLL_MS, ret_ms, err));
    db_pool_release(notifier->pool, db);
    return good;
}

/* The step of a thread: sends one notification. */
static int send_next(struct background *background, void *context)
{
    struct notifier *notifier = context;
    struct notification *notification = NULL;
    int wait_ms = 0;
    struct error err;
    bool good;

    if (atomic_load(&notifier->stop))
        return POLL_MS;
    good = claim_or_wait(notifier, background, &notification, &wait_ms, &err);
    if (!atomic_load(&notifier->stop))
        log_claims(notifier, good ? NULL : &err);
    if (!good)
        return RETRY_MS;
    if (notification != NULL)
        send_notification(notifier, background, notification);
    notification_free(notification);
    return wait_ms;
}

struct notifier *notifier_start(struct db_pool *pool, struct key_ring *ring, const struct webhook_terms *terms,
                                int threads)
{
    struct notifier *notifier = memory_zeroed(1, sizeof(*notifier) + (size_t) threads * sizeof(notifier->threads[0]));
    const struct background_job job = {.step = send_next, .context = notifier};

    notifier->pool = pool;
    notifier->ring = ring;
    notifier->terms = *terms;
    notifier->terms.stop = &notifier->stop;
    atomic_init(&notifier->stop, false);
    atomic_init(&notifier->has_failed, false);
    while (notifier->count < threads) {
        struct background *thread = background_start(&job);

        if (thread == NULL) {
            if (notifier_stop(notifier, 0))
                notifier_free(notifier);
            return NULL;
        }
        notifier->threads[notifier->count++] = thread;
    }
    return notifier;
}

void notifier_wake(struct notifier *notifier)
{
    for (int i = 0; notifier != NULL && i < notifier->count; i++)
        background_wake(notifier->threads[i]);
}

bool notifier_stop(struct notifier *notifier, int grace_ms)
{
    int64_t deadline = clock_monotonic_ms() + grace_ms;
    bool ended = true;

    if (notifier == NULL)
        return true;
    atomic_store(&notifier->stop, true);
    for (int i = 0; i < notifier->count; i++) {
        if (!background_stop(notifier->threads[i], clock_remaining_ms(deadline)))
            ended = false;
    }
    return ended;
}

void notifier_free(struct notifier *notifier)
{
    if (notifier == NULL)
        return;
    for (int i = 0; i < notifier->count; i++)
        background_free(notifier->threads[i]);
    free(notifier);
}
