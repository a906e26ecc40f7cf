/* Notifications of a real server. */
#include "db/notification.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "../unit/check.h"
#include "base/clock.h"
#include "server.h"

/* Waits with a descriptor that is readable if `woken`. */
static enum db_notification_result await_next(struct db *db, bool woken, int timeout_ms,
                                              struct db_notification *ret_notification, struct error *err)
{
    int wake = eventfd(woken, EFD_CLOEXEC);
    enum db_notification_result result;

    assert_true(wake >= 0);
    result = db_next_notification(db, wake, timeout_ms, ret_notification, err);
    close(wake);
    return result;
}

static struct db *open_and_listen(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;

    check_good(db_listen(db, "one", &err), &err);
    check_good(db_listen(db, "two", &err), &err);
    return db;
}

static const struct arrival_case {
    const char *sql;
    const char *channel;
    const char *payload;
} arrival_cases[] = {
    {"NOTIFY one", "one", ""},
    {"NOTIFY two, 'a b'", "two", "a b"},
    {"NOTIFY three; NOTIFY one, 'one'", "one", "one"},
    {"SELECT pg_notify('two', repeat('x', 100))", "two",
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
};

/* A notification tells its channel and its payload, which is cut after 63 bytes. */
static void arrives(const void *row)
{
    const struct arrival_case *c = row;
    struct db *db = open_and_listen();
    struct db *other = server_open(SERVER_PATIENT_MS);
    struct db_notification notification;
    struct error err;

    server_run(other, c->sql);
    assert_int_equal(await_next(db, false, SERVER_PATIENT_MS, &notification, &err), DB_NOTIFICATION_RECEIVED);
    assert_string_equal(notification.channel, c->channel);
    assert_string_equal(notification.payload, c->payload);
    assert_int_equal(await_next(db, false, 0, &notification, &err), DB_NOTIFICATION_NONE);
    db_close(other);
    db_close(db);
}

static void a_wake_up_ends_the_wait(void)
{
    struct db *db = open_and_listen();
    int64_t begun = clock_monotonic_ms();
    struct db_notification notification;
    struct error err;

    assert_int_equal(await_next(db, true, 2 * SERVER_PATIENT_MS, &notification, &err), DB_NOTIFICATION_NONE);
    assert_true(clock_monotonic_ms() - begun < SERVER_PATIENT_MS);
    db_close(db);
}

static void the_connection_is_lost(void)
{
    struct db *db = open_and_listen();
    struct db *other = server_open(SERVER_PATIENT_MS);
    struct db_notification notification;
    struct error err;

    server_run(other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'"
               " AND datname = current_database()");
    assert_int_equal(await_next(db, false, SERVER_PATIENT_MS, &notification, &err), DB_NOTIFICATION_FAILED);
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    db_close(other);
    db_close(db);
}

static void an_invalid_channel(void)
{
    struct db *db = server_open(SERVER_PATIENT_MS);
    struct error err;

    assert_false(db_listen(db, "two words", &err));
    check_refusal(&err, ERROR_INTERNAL, "");
    db_close(db);
}

int main(void)
{
    CHECK_EACH(arrives, arrival_cases, sql);
    CHECK(a_wake_up_ends_the_wait);
    CHECK(the_connection_is_lost);
    CHECK(an_invalid_channel);
    return check_run("db/notification");
}
