#include "http/deadlines.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"

#define HOUR_MS (60 * 60 * 1000)
#define AT_MOST_MS 60000 /* reached only if there is a bug */

struct pair {
    int near, far;
};

static struct pair connected(void)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return (struct pair) {ends[0], ends[1]};
}

static void disconnect(struct pair pair)
{
    close(pair.near);
    close(pair.far);
}

static struct deadlines *watch(void)
{
    struct deadlines *deadlines = deadlines_start();

    assert_non_null(deadlines);
    return deadlines;
}

/* Waits for an event of a socket. Returns false if it does not come within `ms`. */
static bool comes(int socket, short event, int ms)
{
    struct pollfd watched = {.fd = socket, .events = event};

    return poll(&watched, 1, ms) == 1 && (watched.revents & event) != 0;
}

static bool is_open(struct pair pair)
{
    return !comes(pair.near, POLLRDHUP, 0);
}

static void a_write_ends(void)
{
    static const char chunk[4096];
    struct deadlines *deadlines = watch();
    struct pair pair = connected();
    struct deadline deadline;
    ssize_t written;

    deadline_set(deadlines, &deadline, pair.near, clock_monotonic_ms() + 20);
    do
        written = send(pair.near, chunk, sizeof(chunk), MSG_NOSIGNAL);
    while (written > 0);
    assert_int_equal(written, -1);
    deadline_clear(deadlines, &deadline);
    disconnect(pair);
    deadlines_stop(deadlines);
}

/* The thread is waiting for the first deadline when the second, earlier one is set. */
static void an_earlier_one_comes_first(void)
{
    struct deadlines *deadlines = watch();
    struct pair late = connected(), early = connected();
    struct deadline of_late, of_early;

    deadline_set(deadlines, &of_late, late.near, clock_monotonic_ms() + HOUR_MS);
    usleep(20000);
    deadline_set(deadlines, &of_early, early.near, clock_monotonic_ms() + 1);
    assert_true(comes(early.near, POLLRDHUP, AT_MOST_MS));
    assert_true(is_open(late));
    deadline_clear(deadlines, &of_early);
    deadline_clear(deadlines, &of_late);
    disconnect(late);
    disconnect(early);
    deadlines_stop(deadlines);
}

/* A deadline that was cleared, before or after it expired, does not affect those set before and after it. */
static void one_that_is_cleared_does_nothing(void)
{
    struct deadlines *deadlines = watch();
    struct pair pairs[3];
    struct deadline of[ARRAY_SIZE(pairs)];
    const int ms[] = {HOUR_MS, 50, 100};

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        pairs[i] = connected();
        deadline_set(deadlines, &of[i], pairs[i].near, clock_monotonic_ms() + ms[i]);
    }
    deadline_clear(deadlines, &of[1]);
    assert_true(comes(pairs[2].near, POLLRDHUP, AT_MOST_MS));
    assert_true(is_open(pairs[0]));
    deadline_clear(deadlines, &of[0]);
    deadline_clear(deadlines, &of[2]);
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        disconnect(pairs[i]);
    deadlines_stop(deadlines);
}

static void nothing_to_stop(void)
{
    deadlines_stop(NULL);
}

int main(void)
{
    CHECK(a_write_ends);
    CHECK(an_earlier_one_comes_first);
    CHECK(one_that_is_cleared_does_nothing);
    CHECK(nothing_to_stop);
    return check_run("http/deadlines");
}
