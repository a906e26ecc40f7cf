/* http/intake.c and http/queue.c, with http/connection.c below them. */
#include "http/intake.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "check.h"
#include "http/listen.h"
#include "leap.h"
#include "peer.h"
#include "scratch.h"

#define LONG_MS 3600000
#define GET_VALUES "\1\11\0\0\0\21\0\0" "\17\0FCGI_MPXS_CONNS"
#define VALUES "\1\12\0\0\0\22\0\0" "\17\1FCGI_MPXS_CONNS0"

static const struct intake_limits wide = {
    .heads = 100, .held = 1 << 24, .head_ms = LONG_MS, .silent_ms = LONG_MS,
    .drains = {.connections = 100, .size = 1 << 24, .ms = LONG_MS},
};

/* An intake and a thread that takes its requests one after the other. */
struct setting {
    char *path;
    int listener;
    struct intake *intake;
    pthread_t taker;
    atomic_bool takes_no_more; /* stop after the next request */
    int taken[2];              /* a pipe of pointers */
};

static void *take(void *argument)
{
    struct setting *setting = argument;
    struct connection *connection;

    do {
        connection = intake_take(setting->intake);
        if (write(setting->taken[1], &connection, sizeof(connection)) != sizeof(connection))
            abort();
    } while (connection != NULL && !atomic_load(&setting->takes_no_more));
    return NULL;
}

static void add_taker(struct setting *setting)
{
    atomic_store(&setting->takes_no_more, false);
    assert_int_equal(pthread_create(&setting->taker, NULL, take, setting), 0);
}

static void begin(struct setting *setting, const struct intake_limits *limits)
{
    struct error err;

    *setting = (struct setting) {.path = scratch_path("intake.sock")};
    setting->listener = fastcgi_listen(setting->path, &err);
    check_good(setting->listener >= 0, &err);
    assert_int_equal(pipe2(setting->taken, O_CLOEXEC), 0);
    scratch_catch_log();
    setting->intake = intake_start(setting->listener, limits);
    assert_non_null(setting->intake);
    add_taker(setting);
}

/* Returns the next request taken; NULL when there are no more. */
static struct connection *taken(struct setting *setting)
{
    struct pollfd input = {.fd = setting->taken[0], .events = POLLIN};
    struct connection *connection;

    if (poll(&input, 1, PEER_AT_MOST_MS) != 1)
        check_fail("waited in vain for a request");
    assert_int_equal(read(setting->taken[0], &connection, sizeof(connection)), sizeof(connection));
    return connection;
}

static void end(struct setting *setting)
{
    intake_close(setting->intake);
    pthread_join(setting->taker, NULL);
    intake_stop(setting->intake, 0);
    scratch_release_log();
    fastcgi_unlisten(setting->listener, setting->path);
    close(setting->taken[0]);
    close(setting->taken[1]);
    free(setting->path);
}

/* Sends a request and checks that it is taken. */
static void expect_service(struct setting *setting, const char *name)
{
    int peer = peer_connect(setting->path);
    struct connection *connection;

    peer_send_head(peer, name, "x");
    connection = taken(setting);
    assert_memory_equal(connection->params.data + 2, name, strlen(name));
    connection_free(connection);
    close(peer);
}

/* Waits until everything that was sent has been received, which a response shows. */
static void await_receipt(int peer)
{
    char answer[sizeof(VALUES) - 1];

    PEER_SEND(peer, GET_VALUES);
    assert_int_equal(recv(peer, answer, sizeof(answer), MSG_WAITALL), sizeof(answer));
    assert_memory_equal(answer, VALUES, sizeof(answer));
}

/* Opens a connection that is accepted, but sends no request. */
static int connect_silently(struct setting *setting)
{
    int peer = peer_connect(setting->path);

    await_receipt(peer);
    return peer;
}

/* Sends bytes that are not FastCGI; the intake must close the connection. */
static void expect_refusal(int peer, const char *reason)
{
    int before = scratch_count_log(reason);

    PEER_SEND(peer, "GET / HTTP/1.1\r\n\r\n");
    peer_expect_end(peer);
    assert_int_equal(scratch_count_log(reason), before + 1);
    close(peer);
}

static void takes_a_head_that_comes_in_pieces(void)
{
    static const char head[] = PEER_BEGIN "\1\4\0\1\0\3\0\0\1\0A" PEER_PARAMS_END;
    static const char body[] = "\1\5\0\1\0\1\0\0b";
    struct setting setting;
    int peer;

    begin(&setting, &wide);
    for (size_t cut = 1; cut < sizeof(head) - 1; cut += 5) {
        struct connection *connection;
        char byte = '\0';

        peer = connect_silently(&setting);
        peer_send(peer, head, cut);
        expect_service(&setting, "BETWEEN");
        peer_send(peer, head + cut, sizeof(head) - 1 - cut);
        PEER_SEND(peer, body);
        connection = taken(&setting);
        assert_int_equal(connection->params.length, 3);
        assert_memory_equal(connection->params.data, "\1\0A", 3);
        while (connection_take(connection, &byte, 1) == 0)
            assert_int_not_equal(connection_receive(connection), CONNECTION_LOST);
        assert_int_equal(byte, 'b');
        connection_free(connection);
        close(peer);
    }
    end(&setting);
}

static void closes_the_oldest_of_too_many(void)
{
    struct intake_limits limits = wide;
    struct setting setting;
    int peers[4];

    limits.heads = 3;
    begin(&setting, &limits);
    for (int i = 0; i < 4; i++)
        peers[i] = connect_silently(&setting);
    peer_expect_end(peers[0]);
    assert_int_equal(scratch_count_log("too many incomplete requests"), 1);
    for (int i = 1; i < 4; i++)
        assert_true(peer_is_open(peers[i]));
    for (int i = 0; i < 4; i++)
        close(peers[i]);
    end(&setting);
}

/* Complete heads that wait in the queue count too, but are not closed. */
static void bounds_what_heads_hold(void)
{
    static const char part[8 + 600] = "\1\4\0\1\2\130\0\0"; /* 600 bytes of PARAMS */
    struct intake_limits limits = wide;
    struct setting setting;
    int peers[3];

    limits.held = 1500;
    begin(&setting, &limits);
    for (int i = 0; i < 3; i++) {
        peers[i] = connect_silently(&setting);
        PEER_SEND(peers[i], PEER_BEGIN);
        peer_send(peers[i], part, sizeof(part));
        if (i < 2)
            expect_service(&setting, "MEANWHILE");
    }
    peer_expect_end(peers[0]);
    expect_service(&setting, "AFTERWARDS");
    assert_true(peer_is_open(peers[1]) && peer_is_open(peers[2]));
    assert_int_equal(scratch_count_log("all pending requests together are too large"), 1);

    /* Heads that were taken or closed no longer count. */
    for (int i = 1; i < 3; i++) {
        PEER_SEND(peers[i], PEER_PARAMS_END);
        connection_free(taken(&setting));
        close(peers[i]);
    }
    close(peers[0]);
    for (int i = 0; i < 2; i++) {
        peers[i] = connect_silently(&setting);
        PEER_SEND(peers[i], PEER_BEGIN);
        peer_send(peers[i], part, sizeof(part));
        expect_service(&setting, "MEANWHILE");
        assert_true(peer_is_open(peers[i]));
    }
    close(peers[0]);
    close(peers[1]);
    end(&setting);
}

static void closes_a_head_that_timed_out(void)
{
    struct intake_limits limits = wide;
    struct setting setting;
    int silent, half, later;

    limits.head_ms = 60000;
    begin(&setting, &limits);
    silent = connect_silently(&setting);
    half = connect_silently(&setting);
    PEER_SEND(half, PEER_BEGIN);
    leap_ahead(30000);
    later = connect_silently(&setting);
    PEER_SEND(half, "\1\4\0\1"); /* more data does not extend the deadline */
    expect_service(&setting, "MEANWHILE");
    assert_true(peer_is_open(silent) && peer_is_open(half));
    leap_ahead(31000);
    peer_expect_end(silent);
    peer_expect_end(half);
    expect_service(&setting, "AFTERWARDS");
    assert_true(peer_is_open(later));
    assert_int_equal(scratch_count_log("its time limit has passed"), 2);
    close(silent);
    close(half);
    close(later);
    end(&setting);
}

/* Makes the log a full pipe, so that the intake stops at its next line, as if the process were stopped. */
static int stop_at_next_line(int *ret_saved)
{
    static const char filling[4096];
    int log[2];

    *ret_saved = dup(STDERR_FILENO);
    assert_int_equal(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(log[1], filling, sizeof(filling)) > 0)
        continue;
    assert_int_equal(fcntl(log[1], F_SETFL, 0), 0);
    dup2(log[1], STDERR_FILENO);
    close(log[1]);
    return log[0];
}

static void go_on(int log, int saved)
{
    char line[4096];

    dup2(saved, STDERR_FILENO);
    close(saved);
    while (read(log, line, sizeof(line)) > 0)
        continue;
}

/* The rest arrived in time, but the intake could not read it before the deadline. */
static void takes_what_came_in_time_but_is_read_late(void)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    struct intake_limits limits = wide;
    struct setting setting;
    struct connection *connection;
    int half, odd, log, saved;

    limits.head_ms = 60000;
    begin(&setting, &limits);
    odd = connect_silently(&setting);
    half = connect_silently(&setting);
    PEER_SEND(half, PEER_BEGIN);
    expect_service(&setting, "MEANWHILE");
    log = stop_at_next_line(&saved);
    PEER_SEND(odd, "not FastCGI");
    nanosleep(&pause, NULL); /* until the intake has stopped; if it has not, it simply takes the rest */
    PEER_SEND(half, PEER_PARAMS_END);
    leap_ahead(61000);
    go_on(log, saved);
    connection = taken(&setting);
    assert_int_equal(connection->params.length, 0);
    connection_free(connection);
    close(log);
    close(half);
    close(odd);
    end(&setting);
}

static void refuses_what_is_no_request(void)
{
    struct setting setting;
    int peer;

    begin(&setting, &wide);
    expect_refusal(peer_connect(setting.path), "unsupported protocol version, or not FastCGI");
    peer = connect_silently(&setting);
    expect_refusal(peer, "unsupported protocol version, or not FastCGI");

    peer = peer_connect(setting.path);
    PEER_SEND(peer, PEER_BEGIN "\1\4\0\1\0\12\0\0" "\377\377\377\377\377\377\377\377ab" PEER_PARAMS_END);
    peer_expect_end(peer);
    assert_int_equal(scratch_count_log("a parameter extends beyond the end of PARAMS"), 1);
    close(peer);

    peer = peer_connect(setting.path);
    PEER_SEND(peer, PEER_BEGIN "\1\2\0\1\0\0\0\0");
    peer_expect_end(peer);
    assert_int_equal(scratch_count_log("aborted by the web server"), 1);
    close(peer);

    close(connect_silently(&setting));
    expect_service(&setting, "AFTERWARDS");
    while (scratch_count_log("closed by the peer") < 1)
        expect_service(&setting, "AFTERWARDS");
    end(&setting);
}

/* PARAMS beyond the limit, in bytes or in number, are accepted as oversized at once and cut to whole pairs. */
static void takes_oversized_params(void)
{
    static const char empty[2 * (RECORD_MAX_PAIRS + 1)];
    char *large = memory_zeroed(1, 0xffff);
    struct setting setting;
    struct connection *connection;
    int peer;

    begin(&setting, &wide);
    memcpy(large, "\200\0\377\367\0", 5); /* a name of 0xfff7 bytes; one byte is left */
    peer = peer_connect(setting.path);
    PEER_SEND(peer, PEER_BEGIN);
    for (int i = 0; i < 8; i++) {
        PEER_SEND(peer, "\1\4\0\1\377\374\0\0");
        peer_send(peer, large, 0xfffc);
    }
    expect_service(&setting, "MEANWHILE");
    PEER_SEND(peer, "\1\4\0\1\0\100\0\0" "\75\1");
    peer_send(peer, large, 0x3e);
    connection = taken(&setting);
    assert_true(connection->is_oversized);
    assert_int_equal(connection->params.length, 8 * 0xfffc);
    connection_free(connection);
    close(peer);

    peer = peer_connect(setting.path);
    PEER_SEND(peer, PEER_BEGIN "\1\4\0\1\40\2\0\0");
    peer_send(peer, empty, sizeof(empty));
    PEER_SEND(peer, PEER_PARAMS_END);
    connection = taken(&setting);
    assert_true(connection->is_oversized);
    assert_int_equal(connection->params.length, 2 * RECORD_MAX_PAIRS);
    connection_free(connection);
    close(peer);

    peer = peer_connect(setting.path);
    PEER_SEND(peer, PEER_BEGIN "\1\4\0\1\40\0\0\0");
    peer_send(peer, empty, sizeof(empty) - 2);
    PEER_SEND(peer, PEER_PARAMS_END);
    connection = taken(&setting);
    assert_false(connection->is_oversized);
    connection_free(connection);
    close(peer);
    free(large);
    end(&setting);
}

/* Limits with a rule for requests that are received whole: those whose variable W begins with "so". */
static struct intake_limits with_whole(size_t max_body)
{
    struct intake_limits limits = wide;

    limits.whole = (struct fastcgi_whole) {.variable = "W", .prefix = "so", .max_body = max_body};
    return limits;
}

#define WHOLE PEER_BEGIN "\1\4\0\1\0\6\0\0" "\1\3WSo1" PEER_PARAMS_END
/* The same with CONTENT_LENGTH, a text of one character. */
#define WHOLE_OF(text) \
    PEER_BEGIN "\1\4\0\1\0\27\0\0" "\1\3WSo1" "\16\1CONTENT_LENGTH" text PEER_PARAMS_END

/* Checks that the body has already been received, so that a thread need not wait for it. */
static void expect_body(struct connection *connection, const char *body)
{
    char got[64] = "";
    size_t length = 0, taken;

    while ((taken = connection_take(connection, got + length, 3)) > 0)
        length += taken;
    assert_int_equal(length, strlen(body));
    assert_memory_equal(got, body, length);
}

/* Takes a request, and checks the body that has been received with it. */
static void expect_whole(struct setting *setting, const char *body)
{
    struct connection *connection = taken(setting);

    expect_body(connection, body);
    connection_free(connection);
}

static void takes_a_whole_request(void)
{
    static const char all[] = WHOLE "\1\5\0\1\0\3\1\0" "abcp" GET_VALUES "\1\5\0\1\0\2\0\0" "de" PEER_STDIN_END;
    const struct intake_limits limits = with_whole(10);
    struct setting setting;

    begin(&setting, &limits);
    for (size_t cut = 1; cut < sizeof(all) - 1; cut += 3) {
        int peer = connect_silently(&setting);
        struct connection *connection;

        peer_send(peer, all, cut);
        expect_service(&setting, "BETWEEN");
        peer_send(peer, all + cut, sizeof(all) - 1 - cut);
        connection = taken(&setting);
        expect_body(connection, "abcde");
        assert_true(connection_is_finished(connection));
        connection_free(connection);
        close(peer);
    }
    end(&setting);
}

#define NAME111 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
                "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static const struct whole_case {
    const char *label;
    const char *data;
    size_t length;
    const char *body; /* what has been received when the request is served */
} whole_cases[] = {
    {"no body", BYTES(WHOLE PEER_STDIN_END), ""},
    {"nothing announced", BYTES(WHOLE_OF("0")), ""},
    {"as announced, without an end", BYTES(WHOLE_OF("3") "\1\5\0\1\0\3\0\0" "abc"), "abc"},
    {"less than announced", BYTES(WHOLE_OF("4") "\1\5\0\1\0\3\0\0" "abc" PEER_STDIN_END), "abc"},
    {"too much announced", BYTES(WHOLE_OF("9")), ""},
    {"no number announced", BYTES(WHOLE_OF("x")), ""},
    {"too much", BYTES(WHOLE "\1\5\0\1\0\7\0\0" "abcdefg"), "abcdefg"},
    {"too much in pieces", BYTES(WHOLE "\1\5\0\1\0\6\0\0" "abcdef" "\1\5\0\1\0\1\0\0" "g"), "abcdefg"},
    {"another value", BYTES(PEER_BEGIN "\1\4\0\1\0\4\0\0" "\1\1Ws" PEER_PARAMS_END), ""},
    {"another value before a name of 111 characters, o",
     BYTES(PEER_BEGIN "\1\4\0\1\0\165\0\0" "\1\1Ws" "o\0" NAME111 PEER_PARAMS_END), ""},
    {"another variable", BYTES(PEER_BEGIN "\1\4\0\1\0\5\0\0" "\1\2Vso" PEER_PARAMS_END), ""},
    {"a later value", BYTES(PEER_BEGIN "\1\4\0\1\0\11\0\0" "\1\1Wx" "\1\2Wso" PEER_PARAMS_END), ""},
};

/* A request is served as soon as its body has ended, has the announced length, or is known to be too large. */
static void takes_it_as_soon_as_possible(const void *row)
{
    const struct whole_case *c = row;
    const struct intake_limits limits = with_whole(6);
    struct setting setting;
    int peer;

    begin(&setting, &limits);
    peer = peer_connect(setting.path);
    peer_send(peer, c->data, c->length);
    expect_whole(&setting, c->body);
    close(peer);
    end(&setting);
}

/* A body of the size of the limit may still be too large, as its end or one more byte will show. */
static void awaits_the_end_of_a_full_body(void)
{
    const struct intake_limits limits = with_whole(6);
    struct setting setting;
    int peer;

    begin(&setting, &limits);
    peer = peer_connect(setting.path);
    PEER_SEND(peer, WHOLE "\1\5\0\1\0\6\0\0" "abcdef");
    await_receipt(peer);
    expect_service(&setting, "MEANWHILE");
    PEER_SEND(peer, PEER_STDIN_END);
    expect_whole(&setting, "abcdef");
    close(peer);
    end(&setting);
}

static const struct lost_case {
    const char *reason;
    const char *data;
    size_t length;
} lost_cases[] = {
    {"aborted by the web server", BYTES("\1\2\0\1\0\0\0\0")},
    {"unsupported protocol version, or not FastCGI", BYTES("zzzzzzzz")},
    {"record with an unexpected request ID", BYTES("\1\5\0\2\0\1\0\0x")},
    {"closed by the peer", BYTES("")},
};

/* A request that will not become whole is not served. */
static void drops_what_does_not_become_whole(const void *row)
{
    const struct lost_case *c = row;
    const struct intake_limits limits = with_whole(100);
    struct setting setting;
    int peer;

    begin(&setting, &limits);
    peer = peer_connect(setting.path);
    PEER_SEND(peer, WHOLE "\1\5\0\1\0\1\0\0x");
    expect_service(&setting, "MEANWHILE");
    peer_send(peer, c->data, c->length);
    if (c->length == 0)
        assert_int_equal(shutdown(peer, SHUT_WR), 0);
    peer_expect_end(peer);
    assert_int_equal(scratch_count_log(c->reason), 1);
    expect_service(&setting, "AFTERWARDS");
    close(peer);
    end(&setting);
}

/* The limits of incomplete heads apply to bodies too. */
static void bounds_incomplete_bodies(void)
{
    static const char part[8 + 600] = "\1\5\0\1\2\130\0\0"; /* 600 bytes of STDIN */
    struct intake_limits limits = with_whole(10000);
    struct setting setting;
    int peers[3];

    limits.held = 1500;
    limits.heads = 2;
    limits.head_ms = 60000;
    begin(&setting, &limits);
    for (int i = 0; i < 3; i++) {
        peers[i] = peer_connect(setting.path);
        PEER_SEND(peers[i], WHOLE);
        await_receipt(peers[i]);
    }
    peer_expect_end(peers[0]);
    assert_int_equal(scratch_count_log("too many incomplete requests"), 1);

    for (int i = 1; i < 3; i++) {
        peer_send(peers[i], part, sizeof(part));
        await_receipt(peers[i]);
    }
    assert_true(peer_is_open(peers[1]));
    peer_send(peers[2], part, sizeof(part));
    peer_expect_end(peers[1]);
    assert_int_equal(scratch_count_log("all pending requests together are too large"), 1);

    leap_ahead(59000);
    peer_send_body(peers[2], "x", 1); /* more data does not extend the deadline */
    await_receipt(peers[2]);
    assert_true(peer_is_open(peers[2]));
    leap_ahead(2000);
    peer_expect_end(peers[2]);
    assert_int_equal(scratch_count_log("its time limit has passed"), 1);

    /* What was closed no longer counts, nor what was taken. */
    for (int i = 0; i < 3; i++) {
        close(peers[i]);
        peers[i] = peer_connect(setting.path);
        PEER_SEND(peers[i], WHOLE);
        peer_send(peers[i], part, sizeof(part));
        peer_send(peers[i], part, sizeof(part));
        await_receipt(peers[i]);
        PEER_SEND(peers[i], PEER_STDIN_END);
        connection_free(taken(&setting));
    }
    for (int i = 0; i < 3; i++)
        close(peers[i]);
    end(&setting);
}

/* A request whose body arrives in part before intake_close may be completed. */
static void completes_a_body_while_closing(void)
{
    const struct intake_limits limits = with_whole(10);
    struct setting setting;
    int peer;

    begin(&setting, &limits);
    peer = peer_connect(setting.path);
    PEER_SEND(peer, WHOLE "\1\5\0\1\0\2\0\0x");
    expect_service(&setting, "MEANWHILE");
    intake_close(setting.intake);
    PEER_SEND(peer, "y" PEER_STDIN_END);
    expect_whole(&setting, "xy");
    assert_null(taken(&setting));
    close(peer);
    end(&setting);
}

static void answers_a_question_for_values(void)
{
    struct setting setting;
    int peer;

    begin(&setting, &wide);
    peer = connect_silently(&setting);
    peer_send_head(peer, "AFTER_IT", "x");
    connection_free(taken(&setting));
    close(peer);
    end(&setting);
}

/* A request that no thread can serve is left to other processes on the socket, and accepted once a thread is free. */
static void accepts_only_with_a_thread_at_hand(void)
{
    struct setting setting;
    int first, second, busy, left, other;

    begin(&setting, &wide);
    first = connect_silently(&setting);
    second = connect_silently(&setting);
    atomic_store(&setting.takes_no_more, true);
    busy = peer_connect(setting.path);
    peer_send_head(busy, "BUSY", "x");
    connection_free(taken(&setting));
    pthread_join(setting.taker, NULL);

    /* The intake has noticed the waiting connection when it has read from two others, one after the other. */
    left = peer_connect(setting.path);
    peer_send_head(left, "LEFT", "x");
    expect_refusal(first, "unsupported protocol version");
    expect_refusal(second, "unsupported protocol version");
    other = accept4(setting.listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(other >= 0);
    close(other);
    close(left);

    left = peer_connect(setting.path);
    peer_send_head(left, "LEFT", "x");
    add_taker(&setting);
    connection_free(taken(&setting));
    close(left);
    close(busy);
    end(&setting);
}

/* Uses up all descriptors: lowers the limit and opens every one below it. */
struct shortage {
    struct rlimit before;
    int opened[100];
    size_t count;
};

static void begin_shortage(struct shortage *shortage)
{
    struct rlimit low;

    *shortage = (struct shortage) {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &shortage->before), 0);
    low = shortage->before;
    low.rlim_cur = ARRAY_SIZE(shortage->opened);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while ((shortage->opened[shortage->count] = dup(STDOUT_FILENO)) >= 0)
        shortage->count++;
}

static void end_shortage(struct shortage *shortage)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &shortage->before), 0);
    while (shortage->count > 0)
        close(shortage->opened[--shortage->count]);
}

static void connect_with_request(struct setting *setting, int peer)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    strcpy(name.sun_path, setting->path);
    assert_int_equal(connect(peer, (const struct sockaddr *) &name, sizeof(name)), 0);
    peer_send_head(peer, "A", "x");
}

static void await_line_of_log(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct stat log = {0};

    for (int ms = 0; log.st_size == 0; ms++) {
        if (ms > PEER_AT_MOST_MS)
            check_fail("no line in the log");
        nanosleep(&pause, NULL);
        assert_int_equal(fstat(STDERR_FILENO, &log), 0);
    }
}

/* Without descriptors, the intake logs one line each 100 ms instead of a busy loop, until some are free. */
static void pauses_without_descriptors(void)
{
    const struct timespec some_pauses = {.tv_nsec = 300000000};
    int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct setting setting;
    struct shortage shortage;
    int64_t begun;
    int lines;

    begin(&setting, &wide);
    begin_shortage(&shortage);
    begun = clock_monotonic_ms();
    connect_with_request(&setting, peer);
    await_line_of_log();
    nanosleep(&some_pauses, NULL);
    end_shortage(&shortage);
    connection_free(taken(&setting));
    lines = scratch_count_log("cannot accept a connection: out of file descriptors or memory");
    assert_in_range(lines, 1, (clock_monotonic_ms() - begun) / 100 + 1);
    close(peer);
    end(&setting);
}

/* A silent connection is closed to free its descriptor. */
static void takes_the_descriptor_of_a_silent_one(void)
{
    int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct setting setting;
    struct shortage shortage;
    int silent;

    begin(&setting, &wide);
    silent = connect_silently(&setting);
    begin_shortage(&shortage);
    connect_with_request(&setting, peer);
    connection_free(taken(&setting));
    end_shortage(&shortage);
    peer_expect_end(silent);
    assert_int_equal(scratch_count_log("its file descriptor is needed for a new connection"), 1);
    close(silent);
    close(peer);
    end(&setting);
}

/* Returns a connection whose request was answered before its body arrived. */
static int release_one(struct setting *setting)
{
    int peer = peer_connect(setting->path);

    peer_send_head(peer, "A", "x");
    intake_drain(setting->intake, taken(setting));
    return peer;
}

static void drains_until_the_request_ends(void)
{
    struct setting setting;
    int peer;

    begin(&setting, &wide);
    peer = release_one(&setting);
    peer_send_body(peer, "some", 4);
    expect_service(&setting, "MEANWHILE");
    assert_true(peer_is_open(peer));
    PEER_SEND(peer, PEER_STDIN_END);
    peer_expect_end(peer);
    close(peer);

    /* The other side sends no more. */
    peer = release_one(&setting);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    peer_expect_end(peer);
    close(peer);
    end(&setting);
}

static void drains_within_limits(void)
{
    static const char piece[60000];
    struct intake_limits limits = wide;
    struct setting setting;
    int slow, large, peers[3];

    limits.drains.ms = 2000;
    limits.drains.size = 100000;
    limits.drains.connections = 2;
    begin(&setting, &limits);
    large = release_one(&setting);
    slow = release_one(&setting);
    peer_send_body(large, piece, sizeof(piece));
    peer_send_body(slow, "x", 1);
    expect_service(&setting, "MEANWHILE");
    assert_true(peer_is_open(large) && peer_is_open(slow));
    (void) peer_try_to_send(large, "\1\5\0\1\352\140\0\0", 8);
    (void) peer_try_to_send(large, piece, sizeof(piece));
    peer_expect_end(large);
    leap_ahead(1000);
    peer_send_body(slow, "x", 1);
    expect_service(&setting, "MEANWHILE");
    assert_true(peer_is_open(slow));
    leap_ahead(1100);
    peer_expect_end(slow);

    for (int i = 0; i < 3; i++)
        peers[i] = release_one(&setting);
    peer_expect_end(peers[0]);
    expect_service(&setting, "MEANWHILE");
    assert_true(peer_is_open(peers[1]) && peer_is_open(peers[2]));
    for (int i = 0; i < 3; i++)
        close(peers[i]);
    close(slow);
    close(large);
    end(&setting);
}

int __real_epoll_wait(int events, struct epoll_event *event, int count, int ms);
int __wrap_epoll_wait(int events, struct epoll_event *event, int count, int ms);

static atomic_int waits;

int __wrap_epoll_wait(int events, struct epoll_event *event, int count, int ms)
{
    atomic_fetch_add(&waits, 1);
    return __real_epoll_wait(events, event, count, ms);
}

/* Checks that the intake sleeps and does not spin: leaps let it sleep for 2 ms at a time. */
static void expect_calm(void)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    int64_t begun = clock_monotonic_ms();
    int before = atomic_load(&waits);

    nanosleep(&pause, NULL);
    assert_in_range(atomic_load(&waits) - before, 0, clock_monotonic_ms() - begun + 10);
}

/* Silent connections are closed after a short time. A request that arrived in part may be completed and is served. */
static void closes(void)
{
    struct intake_limits limits = wide;
    struct setting setting;
    int silent, half;

    limits.silent_ms = 100;
    begin(&setting, &limits);
    silent = connect_silently(&setting);
    half = connect_silently(&setting);
    PEER_SEND(half, "\1\1\0");
    expect_service(&setting, "MEANWHILE");
    intake_close(setting.intake);
    leap_ahead(100);
    peer_expect_end(silent);
    assert_int_equal(scratch_count_log("the process is stopping"), 1);
    assert_true(peer_is_open(half));
    expect_calm();
    PEER_SEND(half, "\1\0\10\0\0" "\0\1\0\0\0\0\0\0" PEER_PARAMS_END);
    connection_free(taken(&setting));
    assert_null(taken(&setting));
    close(silent);
    close(half);
    end(&setting);
}

static void *stop(void *argument)
{
    struct setting *setting = argument;

    intake_stop(setting->intake, LONG_MS);
    return NULL;
}

/* Responses that were sent get time to arrive, but a limited one. */
static void stops_after_its_drains(void)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    struct setting setting;
    pthread_t stopping;
    int peer;

    begin(&setting, &wide);
    peer = release_one(&setting);
    intake_close(setting.intake);
    assert_null(taken(&setting));
    pthread_join(setting.taker, NULL);
    assert_int_equal(pthread_create(&stopping, NULL, stop, &setting), 0);
    nanosleep(&pause, NULL);
    assert_true(peer_is_open(peer));
    PEER_SEND(peer, PEER_STDIN_END);
    pthread_join(stopping, NULL);
    peer_expect_end(peer);
    close(peer);
    scratch_release_log();
    fastcgi_unlisten(setting.listener, setting.path);
    close(setting.taken[0]);
    close(setting.taken[1]);
    free(setting.path);

    begin(&setting, &wide);
    peer = release_one(&setting);
    end(&setting); /* leaves no time for draining */
    peer_expect_end(peer);
    close(peer);
}

int __real_setrlimit(__rlimit_resource_t which, const struct rlimit *limit);
int __wrap_setrlimit(__rlimit_resource_t which, const struct rlimit *limit);

static bool refuses_limits;

int __wrap_setrlimit(__rlimit_resource_t which, const struct rlimit *limit)
{
    return refuses_limits ? -1 : __real_setrlimit(which, limit);
}

/* If few descriptors are allowed, silent connections get only a part of them. */
static void leaves_descriptors_to_others(void)
{
    struct rlimit before, low;
    struct setting setting;
    int peers[26]; /* a quarter and 2 */

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 96;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    refuses_limits = true;
    begin(&setting, &wide);
    refuses_limits = false;
    for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
        peers[i] = connect_silently(&setting);
    peer_expect_end(peers[0]);
    assert_true(peer_is_open(peers[1]));
    for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
        close(peers[i]);
    end(&setting);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void raises_the_limit_of_descriptors(void)
{
    struct rlimit before, low, raised;
    struct setting setting;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    begin(&setting, &wide);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &raised), 0);
    end(&setting);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(raised.rlim_cur, before.rlim_max < 4096 ? before.rlim_max : 4096);
    assert_int_equal(raised.rlim_max, before.rlim_max);
}

int main(void)
{
    CHECK(takes_a_head_that_comes_in_pieces);
    CHECK(closes_the_oldest_of_too_many);
    CHECK(bounds_what_heads_hold);
    CHECK(closes_a_head_that_timed_out);
    CHECK(takes_what_came_in_time_but_is_read_late);
    CHECK(refuses_what_is_no_request);
    CHECK(takes_oversized_params);
    CHECK(takes_a_whole_request);
    CHECK_EACH(takes_it_as_soon_as_possible, whole_cases, label);
    CHECK(awaits_the_end_of_a_full_body);
    CHECK_EACH(drops_what_does_not_become_whole, lost_cases, reason);
    CHECK(bounds_incomplete_bodies);
    CHECK(completes_a_body_while_closing);
    CHECK(answers_a_question_for_values);
    CHECK(accepts_only_with_a_thread_at_hand);
    CHECK(pauses_without_descriptors);
    CHECK(takes_the_descriptor_of_a_silent_one);
    CHECK(drains_until_the_request_ends);
    CHECK(drains_within_limits);
    CHECK(closes);
    CHECK(stops_after_its_drains);
    CHECK(leaves_descriptors_to_others);
    CHECK(raises_the_limit_of_descriptors);
    return check_run("http/intake");
}
