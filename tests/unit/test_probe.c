#include "http/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "check.h"
#include "http/listen.h"
#include "peer.h"
#include "scratch.h"

/* FastCGI records: version, type, request id, length, padding, reserved. */
#define STDOUT(length) "\1\6\0\1\0" length "\0\0"
#define STDOUT_PADDED(length, padding) "\1\6\0\1\0" length padding "\0"
#define STDERR(length) "\1\7\0\1\0" length "\0\0"
#define END "\1\3\0\1\0\10\0\0\0\0\0\0\0\0\0\0"

static const struct answer_case {
    const char *name;
    const char *bytes;
    size_t length;
    int status; /* 0: no response */
} answer_cases[] = {
    {"ready", BYTES(STDOUT("\17") "Status: 200\r\n\r\n" END), 200},
    {"not ready", BYTES(STDOUT("\17") "Status: 503\r\n\r\n" END), 503},
    {"in pieces", BYTES(STDOUT("\3") "Sta" STDOUT("\14") "tus: 200\r\n\r\n" STDOUT("\0") END), 200},
    {"with padding", BYTES(STDOUT_PADDED("\17", "\3") "Status: 204\r\n\r\n..." END), 204},
    {"with standard error", BYTES(STDERR("\3") "abc" STDOUT("\17") "Status: 200\r\n\r\n" END), 200},
    {"nothing", BYTES(""), 0},
    {"half a header", BYTES("\1\6\0"), 0},
    {"half a record", BYTES(STDOUT("\17") "Status: 2"), 0},
    {"no end", BYTES(STDOUT("\17") "Status: 200\r\n\r\n"), 0},
    {"another version", BYTES("\2\6\0\1\0\17\0\0" "Status: 200\r\n\r\n" END), 0},
    {"no status", BYTES(STDOUT("\4") "abcd" END), 0},
    {"an empty answer", BYTES(END), 0},
    {"HTTP", BYTES("HTTP/1.1 200 OK\r\n\r\n"), 0},
};

struct server {
    int listener;
    const struct answer_case *answer;
    struct buffer request;
};

/* Answers one request after reading all of it: a socket that is closed earlier would be reset. */
static void *serve(void *argument)
{
    static const char end_of_request[] = "\1\5\0\1\0\0\0\0"; /* an empty record of standard input */
    struct server *server = argument;
    int client = accept(server->listener, NULL, NULL);
    char chunk[512];
    ssize_t got;

    while ((got = recv(client, chunk, sizeof(chunk), 0)) > 0) {
        buffer_append(&server->request, chunk, (size_t) got);
        if (server->request.length >= 8
            && memcmp(server->request.data + server->request.length - 8, end_of_request, 8) == 0)
            break;
    }
    for (size_t at = 0; at < server->answer->length; at += (size_t) got) {
        got = send(client, server->answer->bytes + at, server->answer->length - at, MSG_NOSIGNAL);
        if (got <= 0)
            break;
    }
    close(client);
    return NULL;
}

static bool has(const struct buffer *bytes, const char *text)
{
    return memmem(bytes->data, bytes->length, text, strlen(text)) != NULL;
}

static void understands(const void *row)
{
    struct server server = {.answer = row};
    char *path = scratch_path("a.sock");
    pthread_t thread;
    struct error err;
    int status = -1;
    bool answered;

    server.listener = fastcgi_listen(path, &err);
    check_good(server.listener >= 0, &err);
    assert_int_equal(fcntl(server.listener, F_SETFL, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve, &server), 0);
    errno = EAGAIN; /* the error of an earlier call means nothing */
    answered = http_probe(path, "/healthz/ready", 60000, &status, &err);
    pthread_join(thread, NULL);
    fastcgi_unlisten(server.listener, path);
    assert_true(has(&server.request, "REQUEST_METHODGET"));
    assert_true(has(&server.request, "REQUEST_URI/healthz/ready"));
    if (server.answer->status != 0) {
        check_good(answered, &err);
        assert_int_equal(status, server.answer->status);
    } else {
        assert_false(answered);
        check_refusal(&err, ERROR_UNAVAILABLE, "no valid FastCGI response");
        assert_int_equal(status, -1);
    }
    buffer_free(&server.request);
    free(path);
}

/* The socket listens, but nothing accepts. */
static void does_not_wait_for_ever(void)
{
    char *path = scratch_path("mute.sock");
    struct error err;
    int listener = fastcgi_listen(path, &err);
    int status = -1;

    check_good(listener >= 0, &err);
    assert_false(http_probe(path, "/healthz/ready", 50, &status, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, path);
    fastcgi_unlisten(listener, path);
    free(path);
}

/* The queue of connections is full, as while all threads of the process are busy. */
static void does_not_wait_to_connect(void)
{
    char *path = scratch_path("full.sock");
    struct error err;
    int listener = fastcgi_listen(path, &err);
    int status = -1;
    int client;

    check_good(listener >= 0, &err);
    client = peer_fill_queue(listener, path);
    assert_false(http_probe(path, "/healthz/ready", 50, &status, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "timed out");
    assert_int_equal(status, -1);
    close(client);
    fastcgi_unlisten(listener, path);
    free(path);
}

/* Sends a valid response, one byte each 20 ms: each comes within the timeout, the whole does not. */
static void *drip(void *argument)
{
    static const char answer[] = STDOUT("\xC8") "Status: 200\r\n\r\n";
    static const char end[] = END;
    const struct timespec pause = {.tv_nsec = 20000000};
    int client = accept(*(int *) argument, NULL, NULL);
    ssize_t sent = send(client, answer, sizeof(answer) - 1, MSG_NOSIGNAL);

    for (int left = 0xC8 + 8 - (int) sizeof(answer) + 1; sent > 0 && left > 0; left--) {
        nanosleep(&pause, NULL);
        sent = send(client, "x", 1, MSG_NOSIGNAL);
    }
    (void) send(client, end, sizeof(end) - 1, MSG_NOSIGNAL);
    close(client);
    return NULL;
}

static int listen_blocking(const char *path)
{
    struct error err;
    int listener = fastcgi_listen(path, &err);

    check_good(listener >= 0, &err);
    assert_int_equal(fcntl(listener, F_SETFL, 0), 0);
    return listener;
}

/* The timeout is for the whole response. */
static void does_not_wait_for_drops(void)
{
    char *path = scratch_path("drops.sock");
    int listener = listen_blocking(path);
    pthread_t thread;
    struct error err;
    int status = -1;

    assert_int_equal(pthread_create(&thread, NULL, drip, &listener), 0);
    assert_false(http_probe(path, "/healthz/ready", 1000, &status, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "no valid FastCGI response");
    pthread_join(thread, NULL);
    fastcgi_unlisten(listener, path);
    free(path);
}

/* A response that arrived while the process was stopped counts, however late the process continues. */
static void takes_an_answer_that_came_while_it_was_stopped(void)
{
    const int timeout_ms = 2000;
    char *path = scratch_path("stopped.sock");
    int listener = listen_blocking(path);
    int64_t begun = clock_monotonic_ms();
    pid_t child = fork();
    int client, status;
    char byte;

    assert_true(child >= 0);
    if (child == 0) {
        struct error err;

        status = 0;
        _exit(http_probe(path, "/healthz/ready", timeout_ms, &status, &err) && status == 200 ? 0 : 1);
    }
    client = accept(listener, NULL, NULL);
    assert_int_equal(recv(client, &byte, 1, 0), 1);
    kill(child, SIGSTOP);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    while (clock_remaining_ms(begun + timeout_ms + 100) > 0)
        poll(NULL, 0, clock_remaining_ms(begun + timeout_ms + 100));
    assert_true(send(client, answer_cases[0].bytes, answer_cases[0].length, MSG_NOSIGNAL) > 0);
    kill(child, SIGCONT);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(client);
    fastcgi_unlisten(listener, path);
    free(path);
}

static const struct address_case {
    const char *address;
    const char *fragment;
} address_cases[] = {
    {"/no/such/directory/socket", "No such file"},
    {"nonsense", "must be HOST:PORT or a path"},
    {"localhost:", "must be HOST:PORT or a path"},
    {":80", "must be HOST:PORT or a path"},
    {"127.0.0.1:no-such-service", ""},
};

static void needs_an_address(const void *row)
{
    const struct address_case *c = row;
    struct error err;
    int status;

    assert_false(http_probe(c->address, "/", 1000, &status, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, c->address);
    check_refusal(&err, ERROR_UNAVAILABLE, c->fragment);
}

int main(void)
{
    CHECK_EACH(understands, answer_cases, name);
    CHECK(does_not_wait_for_ever);
    CHECK(does_not_wait_to_connect);
    CHECK(does_not_wait_for_drops);
    CHECK(takes_an_answer_that_came_while_it_was_stopped);
    CHECK_EACH(needs_an_address, address_cases, address);
    return check_run("http/probe");
}
