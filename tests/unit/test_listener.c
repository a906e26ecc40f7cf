/* What the listener does with its connection and with each notification. The linker replaces the database (--wrap). */
#include "export/listener.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "db/notification.h"
#include "db/query.h"

#define TASK "01234567-89ab-4cde-8f01-23456789abcd"
#define HOOK_CHANNEL "waybill_other"

/*
 * The waits for a notification, in order: q a task was queued, t TASK changed, h and i the channel of the hook, without
 * and with a payload, n nothing, x nothing, and then no response to the ping, f the connection fails. After the last,
 * nothing more arrives.
 */
static struct {
    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    const char *waits;
    bool is_done;  /* nothing more arrives */
    bool is_heard; /* the watch has been told that the process hears */
    bool ping_fails;
    int failing_opens;
    int failing_hooks; /* LISTENs on the channel of the hook */
    /* o open, l LISTEN, m LISTEN of the hook, p ping, c close, w one worker woken, W all, k the hook, H open while
     * receiving */
    char trace[64];
    struct watches *watches;
    struct watch watch; /* of TASK */
} server = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void trace(char call)
{
    size_t length;

    pthread_mutex_lock(&server.lock);
    length = strlen(server.trace);
    if (length < sizeof(server.trace) - 1)
        server.trace[length] = call;
    pthread_mutex_unlock(&server.lock);
}

static int connection; /* any connection */

struct db *__wrap_db_open(const struct db_settings *settings, struct error *err);
void __wrap_db_close(struct db *db);
bool __wrap_db_listen(struct db *db, const char *channel, struct error *err);
bool __wrap_db_ping(struct db *db, struct error *err);
enum db_notification_result __wrap_db_next_notification(struct db *db, int wake, int timeout_ms,
                                                        struct db_notification *ret_notification, struct error *err);
void __wrap_workers_wake(struct workers *workers);
void __wrap_workers_wake_all(struct workers *workers);
int __real_poll(struct pollfd *events, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *events, nfds_t count, int timeout_ms);

struct db *__wrap_db_open(const struct db_settings *settings, struct error *err)
{
    (void) settings;
    trace(watches_is_receiving(server.watches) ? 'H' : 'o');
    if (server.failing_opens > 0) {
        server.failing_opens--;
        error_set(err, ERROR_UNAVAILABLE, "no database");
        return NULL;
    }
    return (struct db *) &connection;
}

void __wrap_db_close(struct db *db)
{
    if (db != NULL)
        trace('c');
}

bool __wrap_db_listen(struct db *db, const char *channel, struct error *err)
{
    (void) db;
    if (strcmp(channel, HOOK_CHANNEL) == 0) {
        trace('m');
        return server.failing_hooks-- > 0 ? error_set(err, ERROR_UNAVAILABLE, "the connection is lost") : true;
    }
    assert_string_equal(channel, "waybill_task");
    trace('l');
    return true;
}

bool __wrap_db_ping(struct db *db, struct error *err)
{
    (void) db;
    trace('p');
    return server.ping_fails ? error_set(err, ERROR_TIMEOUT, "no response") : true;
}

enum db_notification_result __wrap_db_next_notification(struct db *db, int wake, int timeout_ms,
                                                        struct db_notification *ret_notification, struct error *err)
{
    struct pollfd stop = {.fd = wake, .events = POLLIN};
    char wait;

    (void) db, (void) timeout_ms;
    pthread_mutex_lock(&server.lock);
    if (!server.is_heard)
        server.is_heard = watch_wait(&server.watch, 0) == WATCH_CHANGED;
    wait = *server.waits;
    if (wait != '\0')
        server.waits++;
    server.is_done = wait == '\0';
    pthread_cond_signal(&server.changed);
    server.ping_fails = wait == 'x';
    pthread_mutex_unlock(&server.lock);
    switch (wait) {
    case 'q':
    case 't':
    case 'h':
    case 'i':
        snprintf(ret_notification->channel, DB_NOTIFICATION_SIZE, "%s",
                 wait == 'h' || wait == 'i' ? HOOK_CHANNEL : "waybill_task");
        snprintf(ret_notification->payload, DB_NOTIFICATION_SIZE, "%s", wait == 't' || wait == 'i' ? TASK : "");
        return DB_NOTIFICATION_RECEIVED;
    case 'f':
        error_set(err, ERROR_UNAVAILABLE, "the connection is lost");
        return DB_NOTIFICATION_FAILED;
    case '\0':
        (void) __real_poll(&stop, 1, -1);
        return DB_NOTIFICATION_NONE;
    default:
        return DB_NOTIFICATION_NONE;
    }
}

void __wrap_workers_wake(struct workers *workers)
{
    (void) workers;
    trace('w');
}

void __wrap_workers_wake_all(struct workers *workers)
{
    (void) workers;
    trace('W');
}

static void wake_hook(void *context)
{
    assert_ptr_equal(context, &server);
    trace(watches_is_receiving(server.watches) ? 'k' : 'K');
}

/* The pause between attempts to connect takes no time. */
int __wrap_poll(struct pollfd *events, nfds_t count, int timeout_ms)
{
    (void) timeout_ms;
    return __real_poll(events, count, 0);
}

static const struct listening_case {
    const char *label;
    const char *waits;
    int failing_opens;
    bool is_hooked;
    int failing_hooks;
    const char *trace;
    enum watch_event event; /* of the watch, after the change when the process began to hear */
} listening_cases[] = {
    {"nothing arrives", "", 0, false, 0, "olWc", WATCH_TIMEOUT},
    {"a task is queued", "qq", 0, false, 0, "olWwwc", WATCH_TIMEOUT},
    {"a task changes", "t", 0, false, 0, "olWc", WATCH_CHANGED},
    {"a quiet connection is pinged and kept", "nnq", 0, false, 0, "olWppwc", WATCH_TIMEOUT},
    {"a quiet connection does not respond", "nx", 0, false, 0, "olWppcolWc", WATCH_CHANGED},
    {"the connection fails", "qf", 0, false, 0, "olWwcolWc", WATCH_CHANGED},
    {"the server is not there at first", "", 2, false, 0, "ooolWc", WATCH_TIMEOUT},
    {"a hook", "", 0, true, 0, "olmWkc", WATCH_TIMEOUT},
    {"a hook is woken, with and without a payload", "hqi", 0, true, 0, "olmWkkwkc", WATCH_TIMEOUT},
    {"a task changes beside a hook", "ht", 0, true, 0, "olmWkkc", WATCH_CHANGED},
    {"the connection with a hook fails", "hf", 0, true, 0, "olmWkkcolmWkc", WATCH_CHANGED},
    {"the channel of the hook fails at first", "h", 0, true, 1, "olmcolmWkkc", WATCH_TIMEOUT},
};

static void listens(const void *row)
{
    static const struct db_settings settings;
    const struct listening_case *c = row;
    struct listener_hook hook = {HOOK_CHANNEL, wake_hook, &server};
    struct listener *listener;

    server.waits = c->waits;
    server.failing_opens = c->failing_opens;
    server.failing_hooks = c->failing_hooks;
    server.is_done = server.is_heard = false;
    memset(server.trace, 0, sizeof(server.trace));
    server.watches = watches_new();
    watch_begin(server.watches, &server.watch, TASK, false);
    pthread_mutex_lock(&server.lock);
    listener = listener_start(&settings, NULL, server.watches, c->is_hooked ? &hook : NULL);
    memset(&hook, 0, sizeof(hook));
    assert_non_null(listener);
    while (!server.is_done)
        pthread_cond_wait(&server.changed, &server.lock);
    pthread_mutex_unlock(&server.lock);
    assert_true(watches_is_receiving(server.watches));
    listener_stop(listener);
    assert_false(watches_is_receiving(server.watches));
    assert_string_equal(server.trace, c->trace);
    assert_true(server.is_heard);
    assert_int_equal(watch_wait(&server.watch, 0), c->event);
    watch_end(&server.watch);
    watches_free(server.watches);
}

int main(void)
{
    CHECK_EACH(listens, listening_cases, label);
    return check_run("export/listener");
}
