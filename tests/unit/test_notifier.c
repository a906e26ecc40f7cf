/*
 * A wake-up of the threads of schedule/notifier.c. The linker replaces the database and the sending by those of this
 * file (--wrap). test_notifications.py tests the rest with a database and with receivers.
 */
#include "schedule/notifier.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/memory.h"
#include "check.h"
#include "schedule/notification.h"

#define NEVER_MS 120000 /* idle threads do not poll in time: they must be woken */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int queued;  /* notifications to be claimed */
    int idle;    /* claims that found none */
    int sending; /* threads that are sending; they wait for each other */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int connection; /* any connection */

struct db *__wrap_db_pool_acquire_watched(struct db_pool *pool, db_watcher watcher, void *context, struct error *err);
void __wrap_db_pool_release(struct db_pool *pool, struct db *db);
bool __wrap_notification_claim(struct db *db, struct notification **ret_notification, struct error *err);
bool __wrap_notification_next_due(struct db *db, int max_ms, int *ret_ms, struct error *err);
bool __wrap_notification_deliver(struct db *db, const struct notification *notification, struct error *err);
bool __wrap_webhook_send(const struct webhook_message *message, const struct webhook_terms *terms, struct error *err);

struct db *__wrap_db_pool_acquire_watched(struct db_pool *pool, db_watcher watcher, void *context, struct error *err)
{
    (void) pool, (void) watcher, (void) context, (void) err;
    return (struct db *) &connection;
}

void __wrap_db_pool_release(struct db_pool *pool, struct db *db)
{
    (void) pool, (void) db;
}

bool __wrap_notification_claim(struct db *db, struct notification **ret_notification, struct error *err)
{
    (void) db, (void) err;
    pthread_mutex_lock(&state.lock);
    if (state.queued > 0) {
        state.queued--;
        *ret_notification = memory_zeroed(1, sizeof(**ret_notification));
        (*ret_notification)->project_id = memory_copy_text("p");
        (*ret_notification)->stored_secret = memory_copy_text("whsec_");
    } else {
        state.idle++;
    }
    pthread_cond_broadcast(&state.changed);
    pthread_mutex_unlock(&state.lock);
    return true;
}

bool __wrap_notification_next_due(struct db *db, int max_ms, int *ret_ms, struct error *err)
{
    (void) db, (void) max_ms, (void) err;
    *ret_ms = NEVER_MS;
    return true;
}

bool __wrap_notification_deliver(struct db *db, const struct notification *notification, struct error *err)
{
    (void) db, (void) notification, (void) err;
    return true;
}

bool __wrap_webhook_send(const struct webhook_message *message, const struct webhook_terms *terms, struct error *err)
{
    struct timespec until = clock_timespec_after(NEVER_MS / 4);

    (void) message, (void) terms, (void) err;
    pthread_mutex_lock(&state.lock);
    state.sending++;
    pthread_cond_broadcast(&state.changed);
    while (state.sending < NOTIFIER_THREADS) {
        if (pthread_cond_timedwait(&state.changed, &state.lock, &until) != 0)
            break;
    }
    pthread_mutex_unlock(&state.lock);
    return true;
}

static void a_wake_up_wakes_all_threads(void)
{
    const struct webhook_terms terms = {.policy = {.hosts = ""}};
    struct notifier *notifier;
    struct timespec until;

    clock_init_condition(&state.changed);
    notifier = notifier_start(NULL, NULL, &terms, NOTIFIER_THREADS);
    assert_non_null(notifier);
    until = clock_timespec_after(NEVER_MS / 2);
    pthread_mutex_lock(&state.lock);
    while (state.idle < NOTIFIER_THREADS && pthread_cond_timedwait(&state.changed, &state.lock, &until) == 0)
        ;
    state.queued = NOTIFIER_THREADS;
    pthread_mutex_unlock(&state.lock);
    notifier_wake(notifier);
    pthread_mutex_lock(&state.lock);
    while (state.sending < NOTIFIER_THREADS && pthread_cond_timedwait(&state.changed, &state.lock, &until) == 0)
        ;
    assert_int_equal(state.sending, NOTIFIER_THREADS);
    pthread_mutex_unlock(&state.lock);
    assert_true(notifier_stop(notifier, NEVER_MS));
    notifier_free(notifier);
}

static void no_notifier(void)
{
    notifier_wake(NULL);
    assert_true(notifier_stop(NULL, 0));
    notifier_free(NULL);
}

int main(void)
{
    CHECK(a_wake_up_wakes_all_threads);
    CHECK(no_notifier);
    return check_run("schedule/notifier");
}
