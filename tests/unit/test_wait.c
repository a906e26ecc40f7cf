/* Waiting for the server to take or to send something; the linker puts libpq and poll away (--wrap). */
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "check.h"
#include "db/internal.h"

#define NOTHING_HAPPENS (-1)

static struct {
    int flushed[4]; /* what PQflush returns, one call after the other */
    int flushes;
    int poll_result; /* 1: something happens; NOTHING_HAPPENS: the time passes */
    int polls;
    short events; /* of all calls of poll together, by AND */
    int longest;  /* ms that poll was allowed to take */
    int consume_result;
    int64_t now;
} fake;

int __wrap_PQflush(PGconn *connection);
int __wrap_PQconsumeInput(PGconn *connection);
int __wrap_PQsocket(const PGconn *connection);
int __wrap_poll(struct pollfd *sockets, nfds_t count, int timeout);
int64_t __wrap_clock_monotonic_ms(void);
int __wrap_clock_remaining_ms(int64_t deadline);
bool __wrap_db_fail(struct db *db, const PGresult *result, struct error *err);

int __wrap_PQflush(PGconn *connection)
{
    (void) connection;
    assert_true(fake.flushes < (int) ARRAY_SIZE(fake.flushed));
    return fake.flushed[fake.flushes++];
}

int __wrap_PQconsumeInput(PGconn *connection)
{
    (void) connection;
    return fake.consume_result;
}

int __wrap_PQsocket(const PGconn *connection)
{
    (void) connection;
    return 7;
}

int __wrap_poll(struct pollfd *sockets, nfds_t count, int timeout)
{
    assert_int_equal(count, 1);
    assert_int_equal(sockets[0].fd, 7);
    fake.polls++;
    fake.events &= sockets[0].events;
    fake.longest = timeout > fake.longest ? timeout : fake.longest;
    if (fake.poll_result != NOTHING_HAPPENS)
        return fake.poll_result;
    fake.now += timeout;
    return 0;
}

int64_t __wrap_clock_monotonic_ms(void)
{
    return fake.now;
}

int __wrap_clock_remaining_ms(int64_t deadline)
{
    return (int) (deadline - fake.now);
}

bool __wrap_db_fail(struct db *db, const PGresult *result, struct error *err)
{
    (void) db;
    (void) result;
    return error_set(err, ERROR_UNAVAILABLE, "the connection failed");
}

static void begin(int first, int second, int third, int poll_result)
{
    memset(&fake, 0, sizeof(fake));
    fake.flushed[0] = first;
    fake.flushed[1] = second;
    fake.flushed[2] = third;
    fake.poll_result = poll_result;
    fake.events = POLLIN | POLLOUT;
    fake.consume_result = 1;
    fake.now = 5000;
}

static const struct flush_case {
    const char *label;
    int first, second, third;
    int polls;
    bool is_good;
} flush_cases[] = {
    {"nothing is left", 0, -1, -1, 0, true},
    {"the server takes the rest at once", 1, 0, -1, 1, true},
    {"the server takes the rest slowly", 1, 1, 0, 2, true},
    {"the connection fails at once", -1, 0, 0, 0, false},
    {"the connection fails later", 1, -1, 0, 1, false},
};

/* While something is left, each wait must end when the server can take it, or it would wait for ever. */
static void flushes(const void *row)
{
    const struct flush_case *c = row;
    struct db db = {0};
    struct error err;

    begin(c->first, c->second, c->third, 1);
    assert_int_equal(db_flush(&db, fake.now + 1000, &err), c->is_good);
    if (!c->is_good)
        check_refusal(&err, ERROR_UNAVAILABLE, "the connection failed");
    assert_int_equal(fake.polls, c->polls);
    assert_int_equal(fake.events, POLLIN | POLLOUT);
}

static void a_flush_reads_what_the_server_sends(void)
{
    struct db db = {0};
    struct error err;

    begin(1, 0, 0, 1);
    fake.consume_result = 0;
    assert_false(db_flush(&db, fake.now + 1000, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "the connection failed");
}

static const struct wait_case {
    const char *label;
    int left;
    short events;
} wait_cases[] = {{"all is sent", 0, POLLIN}, {"something is left", 1, POLLIN | POLLOUT}};

static void waits(const void *row)
{
    const struct wait_case *c = row;
    struct db db = {0};
    struct error err;

    begin(c->left, -1, -1, 1);
    check_good(db_wait(&db, fake.now + 1000, &err), &err);
    assert_int_equal(fake.polls, 1);
    assert_int_equal(fake.events, c->events);
    assert_int_equal(fake.longest, 1000);
    assert_false(db.abandoned);
}

static bool counts_and_gives_up(void *context, struct error *err)
{
    int *left = context;

    return --*left > 0 ? true : error_set(err, ERROR_CANCELLED, "the watcher gave up");
}

static const struct kind_case {
    const char *label;
    bool (*wait)(struct db *db, int64_t deadline, struct error *err);
} kind_cases[] = {{"db_wait", db_wait}, {"db_flush", db_flush}};

static void a_deadline_passes(const void *row)
{
    const struct kind_case *c = row;
    struct db db = {0};
    struct error err;

    begin(1, 1, 1, NOTHING_HAPPENS);
    assert_false(c->wait(&db, 6000, &err));
    check_refusal(&err, ERROR_TIMEOUT, "the database did not respond in time");
    assert_int_equal(fake.now, 6000);
    assert_int_equal(fake.polls, 1);
    assert_true(db.abandoned);
}

/* The watcher is called several times a second. */
static void a_watcher_gives_up(const void *row)
{
    const struct kind_case *c = row;
    struct db db = {0};
    struct error err;
    int calls = 3;

    begin(1, 1, 1, NOTHING_HAPPENS);
    db_watch(&db, counts_and_gives_up, &calls);
    assert_false(c->wait(&db, 60000, &err));
    check_refusal(&err, ERROR_CANCELLED, "the watcher gave up");
    assert_int_equal(calls, 0);
    assert_int_equal(fake.longest, 250);
    assert_true(db.abandoned);
}

/* With a watcher, too, the deadline is kept to the millisecond. */
static void a_deadline_passes_under_watch(const void *row)
{
    const struct kind_case *c = row;
    struct db db = {0};
    struct error err;
    int calls = 10;

    begin(1, 1, 1, NOTHING_HAPPENS);
    db_watch(&db, counts_and_gives_up, &calls);
    assert_false(c->wait(&db, 5300, &err));
    check_refusal(&err, ERROR_TIMEOUT, "the database did not respond in time");
    assert_int_equal(fake.now, 5300);
    assert_true(db.abandoned);
}

int main(void)
{
    CHECK_EACH(flushes, flush_cases, label);
    CHECK(a_flush_reads_what_the_server_sends);
    CHECK_EACH(waits, wait_cases, label);
    CHECK_EACH(a_deadline_passes, kind_cases, label);
    CHECK_EACH(a_watcher_gives_up, kind_cases, label);
    CHECK_EACH(a_deadline_passes_under_watch, kind_cases, label);
    return check_run("db/wait");
}
