/* http/listen.c, and the threads of http/fastcgi.c without a request. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"
#include "http/fastcgi.h"
#include "http/listen.h"
#include "peer.h"
#include "scratch.h"

static int listen_at(const char *address)
{
    struct error err;
    int listener = fastcgi_listen(address, &err);

    check_good(listener >= 0, &err);
    return listener;
}

static bool can_connect(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected;

    assert_true(strlen(path) < sizeof(name.sun_path));
    strcpy(name.sun_path, path);
    connected = connect(client, (const struct sockaddr *) &name, sizeof(name)) == 0;
    close(client);
    return connected;
}

static void check_no_listening(const char *address, const char *reason)
{
    struct error err;

    assert_int_equal(fastcgi_listen(address, &err), -1);
    check_refusal(&err, ERROR_CONFIG, address);
    check_refusal(&err, ERROR_CONFIG, reason);
}

static void listens_on_a_path(void)
{
    char *path = scratch_path("a.sock");
    int listener = listen_at(path);
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0660);
    assert_true(can_connect(path));
    assert_true((fcntl(listener, F_GETFD) & FD_CLOEXEC) != 0);
    fastcgi_unlisten(listener, path);
    assert_int_equal(stat(path, &status), -1);
    assert_int_equal(fcntl(listener, F_GETFD), -1);
    free(path);
}

static void replaces_a_socket_that_nobody_serves(void)
{
    char *path = scratch_path("stale.sock");
    int listener;

    close(listen_at(path));
    assert_int_equal(access(path, F_OK), 0);
    assert_false(can_connect(path));
    listener = listen_at(path);
    assert_true(can_connect(path));
    fastcgi_unlisten(listener, path);
    free(path);
}

static void leaves_the_socket_of_another_process(void)
{
    char *path = scratch_path("served.sock");
    int listener = listen_at(path);

    check_no_listening(path, "another process");
    assert_true(can_connect(path));
    fastcgi_unlisten(listener, path);
    free(path);
}

/* Its queue of connections is full, as while all its threads are busy. */
static void leaves_the_socket_of_a_busy_process(void)
{
    char *path = scratch_path("busy.sock");
    int listener = listen_at(path);
    int client = peer_fill_queue(listener, path);

    check_no_listening(path, "another process");
    close(client);
    fastcgi_unlisten(listener, path);
    free(path);
}

static void leaves_other_files(void)
{
    char *path = scratch_write("file", BYTES("precious"));
    char *link = scratch_path("link");
    struct buffer bytes = {0};

    check_no_listening(path, "is not a socket");
    assert_int_equal(symlink(path, link), 0);
    check_no_listening(link, "is not a socket");
    scratch_read(path, &bytes);
    assert_string_equal(buffer_text(&bytes), "precious");
    check_no_listening(scratch_directory(), "is not a socket");
    buffer_free(&bytes);
    free(path);
    free(link);
}

static void listens_on_a_port(void)
{
    static const char *const addresses[] = {"127.0.0.1:0", "localhost:0"};

    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        int listener = listen_at(addresses[i]);
        int listening = 0;
        socklen_t size = sizeof(listening);

        assert_int_equal(getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size), 0);
        assert_int_equal(listening, 1);
        fastcgi_unlisten(listener, addresses[i]);
    }
}

static const struct {
    const char *address;
} no_addresses[] = {
    {"waybill.sock"}, {"127.0.0.1"}, {"127.0.0.1:"}, {":9000"}, {"9000"}, {"127.0.0.1:port"}, {"127.0.0.1:-1"},
    {"/no/such/directory/x.sock"},
    {"/tmp/a-path-that-is-longer-than-the-108-bytes-that-the-name-of-a-socket-may-have-"
     "a-path-that-is-longer-than-the-108-bytes.sock"},
};

static void refuses_addresses(const void *row)
{
    check_no_listening(*(const char *const *) row, "");
}

/* Descriptor 0 shows how the process was started. */
static void modes(void)
{
    char *path = scratch_path("mode.sock");
    int listener = listen_at(path);
    int saved = dup(STDIN_FILENO);
    int pair[2];

    unsetenv("GATEWAY_INTERFACE");
    dup2(listener, STDIN_FILENO);
    assert_int_equal(fastcgi_mode(), FASTCGI_LISTENING);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    dup2(pair[0], STDIN_FILENO); /* connected, not listening */
    assert_int_equal(fastcgi_mode(), FASTCGI_NEITHER);
    setenv("GATEWAY_INTERFACE", "CGI/1.1", 1);
    assert_int_equal(fastcgi_mode(), FASTCGI_CGI);
    dup2(listener, STDIN_FILENO);
    assert_int_equal(fastcgi_mode(), FASTCGI_LISTENING);
    unsetenv("GATEWAY_INTERFACE");
    dup2(saved, STDIN_FILENO);
    assert_int_equal(fastcgi_mode(), FASTCGI_NEITHER);
    close(saved);
    close(pair[0]);
    close(pair[1]);
    fastcgi_unlisten(listener, path);
    free(path);
}

static void handle_nothing(void *context, struct fastcgi_exchange *exchange)
{
    (void) exchange;
    ++*(int *) context;
}

static struct fastcgi_server *start(int listener, int threads, int *calls)
{
    struct error err;
    struct fastcgi_server *server = fastcgi_start(listener, threads, 0, NULL, handle_nothing, calls, &err);

    check_good(server != NULL, &err);
    return server;
}

/* Idle threads end at once, even if the server was closed before. */
static void stops_idle_threads(void)
{
    char *path = scratch_path("idle.sock");

    for (int threads = 1; threads <= 8; threads *= 2) {
        int listener = listen_at(path);
        int calls = 0;
        int64_t begun = clock_monotonic_ms();
        struct fastcgi_server *server = start(listener, threads, &calls);

        if (threads > 1)
            fastcgi_close(server);
        assert_true(fastcgi_stop(server, 60000));
        assert_true(clock_monotonic_ms() - begun < 30000);
        assert_int_equal(calls, 0);
        fastcgi_unlisten(listener, path);
    }
    free(path);
}

/* A connection that closes at once, or is not FastCGI, is no request and ends no thread. */
static void survives_connections_without_a_request(void)
{
    char *path = scratch_path("rude.sock");
    int listener = listen_at(path);
    int calls = 0;
    int saved = dup(STDERR_FILENO);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct fastcgi_server *server;
    bool stopped;

    dup2(null, STDERR_FILENO); /* each of them is logged */
    server = start(listener, 2, &calls);
    for (int i = 0; i < 20; i++)
        can_connect(path);
    stopped = fastcgi_stop(server, 60000);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(null);
    assert_true(stopped);
    assert_int_equal(calls, 0);
    fastcgi_unlisten(listener, path);
    free(path);
}

/* The smallest request (FastCGI specification, section 3): begin, no parameter, no input. */
static const char smallest_request[] =
    "\1\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0"
    "\1\4\0\1\0\0\0\0"
    "\1\5\0\1\0\0\0\0";

static pthread_key_t slow_key;
static atomic_int destructors_done;

static void end_slowly(void *value)
{
    const struct timespec pause = {.tv_nsec = 200000000};

    (void) value;
    nanosleep(&pause, NULL);
    atomic_fetch_add(&destructors_done, 1);
}

static void handle_and_end_slowly(void *context, struct fastcgi_exchange *exchange)
{
    static const char answer[] = "Status: 204\r\n\r\n";

    pthread_setspecific(slow_key, context);
    assert_true(fastcgi_write(exchange, answer, strlen(answer)));
}

/* Stopping the server waits until a thread that served has ended completely, including its cleanup. */
static void joins_its_threads(void)
{
    char *path = scratch_path("slow.sock");
    int listener = listen_at(path);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct fastcgi_server *server;
    char answer[256];
    struct error err;

    assert_int_equal(pthread_key_create(&slow_key, end_slowly), 0);
    server = fastcgi_start(listener, 1, 0, NULL, handle_and_end_slowly, path, &err);
    check_good(server != NULL, &err);
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    assert_int_equal(connect(client, (struct sockaddr *) &name, sizeof(name)), 0);
    assert_int_equal(write(client, smallest_request, sizeof(smallest_request) - 1), sizeof(smallest_request) - 1);
    assert_true(read(client, answer, sizeof(answer)) > 0);
    close(client);

    assert_true(fastcgi_stop(server, 60000));
    assert_int_equal(atomic_load(&destructors_done), 1);
    pthread_key_delete(slow_key);
    fastcgi_unlisten(listener, path);
    free(path);
}

/* Opens the web server's side of a connection. */
static int connect_to(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(strlen(path) < sizeof(name.sun_path));
    strcpy(name.sun_path, path);
    assert_int_equal(connect(client, (const struct sockaddr *) &name, sizeof(name)), 0);
    return client;
}

/* Sends the smallest request, or one with a body of `records` times 16 KiB, which libfcgi does not read at once. */
static void send_request(int client, int records)
{
    static const char begin[] = "\1\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0" "\1\4\0\1\0\0\0\0";
    static const char input[8 + 16384] = "\1\5\0\1\x40\0\0\0";
    static const char end[] = "\1\5\0\1\0\0\0\0";

    assert_int_equal(write(client, begin, sizeof(begin) - 1), sizeof(begin) - 1);
    for (int i = 0; i < records; i++)
        assert_int_equal(write(client, input, sizeof(input)), sizeof(input));
    assert_int_equal(write(client, end, sizeof(end) - 1), sizeof(end) - 1);
}

/* What a handler observes of its connection, step by step with the client. */
struct watching {
    int handler_end, client_end; /* of a socket pair, for a byte at each step */
    bool gone_at_first;
    bool gone_in_the_end;
};

static void step(int end)
{
    char byte = 'x';

    assert_int_equal(write(end, &byte, 1), 1);
}

static void await_step(int end)
{
    struct pollfd ready = {.fd = end, .events = POLLIN};
    char byte;

    assert_int_equal(poll(&ready, 1, 60000), 1);
    assert_int_equal(read(end, &byte, 1), 1);
}

/* cmocka's checks belong to the test's own thread; do not use them here. */
static void handle_and_watch(void *context, struct fastcgi_exchange *exchange)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct watching *watching = context;
    char byte = 'x';

    watching->gone_at_first = fastcgi_is_disconnected(exchange);
    if (write(watching->handler_end, &byte, 1) != 1 || read(watching->handler_end, &byte, 1) != 1)
        return;
    for (int i = 0; i < 10000 && !watching->gone_in_the_end; i++) {
        watching->gone_in_the_end = fastcgi_is_disconnected(exchange);
        nanosleep(&pause, NULL);
    }
}

static const struct gone_case {
    const char *label;
    int records;
} gone_cases[] = {{"no body", 0}, {"a body that was not read", 4}};

/* A handler notices that its web server has gone. Unread bytes of a body are not a sign of that. */
static void notices_that_the_web_server_has_gone(const void *row)
{
    const struct gone_case *c = row;
    char *path = scratch_path("gone.sock");
    int listener = listen_at(path);
    struct watching watching = {.gone_at_first = true};
    struct fastcgi_server *server;
    struct error err;
    int pair[2], client;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    watching.handler_end = pair[0];
    watching.client_end = pair[1];
    server = fastcgi_start(listener, 1, 0, NULL, handle_and_watch, &watching, &err);
    check_good(server != NULL, &err);
    client = connect_to(path);
    send_request(client, c->records);
    await_step(watching.client_end);
    close(client);
    step(watching.client_end);
    assert_true(fastcgi_stop(server, 60000));
    assert_false(watching.gone_at_first);
    assert_true(watching.gone_in_the_end);
    fastcgi_unlisten(listener, path);
    close(pair[0]);
    close(pair[1]);
    free(path);
}

static void handle_cgi(void *context, struct fastcgi_exchange *exchange)
{
    *(bool *) context = fastcgi_is_disconnected(exchange);
}

/* A CGI program cannot notice it, and continues. */
static void nobody_is_gone_from_a_cgi_program(void)
{
    bool gone = true;

    fastcgi_serve_cgi(handle_cgi, &gone);
    assert_false(gone);
}

int main(void)
{
    CHECK(listens_on_a_path);
    CHECK(replaces_a_socket_that_nobody_serves);
    CHECK(leaves_the_socket_of_another_process);
    CHECK(leaves_the_socket_of_a_busy_process);
    CHECK(leaves_other_files);
    CHECK(listens_on_a_port);
    CHECK_EACH(refuses_addresses, no_addresses, address);
    CHECK(modes);
    CHECK(stops_idle_threads);
    CHECK(survives_connections_without_a_request);
    CHECK(joins_its_threads);
    CHECK_EACH(notices_that_the_web_server_has_gone, gone_cases, label);
    CHECK(nobody_is_gone_from_a_cgi_program);
    return check_run("http/listen, http/fastcgi");
}
