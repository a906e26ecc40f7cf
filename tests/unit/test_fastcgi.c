/* The threads of http/fastcgi.c and http/thread_pool.c, tested by requests on a real socket. */
#include "http/fastcgi.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "http/listen.h"
#include "leap.h"
#include "peer.h"
#include "scratch.h"

#define TRANSFERS 256
#define COMMON_THREADS 2 /* of a server, besides those that serve: http/intake.c and http/deadlines.c have one each */
#define CALM 1000000 /* ns */

int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

static atomic_bool hesitates;

/* Delays each thread after each critical section, so that a section that should be one but is two soon fails. */
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    const struct timespec moment = {.tv_nsec = 200000};
    int result = __real_pthread_mutex_unlock(mutex);

    if (atomic_load(&hesitates))
        nanosleep(&moment, NULL);
    return result;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);

static atomic_bool no_more_threads;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    return atomic_load(&no_more_threads) ? EAGAIN : __real_pthread_create(thread, attributes, run, argument);
}

/* A server whose handler does what the request's variable DO says. */
struct setting {
    char *path;
    int listener;
    int others;  /* threads of the process that are not the server's */
    int threads; /* of the process, when the server is idle */
    struct fastcgi_server *server;
    pthread_mutex_t gate; /* closed while it is locked */
    atomic_int at_gate;
};

static void answer(struct fastcgi_exchange *exchange, const char *text)
{
    char out[256];

    snprintf(out, sizeof(out), "Status: 200\r\n\r\n%s", text);
    (void) !fastcgi_write(exchange, out, strlen(out));
}

static void pass_gate(struct setting *setting)
{
    atomic_fetch_add(&setting->at_gate, 1);
    pthread_mutex_lock(&setting->gate);
    pthread_mutex_unlock(&setting->gate);
    atomic_fetch_sub(&setting->at_gate, 1);
}

/* Pauses at the gate, or answers that the pause was refused. */
static void pause_at_gate(struct setting *setting, struct fastcgi_exchange *exchange, enum fastcgi_pause reason)
{
    bool paused = fastcgi_pause(exchange, reason);

    if (paused) {
        pass_gate(setting);
        fastcgi_resume(exchange, reason);
    }
    answer(exchange, paused ? "paused" : "refused");
}

/* Reads a body of at most 100000 bytes, and answers with its length and its last byte. */
static void read_all(struct fastcgi_exchange *exchange)
{
    char *body = calloc(1, 100000);
    ssize_t got = fastcgi_read(exchange, body, 100000);
    char text[64];

    snprintf(text, sizeof(text), "%zd%c", got, got > 0 ? body[got - 1] : '-');
    answer(exchange, text);
    free(body);
}

/* Writes more than any socket buffer holds, and logs whether all of it was written. */
static void write_much(struct fastcgi_exchange *exchange, int64_t ms)
{
    static const char piece[65536] = "Status: 200\r\n\r\n";
    bool written = true;

    if (ms > 0)
        fastcgi_set_time_limit(exchange, ms);
    for (int i = 0; i < 256 && written; i++)
        written = fastcgi_write(exchange, piece, sizeof(piece));
    fprintf(stderr, "%s\n", written ? "all was written" : "it broke off");
}

/* The bytes of a response with many pieces, of lengths around those of the buffer of libfcgi and of a record. */
static const size_t piece_lengths[] = {100, 8191, 8192, 1, 8193, 65535, 7, 65536, 131070, 131071, 200000, 3};

static char byte_at(size_t at)
{
    return (char) ('a' + at % 23 + at / 65521 % 3);
}

/* Writes the pieces. Together they are the bytes above, after the head. */
static void write_pieces(struct fastcgi_exchange *exchange)
{
    size_t at = 0;

    answer(exchange, "");
    for (size_t i = 0; i < ARRAY_SIZE(piece_lengths); i++) {
        char *piece = malloc(piece_lengths[i]);

        for (size_t k = 0; k < piece_lengths[i]; k++)
            piece[k] = byte_at(at++);
        assert_true(fastcgi_write(exchange, piece, piece_lengths[i]));
        free(piece);
    }
}

static void handle(void *context, struct fastcgi_exchange *exchange)
{
    struct setting *setting = context;
    const char *what = fastcgi_variable(exchange, "DO");

    if (what == NULL)
        answer(exchange, fastcgi_is_oversized(exchange) ? "oversized" : "nothing");
    else if (strcmp(what, "wait") == 0)
        pause_at_gate(setting, exchange, FASTCGI_WAIT);
    else if (strcmp(what, "transfer") == 0)
        pause_at_gate(setting, exchange, FASTCGI_TRANSFER);
    else if (strcmp(what, "leave paused") == 0)
        answer(exchange, fastcgi_pause(exchange, FASTCGI_TRANSFER) ? "paused" : "refused");
    else if (strcmp(what, "read") == 0 || strcmp(what, "WHOLE") == 0)
        read_all(exchange);
    else if (strcmp(what, "write pieces") == 0)
        write_pieces(exchange);
    else if (strcmp(what, "write") == 0)
        write_much(exchange, 0);
    else if (strcmp(what, "write shortly") == 0)
        write_much(exchange, 5000);
    else if (strcmp(what, "write for long") == 0)
        write_much(exchange, 90000);
    else
        answer(exchange, what);
}

static void begin(struct setting *setting, int threads, int waits)
{
    static const struct fastcgi_whole whole = {.variable = "DO", .prefix = "whole", .max_body = 90000};
    struct error err;

    *setting = (struct setting) {.path = scratch_path("fastcgi.sock")};
    pthread_mutex_init(&setting->gate, NULL);
    setting->listener = fastcgi_listen(setting->path, &err);
    check_good(setting->listener >= 0, &err);
    setting->server = fastcgi_start(setting->listener, threads, waits, &whole, handle, setting, &err);
    check_good(setting->server != NULL, &err);
    setting->threads = peer_threads();
    setting->others = setting->threads - threads - COMMON_THREADS;
}

/*
 * Waits for the ended threads. The kernel may list a thread for a moment after pthread_join has returned, and the next
 * begin() would count it.
 */
static void end(struct setting *setting)
{
    assert_true(fastcgi_stop(setting->server, PEER_AT_MOST_MS));
    peer_await_threads(setting->others);
    fastcgi_unlisten(setting->listener, setting->path);
    pthread_mutex_destroy(&setting->gate);
    free(setting->path);
}

/* Sends a request that says what to do, without the end of its body. */
static int request_part(struct setting *setting, const char *what)
{
    int peer = peer_connect(setting->path);

    peer_send_head(peer, "DO", what);
    return peer;
}

static int request(struct setting *setting, const char *what)
{
    int peer = request_part(setting, what);

    PEER_SEND(peer, PEER_STDIN_END);
    return peer;
}

static void expect_answer(int peer, const char *text)
{
    char out[256] = "";

    assert_true(peer_answer(peer, out, sizeof(out)));
    assert_memory_equal(out, "Status: 200\r\n\r\n", 15);
    assert_string_equal(out + 15, text);
}

/* Checks that other requests are served. */
static void expect_service(struct setting *setting)
{
    int peer = request(setting, "something");

    expect_answer(peer, "something");
    close(peer);
}

static void await_at_gate(struct setting *setting, int count)
{
    const struct timespec pause = {.tv_nsec = CALM};

    for (int ms = 0; atomic_load(&setting->at_gate) != count; ms++) {
        if (ms > PEER_AT_MOST_MS)
            check_fail("%d requests at the gate, not %d", atomic_load(&setting->at_gate), count);
        nanosleep(&pause, NULL);
    }
}

/* Calls in a loop, so that the threads that stand in for paused ones have work when those resume. */
static void *call_all_the_time(void *argument)
{
    struct setting *setting = argument;

    while (atomic_load(&hesitates)) {
        int peer = request(setting, "something");

        peer_expect_end(peer);
        close(peer);
    }
    return NULL;
}

/* Paused threads do not serve, and resume: in the end there are exactly as many threads as configured. */
static void keeps_its_threads(void)
{
    struct setting setting;
    pthread_t callers[2];
    int peers[8];

    for (int threads = 1; threads <= 2; threads++) {
        begin(&setting, threads, 512);
        atomic_store(&hesitates, true);
        for (size_t i = 0; i < ARRAY_SIZE(callers); i++)
            assert_int_equal(pthread_create(&callers[i], NULL, call_all_the_time, &setting), 0);
        for (int round = 0; round < 40; round++) {
            pthread_mutex_lock(&setting.gate);
            for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
                peers[i] = request(&setting, i % 2 == 0 ? "wait" : "transfer");
            await_at_gate(&setting, ARRAY_SIZE(peers));
            pthread_mutex_unlock(&setting.gate);
            for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
                expect_answer(peers[i], "paused");
                close(peers[i]);
            }
        }
        atomic_store(&hesitates, false);
        for (size_t i = 0; i < ARRAY_SIZE(callers); i++)
            pthread_join(callers[i], NULL);
        expect_service(&setting);
        peer_await_threads(setting.threads);
        expect_service(&setting);
        end(&setting);
    }
}

/* Each reason has its own limit, beyond which a pause is refused. A resumed request makes room. */
static void bounds_what_is_paused(void)
{
    struct setting setting;
    int waits[3], transfers[TRANSFERS], peer;

    begin(&setting, 1, ARRAY_SIZE(waits));
    for (int round = 0; round < 2; round++) {
        pthread_mutex_lock(&setting.gate);
        for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
            waits[i] = request(&setting, "wait");
        await_at_gate(&setting, ARRAY_SIZE(waits));
        peer = request(&setting, "wait");
        expect_answer(peer, "refused");
        close(peer);
        for (size_t i = 0; i < ARRAY_SIZE(transfers); i++)
            transfers[i] = request(&setting, "transfer");
        await_at_gate(&setting, ARRAY_SIZE(waits) + ARRAY_SIZE(transfers));
        peer = request(&setting, "transfer");
        expect_answer(peer, "refused");
        close(peer);

        /* A handler cannot wait for a missing body either. A body that is already there needs no pause. */
        peer = request_part(&setting, "read");
        expect_answer(peer, "-1-");
        close(peer);
        peer = peer_connect(setting.path);
        PEER_SEND(peer, PEER_BEGIN "\1\4\0\1\0\10\0\0" "\2\4DOread" PEER_PARAMS_END "\1\5\0\1\0\1\0\0x" PEER_STDIN_END);
        expect_answer(peer, "1x");
        close(peer);
        expect_service(&setting);

        pthread_mutex_unlock(&setting.gate);
        for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
            expect_answer(waits[i], "paused");
            close(waits[i]);
        }
        for (size_t i = 0; i < ARRAY_SIZE(transfers); i++) {
            expect_answer(transfers[i], "paused");
            close(transfers[i]);
        }
        peer_await_threads(setting.threads);
    }
    end(&setting);

    begin(&setting, 1, 0);
    peer = request(&setting, "wait");
    expect_answer(peer, "refused");
    close(peer);
    end(&setting);
}

/* A pause that the handler does not end ends with the response. */
static void ends_pauses_with_the_answer(void)
{
    struct setting setting;

    begin(&setting, 1, 0);
    for (int i = 0; i < TRANSFERS + 10; i++) {
        int peer = request(&setting, "leave paused");

        expect_answer(peer, "paused");
        close(peer);
    }
    peer_await_threads(setting.threads);
    end(&setting);
}

/* If no thread can be started, a thread may pause as long as another one serves. The last one may not. */
static void keeps_a_thread_that_serves(void)
{
    struct setting setting;
    int peer, last;

    begin(&setting, 2, 512);
    pthread_mutex_lock(&setting.gate);
    atomic_store(&no_more_threads, true);
    peer = request(&setting, "wait");
    await_at_gate(&setting, 1);
    last = request(&setting, "wait");
    expect_answer(last, "refused");
    close(last);
    expect_service(&setting);

    /* As soon as threads can be started again, all missing ones are. */
    atomic_store(&no_more_threads, false);
    last = request(&setting, "wait");
    await_at_gate(&setting, 2);
    peer_await_threads(setting.threads + 2);
    pthread_mutex_unlock(&setting.gate);
    expect_answer(peer, "paused");
    expect_answer(last, "paused");
    close(peer);
    close(last);
    peer_await_threads(setting.threads);
    end(&setting);
}

/* While a body arrives slowly, the only thread serves other requests. */
static void reads_a_slow_body(void)
{
    struct setting setting;
    char values[8];
    int peer;

    begin(&setting, 1, 0);
    peer = request_part(&setting, "read");
    for (int i = 0; i < 20; i++) {
        expect_service(&setting);
        peer_send_body(peer, i < 19 ? "ab" : "yz", 2);
    }
    leap_ahead(59000);
    expect_service(&setting);
    PEER_SEND(peer, "\1\11\0\0\0\0\3\0" "ppp" PEER_STDIN_END); /* a management record in the body, with padding */
    assert_int_equal(recv(peer, values, sizeof(values), MSG_WAITALL), sizeof(values));
    expect_answer(peer, "40z");
    peer_expect_end(peer);
    close(peer);
    peer_await_threads(setting.threads);
    end(&setting);
}

static void reads_no_more_than_a_minute(void)
{
    struct setting setting;
    int peer;

    begin(&setting, 1, 0);
    peer = request_part(&setting, "read");
    peer_send_body(peer, "ab", 2);
    expect_service(&setting);
    leap_ahead(30000);
    peer_send_body(peer, "cd", 2);
    expect_service(&setting);
    assert_true(peer_is_open(peer));
    leap_ahead(31000);
    expect_answer(peer, "4d");
    close(peer);
    end(&setting);
}

static const struct break_case {
    const char *label;
    const char *data;
    size_t length;
} break_cases[] = {
    {"an abort", BYTES("\1\2\0\1\0\0\0\0")},
    {"not FastCGI", BYTES("zzzzzzzz")},
    {"another request", BYTES("\1\5\0\2\0\1\0\0x")},
    {"parameters", BYTES(PEER_PARAMS_END)},
};

/* Of an interrupted body, the handler reads only the part that arrived. */
static void reads_a_body_that_breaks_off(const void *row)
{
    const struct break_case *c = row;
    struct setting setting;
    int peer;

    begin(&setting, 1, 0);
    peer = request_part(&setting, "read");
    peer_send_body(peer, "ab", 2);
    peer_send(peer, c->data, c->length);
    expect_answer(peer, "2b");
    peer_expect_end(peer);
    close(peer);

    peer = request_part(&setting, "read");
    peer_send_body(peer, "ab", 2);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    expect_answer(peer, "2b");
    close(peer);
    end(&setting);
}

/*
 * However many bodies arrive slowly, they occupy no thread if they are received first. Even while no further thread may
 * pause, all of them are read.
 */
static void receives_bodies_before_it_serves(void)
{
    int whole[TRANSFERS + 100], transfers[TRANSFERS];
    struct setting setting;

    begin(&setting, 1, 0);
    for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
        whole[i] = request_part(&setting, "WHOLE");
        peer_send_body(whole[i], "a", 1);
    }
    expect_service(&setting);
    assert_int_equal(peer_threads(), setting.threads);
    pthread_mutex_lock(&setting.gate);
    for (size_t i = 0; i < ARRAY_SIZE(transfers); i++)
        transfers[i] = request(&setting, "transfer");
    await_at_gate(&setting, ARRAY_SIZE(transfers));
    for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
        peer_send_body(whole[i], "bc", 2);
        PEER_SEND(whole[i], PEER_STDIN_END);
        expect_answer(whole[i], "3c");
        close(whole[i]);
    }
    pthread_mutex_unlock(&setting.gate);
    for (size_t i = 0; i < ARRAY_SIZE(transfers); i++) {
        expect_answer(transfers[i], "paused");
        close(transfers[i]);
    }
    end(&setting);
}

/* A body beyond the limit is passed on at the limit, and the handler receives the rest. */
static void receives_the_rest_of_a_large_body(void)
{
    char piece[50000];
    struct setting setting;
    int peer;

    memset(piece, 'x', sizeof(piece));
    begin(&setting, 1, 0);
    peer = request_part(&setting, "WHOLE");
    peer_send_body(peer, piece, sizeof(piece));
    expect_service(&setting);
    peer_send_body(peer, piece, sizeof(piece) - 1);
    expect_service(&setting);
    peer_send_body(peer, "y", 1);
    PEER_SEND(peer, PEER_STDIN_END);
    expect_answer(peer, "100000y");
    peer_expect_end(peer);
    close(peer);
    end(&setting);
}

/* A body larger than any buffer, and a handler that reads only a part of it. */
static void reads_a_large_body(void)
{
    char piece[60000];
    struct setting setting;
    int peer;

    memset(piece, 'x', sizeof(piece));
    begin(&setting, 1, 0);
    peer = request_part(&setting, "read");
    peer_send_body(peer, piece, sizeof(piece));
    peer_send_body(peer, piece, sizeof(piece));
    PEER_SEND(peer, PEER_STDIN_END);
    expect_answer(peer, "100000x");
    peer_expect_end(peer);
    close(peer);
    end(&setting);
}

/* Small pieces are buffered, large ones are not, and they arrive in order. The large ones are few records. */
static void writes_pieces_of_any_length(void)
{
    const size_t size = 1024 * 1024, head = strlen("Status: 200\r\n\r\n");
    char *out = calloc(1, size);
    struct setting setting;
    size_t length = 0;
    int peer;

    begin(&setting, 1, 0);
    peer = request(&setting, "write pieces");
    assert_true(peer_answer(peer, out, size));
    for (size_t i = 0; i < ARRAY_SIZE(piece_lengths); i++)
        length += piece_lengths[i];
    assert_int_equal(strlen(out), head + length);
    for (size_t at = 0; at < length; at++) {
        if (out[head + at] != byte_at(at))
            check_fail("another byte at %zu", at);
    }
    assert_true(peer_records() < 25);
    peer_expect_end(peer);
    close(peer);
    free(out);
    end(&setting);
}

/* The response is sent and ended while the body still arrives. The rest is drained for a while by no worker thread. */
static void answers_before_the_body_ends(void)
{
    struct setting setting;
    char byte;
    int peer;

    begin(&setting, 1, 0);
    peer = request_part(&setting, "something");
    expect_answer(peer, "something");
    assert_int_equal(recv(peer, &byte, 1, 0), 0); /* nothing follows */
    for (int i = 0; i < 3; i++) {
        peer_send_body(peer, "x", 1);
        expect_service(&setting);
    }
    leap_ahead(2100);
    while (peer_try_to_send(peer, "\1\5\0\1\0\0\1", 7))
        expect_service(&setting);
    close(peer);
    end(&setting);
}

/* A connection whose request was read completely is closed at once. */
static void closes_what_was_read(void)
{
    struct setting setting;
    struct pollfd hangup = {0};

    begin(&setting, 1, 0);
    hangup.fd = request(&setting, "something");
    expect_answer(hangup.fd, "something");
    peer_expect_end(hangup.fd);
    assert_int_equal(poll(&hangup, 1, PEER_AT_MOST_MS), 1); /* closed, not only one side shut down */
    assert_true((hangup.revents & POLLHUP) != 0);
    close(hangup.fd);
    end(&setting);
}

static const struct write_case {
    const char *what;
    bool reads;    /* reads some data after the first leap */
    int leaps[3];  /* only the third exceeds the time limit */
} write_cases[] = {
    {"write", true, {50000, 5000, 6000}},
    {"write shortly", true, {1000, 2000, 3000}},
    {"write for long", true, {50000, 30000, 15000}},
    {"write for long", false, {30000, 29000, 2000}},
};

static void await_input(int peer)
{
    struct pollfd input = {.fd = peer, .events = POLLIN};

    assert_int_equal(poll(&input, 1, PEER_AT_MOST_MS), 1);
}

/* A client that stops reading is cut off. A write has a minute, and so has a response unless another limit is set. */
static void bounds_the_time_of_an_answer(const void *row)
{
    const struct timespec pause = {.tv_nsec = 20 * CALM};
    const struct write_case *c = row;
    char some[65536];
    struct setting setting;
    int peer;

    scratch_catch_log();
    begin(&setting, 2, 0);
    peer = request(&setting, c->what);
    await_input(peer);
    for (size_t i = 0; i < ARRAY_SIZE(c->leaps); i++) {
        nanosleep(&pause, NULL);
        assert_int_equal(scratch_count_log("it broke off"), 0);
        leap_ahead(c->leaps[i]);
        for (int pieces = 0; i == 0 && c->reads && pieces < 8; pieces++) /* more than the buffers hold */
            assert_true(recv(peer, some, sizeof(some), MSG_WAITALL) == sizeof(some));
    }
    while (scratch_count_log("it broke off") == 0)
        expect_service(&setting);
    close(peer);
    end(&setting);
    scratch_release_log();
}

/* Returns the size of the memfds from which libfcgi reads heads. */
static off_t size_of_memory(void)
{
    DIR *opened = opendir("/proc/self/fd");
    struct dirent *entry;
    off_t sum = 0;

    assert_non_null(opened);
    while ((entry = readdir(opened)) != NULL) {
        struct stat status;
        char name[64] = "";

        if (readlinkat(dirfd(opened), entry->d_name, name, sizeof(name) - 1) > 0
            && strstr(name, "memfd:waybill request") != NULL && fstat(atoi(entry->d_name), &status) == 0)
            sum += status.st_size;
    }
    closedir(opened);
    return sum;
}

/* A large head takes memory only while it is read. */
static void releases_the_memory_of_a_head(void)
{
    static const char params[60000] = "\2\11DOsomething\200\0\352\116";
    struct setting setting;
    int peer;

    begin(&setting, 1, 0);
    expect_service(&setting);
    assert_in_range(size_of_memory(), 1, 1000);
    peer = peer_connect(setting.path);
    PEER_SEND(peer, PEER_BEGIN);
    for (int i = 0; i < 8; i++) {
        PEER_SEND(peer, "\1\4\0\1\352\140\0\0");
        peer_send(peer, params, sizeof(params));
    }
    PEER_SEND(peer, PEER_PARAMS_END PEER_STDIN_END);
    expect_answer(peer, "something");
    close(peer);
    assert_int_equal(size_of_memory(), 0);
    end(&setting);
}

static void answers_oversized_requests(void)
{
    static const char params[60000];
    struct setting setting;
    int peer;

    begin(&setting, 1, 0);
    peer = peer_connect(setting.path);
    PEER_SEND(peer, PEER_BEGIN);
    for (int i = 0; i < 9; i++) {
        PEER_SEND(peer, "\1\4\0\1\352\140\0\0");
        peer_send(peer, params, sizeof(params));
    }
    expect_answer(peer, "oversized");
    close(peer);
    end(&setting);
}

/* A closed server still serves requests that are complete or partly sent. */
static void serves_what_has_begun(void)
{
    struct setting setting;
    int busy, half, queued;

    begin(&setting, 2, 0);
    half = peer_connect(setting.path);
    PEER_SEND(half, PEER_BEGIN);
    expect_service(&setting);
    pthread_mutex_lock(&setting.gate);
    busy = request(&setting, "transfer");
    await_at_gate(&setting, 1);
    queued = request(&setting, "transfer");
    await_at_gate(&setting, 2);
    fastcgi_close(setting.server);
    PEER_SEND(half, PEER_PARAMS_END PEER_STDIN_END);
    expect_answer(half, "nothing");
    assert_false(fastcgi_stop(setting.server, 1));
    pthread_mutex_unlock(&setting.gate);
    expect_answer(busy, "paused");
    expect_answer(queued, "paused");
    end(&setting);
    close(busy);
    close(queued);
    close(half);
}

/* A silent connection has a minute, and a short time once the server stops. */
static void closes_silent_connections(void)
{
    struct setting setting;
    int silent, later;

    scratch_catch_log();
    begin(&setting, 1, 0);
    silent = peer_connect(setting.path);
    expect_service(&setting);
    leap_ahead(30000);
    later = peer_connect(setting.path);
    expect_service(&setting);
    leap_ahead(29000);
    expect_service(&setting);
    assert_true(peer_is_open(silent));
    leap_ahead(2000);
    peer_expect_end(silent);
    assert_true(peer_is_open(later));
    end(&setting);
    peer_expect_end(later);
    assert_int_equal(scratch_count_log("its time limit has passed"), 1);
    assert_int_equal(scratch_count_log("the process is stopping"), 1);
    scratch_release_log();
    close(silent);
    close(later);
}

int main(void)
{
    CHECK(keeps_its_threads);
    CHECK(bounds_what_is_paused);
    CHECK(ends_pauses_with_the_answer);
    CHECK(keeps_a_thread_that_serves);
    CHECK(reads_a_slow_body);
    CHECK(reads_no_more_than_a_minute);
    CHECK_EACH(reads_a_body_that_breaks_off, break_cases, label);
    CHECK(reads_a_large_body);
    CHECK(writes_pieces_of_any_length);
    CHECK(receives_bodies_before_it_serves);
    CHECK(receives_the_rest_of_a_large_body);
    CHECK(answers_before_the_body_ends);
    CHECK(closes_what_was_read);
    CHECK_EACH(bounds_the_time_of_an_answer, write_cases, what);
    CHECK(answers_oversized_requests);
    CHECK(releases_the_memory_of_a_head);
    CHECK(serves_what_has_begun);
    CHECK(closes_silent_connections);
    return check_run("http/fastcgi");
}
