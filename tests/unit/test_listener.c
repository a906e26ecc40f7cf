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
#define THIRD_CHANNEL "waybill_third"

/*
 * The waits for a notification, in order: q a task was queued, Q three were, o this process has queued one, t TASK
 * changed, a the process adds an announcement, A the same, and the connection fails when it is sent, h and i the
 * channel of the first hook, without and with a payload, j that of the second, with a payload, n nothing, x nothing,
 * and then no response to the ping, f the connection fails. After the last, nothing more arrives.
 */
static struct {
    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    const char *waits;
    bool is_done;  /* nothing more arrives */
    bool is_heard; /* the watch has been told that the process hears */
    bool ping_fails;
    bool added;      /* an announcement waits to be sent */
    bool sends_fail; /* once */
    int failing_opens;
    int failing_hooks; /* LISTENs on the channel of the first hook */
    /* o open, H open while receiving, l LISTEN, m and M LISTEN of the hooks, p ping, c close, w one worker woken,
     * v three, s announcements sent, F not sent, W all workers woken, k the first hook is woken because notifications
     * are received, 0 by one without and 1 by one with a payload; K, 2 and 3 the same for the second hook; d the second
     * hook is told that none are received */
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
void __wrap_workers_wake(struct workers *workers, int64_t tasks);
bool __wrap_announcements_send(struct announcements *announcements, struct db *db, bool *ret_sent, struct error *err);
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
    if (strcmp(channel, THIRD_CHANNEL) == 0) {
        trace('M');
        return true;
    }
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
    if (wait == 'a' || wait == 'A')
        server.added = true;
    server.sends_fail = wait == 'A';
    pthread_mutex_unlock(&server.lock);
    switch (wait) {
    case 'q':
    case 'Q':
    case 'o':
    case 't':
    case 'h':
    case 'i':
    case 'j':
        snprintf(ret_notification->channel, DB_NOTIFICATION_SIZE, "%s",
                 wait == 'h' || wait == 'i' ? HOOK_CHANNEL : wait == 'j' ? THIRD_CHANNEL : "waybill_task");
        snprintf(ret_notification->payload, DB_NOTIFICATION_SIZE, "%s",
                 wait == 'q' || wait == 'h' ? "" : wait == 'Q' ? "3" : wait == 'o' ? "1" : TASK);
        ret_notification->is_own = wait == 'o';
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

void __wrap_workers_wake(struct workers *workers, int64_t tasks)
{
    (void) workers;
    assert_true(tasks == 1 || tasks == 3);
    trace(tasks == 1 ? 'w' : 'v');
}

bool __wrap_announcements_send(struct announcements *announcements, struct db *db, bool *ret_sent, struct error *err)
{
    (void) announcements;
    assert_non_null(db);
    if (server.sends_fail) {
        trace('F');
        server.sends_fail = false;
        return error_set(err, ERROR_UNAVAILABLE, "the connection is lost");
    }
    *ret_sent = server.added;
    if (server.added)
        trace('s');
    server.added = false;
    return true;
}

void __wrap_workers_wake_all(struct workers *workers)
{
    (void) workers;
    trace('W');
}

/* The context of a hook: what to trace without a payload and when notifications are received. */
struct hook_trace {
    char woken;
    char receiving;
    char lost;
};

static void wake_hook(void *context, const char *payload)
{
    const struct hook_trace *hook = context;

    assert_true(watches_is_receiving(server.watches));
    if (payload == NULL) {
        trace(hook->receiving);
        return;
    }
    if (*payload != '\0')
        assert_string_equal(payload, TASK);
    trace(*payload == '\0' ? hook->woken : (char) (hook->woken + 1));
}

static void lose_hook(void *context)
{
    const struct hook_trace *hook = context;

    trace(hook->lost);
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
    size_t hooks;
    int failing_hooks;
    const char *trace;
    enum watch_event event; /* of the watch, after the change when the process began to hear */
} listening_cases[] = {
    {"nothing arrives", "", 0, 0, 0, "olWc", WATCH_TIMEOUT},
    {"a task is queued", "qq", 0, 0, 0, "olWwwc", WATCH_TIMEOUT},
    {"three tasks are queued", "Q", 0, 0, 0, "olWvc", WATCH_TIMEOUT},
    {"this process has queued a task", "o", 0, 0, 0, "olWc", WATCH_TIMEOUT},
    {"an announcement is sent, which shows that the server responds", "aqa", 0, 0, 0, "olWswsc", WATCH_TIMEOUT},
    {"an announcement fails and is sent later", "A", 0, 0, 0, "olWFcolWsc", WATCH_CHANGED},
    {"a task changes", "t", 0, 0, 0, "olWc", WATCH_CHANGED},
    {"a quiet connection is pinged and kept", "nnq", 0, 0, 0, "olWppwc", WATCH_TIMEOUT},
    {"a quiet connection does not respond", "nx", 0, 0, 0, "olWppcolWc", WATCH_CHANGED},
    {"the connection fails", "qf", 0, 0, 0, "olWwcolWc", WATCH_CHANGED},
    {"the server is not there at first", "", 2, 0, 0, "ooolWc", WATCH_TIMEOUT},
    {"a hook", "", 0, 1, 0, "olmWkc", WATCH_TIMEOUT},
    {"a hook is woken, with and without a payload", "hqi", 0, 1, 0, "olmWk0w1c", WATCH_TIMEOUT},
    {"a task changes beside a hook", "ht", 0, 1, 0, "olmWk0c", WATCH_CHANGED},
    {"the connection with a hook fails", "hf", 0, 1, 0, "olmWk0colmWkc", WATCH_CHANGED},
    {"the channel of the hook fails at first", "h", 0, 1, 1, "olmcolmWk0c", WATCH_TIMEOUT},
    {"two hooks", "", 0, 2, 0, "olmMWkKdc", WATCH_TIMEOUT},
    {"each of two hooks is woken by its channel", "hjqi", 0, 2, 0, "olmMWkK03w1dc", WATCH_TIMEOUT},
    {"the connection with two hooks fails", "jf", 0, 2, 0, "olmMWkK3dcolmMWkKdc", WATCH_CHANGED},
};

static void listens(const void *row)
{
    static const struct db_settings settings;
    const struct listening_case *c = row;
    static struct hook_trace traces[] = {{'0', 'k', 0}, {'2', 'K', 'd'}};
    struct listener_hook hooks[] = {{HOOK_CHANNEL, wake_hook, &traces[0], NULL},
                                    {THIRD_CHANNEL, wake_hook, &traces[1], lose_hook}};
    struct announcements *announcements = announcements_new();
    struct listener *listener;

    server.waits = c->waits;
    server.failing_opens = c->failing_opens;
    server.failing_hooks = c->failing_hooks;
    server.is_done = server.is_heard = server.added = server.sends_fail = false;
    memset(server.trace, 0, sizeof(server.trace));
    server.watches = watches_new();
    watch_begin(server.watches, &server.watch, TASK, false);
    pthread_mutex_lock(&server.lock);
    listener = listener_start(&settings, announcements, NULL, server.watches, hooks, c->hooks);
    memset(hooks, 0, sizeof(hooks));
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
    announcements_free(announcements);
}

int main(void)
{
    CHECK_EACH(listens, listening_cases, label);
    return check_run("export/listener");
}
