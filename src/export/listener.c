#include "export/listener.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "db/notification.h"
#include "db/query.h"
#include "export/task.h"

#define RETRY_MS 1000 /* between attempts to connect */
#define PING_MS 30000 /* time without a notification after which to ping the server */

struct listener {
    const struct db_settings *settings;
    struct announcements *announcements;
    struct workers *workers;
    struct watches *watches;
    struct listener_hook hooks[LISTENER_MAX_HOOKS];
    size_t hook_count;
    int stop_event; /* readable once the thread must end; so is the event of the announcements then */
    atomic_bool stopping;
    pthread_t thread;
};

/* Subscribes the connection to the channels. */
static bool listen_on_channels(const struct listener *listener, struct db *db, struct error *err)
{
    if (!db_listen(db, TASK_CHANNEL, err))
        return false;
    for (size_t i = 0; i < listener->hook_count; i++) {
        if (!db_listen(db, listener->hooks[i].channel, err))
            return false;
    }
    return true;
}

/* Notifications are received from now on. Earlier ones may have been missed. */
static void begin_receiving(struct listener *listener)
{
    watches_set_receiving(listener->watches, true);
    workers_wake_all(listener->workers);
    for (size_t i = 0; i < listener->hook_count; i++)
        listener->hooks[i].wake(listener->hooks[i].context, NULL);
}

static void end_receiving(struct listener *listener)
{
    for (size_t i = 0; i < listener->hook_count; i++) {
        if (listener->hooks[i].lose != NULL)
            listener->hooks[i].lose(listener->hooks[i].context);
    }
    watches_set_receiving(listener->watches, false);
}

/* Handles a notification about tasks: the number of those that were queued ("": one), or one that has changed. */
static void forward_task(struct listener *listener, const char *payload)
{
    int64_t queued = 1;

    if (*payload == '\0' || text_parse_digits(payload, 18, &queued))
        workers_wake(listener->workers, queued);
    else
        watches_notify(listener->watches, payload);
}

static void forward_notification(struct listener *listener, const struct db_notification *notification)
{
    for (size_t i = 0; i < listener->hook_count; i++) {
        const struct listener_hook *hook = &listener->hooks[i];

        if (strcmp(notification->channel, hook->channel) == 0) {
            hook->wake(hook->context, notification->payload);
            return;
        }
    }
    if (!notification->is_own) /* this process knows already */
        forward_task(listener, notification->payload);
}

/* Sends the announcements, or otherwise checks the connection if it has been quiet. */
static bool send_or_ping(struct listener *listener, struct db *db, bool is_quiet, struct error *err)
{
    bool sent;

    return announcements_send(listener->announcements, db, &sent, err) && (sent || !is_quiet || db_ping(db, err));
}

/* Sends announcements and forwards notifications until the connection is lost or the thread must end. */
static void exchange_notifications(struct listener *listener, struct db *db, struct error *err)
{
    int event = announcements_event(listener->announcements);
    struct db_notification notification;
    bool is_quiet = false;

    for (;;) {
        bool stopping = atomic_load(&listener->stopping); /* read first, so that the last announcements are sent */

        if (!send_or_ping(listener, db, is_quiet && !stopping, err) || stopping)
            return;
        is_quiet = false;
        switch (db_next_notification(db, event, PING_MS, &notification, err)) {
        case DB_NOTIFICATION_FAILED:
            return;
        case DB_NOTIFICATION_NONE:
            is_quiet = true;
            break;
        case DB_NOTIFICATION_RECEIVED:
            forward_notification(listener, &notification);
            break;
        }
    }
}

static void *listener_main(void *argument)
{
    struct listener *listener = argument;
    struct pollfd stop = {.fd = listener->stop_event, .events = POLLIN};
    bool failure_logged = false;

    while (!atomic_load(&listener->stopping)) {
        struct error err = {0};
        struct db *db = db_open(listener->settings, &err);

        if (db != NULL && listen_on_channels(listener, db, &err)) {
            failure_logged = false;
            begin_receiving(listener);
            exchange_notifications(listener, db, &err);
            end_receiving(listener);
        }
        db_close(db);
        if (err.code != ERROR_NONE && !failure_logged) {
            struct log_line line;

            log_begin(&line, LOG_WARNING, "notifications cannot be received");
            log_error(&line, &err);
            log_end(&line);
            failure_logged = true;
        }
        poll(&stop, 1, RETRY_MS);
    }
    return NULL;
}

struct listener *listener_start(const struct db_settings *settings, struct announcements *announcements,
                                struct workers *workers, struct watches *watches, const struct listener_hook *hooks,
                                size_t count)
{
    struct listener *listener = memory_zeroed(1, sizeof(*listener));

    listener->settings = settings;
    listener->announcements = announcements;
    listener->workers = workers;
    listener->watches = watches;
    assert(count <= LISTENER_MAX_HOOKS);
    for (; listener->hook_count < count; listener->hook_count++)
        listener->hooks[listener->hook_count] = hooks[listener->hook_count];
    atomic_init(&listener->stopping, false);
    listener->stop_event = eventfd(0, EFD_CLOEXEC);
    if (listener->stop_event >= 0 && pthread_create(&listener->thread, NULL, listener_main, listener) == 0)
        return listener;
    if (listener->stop_event >= 0)
        close(listener->stop_event);
    free(listener);
    return NULL;
}

void listener_stop(struct listener *listener)
{
    const uint64_t one = 1;

    if (listener == NULL)
        return;
    atomic_store(&listener->stopping, true);
    announcements_wake(listener->announcements);
    if (write(listener->stop_event, &one, sizeof(one)) != (ssize_t) sizeof(one))
        log_event(LOG_WARNING, "cannot wake the listener thread; it will end with a delay");
    pthread_join(listener->thread, NULL);
    close(listener->stop_event);
    free(listener);
}
