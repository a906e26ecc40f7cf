#include "http/fastcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/connection.h"
#include "http/deadlines.h"
#include "http/intake.h"
#include "http/thread_pool.h"

#define MAX_TRANSFERS 256
#define BODY_MS 60000           /* time limit of an entire body */
#define BRIEF_WAIT_MS 10        /* how long a thread waits for the body before it pauses */
#define WRITE_MS 60000          /* time limit of a write, and by default of an entire response */
#define KEPT_MEMORY (64 * 1024) /* maximum size of a memfd that is kept between requests */
#define LARGE_WRITE 8192        /* size of the buffer of libfcgi, which copies smaller writes */
#define MAX_UNREAD (16 * 1024 * 1024)

static const struct intake_limits intake_limits = {
    .heads = 1024,
    .held = 16 * 1024 * 1024,
    .head_ms = 60000,
    .silent_ms = 100,
    .drains = {.connections = 1024, .size = MAX_UNREAD, .ms = 2000},
};

_Static_assert(FASTCGI_MAX_VARIABLES == RECORD_MAX_PAIRS && FASTCGI_MAX_BYTES == CONNECTION_MAX_PARAMS,
               "fastcgi.h must state the limits of the parser");

struct fastcgi_server {
    fastcgi_handler handler;
    void *context;
    struct deadlines *deadlines;
    struct intake *intake;
    struct thread_pool *threads;
};

struct fastcgi_exchange {
    struct fastcgi_server *server; /* NULL: CGI */
    struct connection *connection;
    FCGX_Request *request;         /* NULL: CGI */
    bool paused[THREAD_POOL_REASONS];
    int64_t body_deadline;         /* monotonic; 0: the body was not read yet */
    int64_t response_deadline;     /* monotonic; 0: nothing was written yet */
    int64_t consumed;              /* CGI: bytes of the body that were read */
};

const char *fastcgi_variable(const struct fastcgi_exchange *exchange, const char *name)
{
    return exchange->request == NULL ? getenv(name) : FCGX_GetParam(name, exchange->request->envp);
}

bool fastcgi_is_oversized(const struct fastcgi_exchange *exchange)
{
    return exchange->request != NULL && exchange->connection->is_oversized;
}

/* Waits up to `ms` milliseconds for input. */
static bool poll_input(const struct connection *connection, int ms)
{
    struct pollfd input = {.fd = connection->socket, .events = POLLIN};

    return poll(&input, 1, ms) != 0; /* after an interruption the caller checks again */
}

/*
 * Waits until more of the body has been received. Returns false if the request has ended, if the deadline has passed,
 * or if the thread must not pause; in the last case, sets *ret_refused. Received data counts even after the deadline:
 * the process may have been stopped meanwhile.
 */
static bool wait_for_body(struct fastcgi_exchange *exchange, bool *ret_refused)
{
    struct connection *connection = exchange->connection;

    for (;;) {
        enum connection_result result = connection_receive(connection);
        int left = clock_remaining_ms(exchange->body_deadline);
        int brief = clock_remaining_ms(exchange->body_deadline - BODY_MS + BRIEF_WAIT_MS);

        if (result != CONNECTION_IDLE)
            return result == CONNECTION_RECEIVED;
        if (left == 0)
            return false;
        if (!exchange->paused[FASTCGI_TRANSFER]) {
            if (poll_input(connection, brief))
                continue;
            if (!fastcgi_pause(exchange, FASTCGI_TRANSFER)) {
                *ret_refused = true;
                return false;
            }
        }
        (void) poll_input(connection, left);
    }
}

static ssize_t receive_body(struct fastcgi_exchange *exchange, char *data, size_t size)
{
    bool refused = false;
    size_t got = 0;

    if (exchange->body_deadline == 0)
        exchange->body_deadline = clock_monotonic_ms() + BODY_MS;
    while (got < size) {
        size_t taken = connection_take(exchange->connection, data + got, size - got);

        got += taken;
        if (taken == 0 && (connection_is_finished(exchange->connection) || !wait_for_body(exchange, &refused)))
            break;
    }
    fastcgi_resume(exchange, FASTCGI_TRANSFER);
    return refused ? -1 : (ssize_t) got;
}

ssize_t fastcgi_read(struct fastcgi_exchange *exchange, char *data, size_t size)
{
    if (exchange->request == NULL) {
        size_t read = fread(data, 1, size, stdin);

        exchange->consumed += (int64_t) read;
        return (ssize_t) read;
    }
    return fastcgi_is_oversized(exchange) ? 0 : receive_body(exchange, data, size);
}

bool fastcgi_may_have_body(const struct fastcgi_exchange *exchange)
{
    const char *length = fastcgi_variable(exchange, "CONTENT_LENGTH");

    return exchange->request != NULL || (length != NULL && *length != '\0')
           || fastcgi_variable(exchange, "HTTP_TRANSFER_ENCODING") != NULL;
}

void fastcgi_set_time_limit(struct fastcgi_exchange *exchange, int64_t ms)
{
    exchange->response_deadline = clock_monotonic_ms() + ms;
}

/* Sets the deadline of a write. The caller must clear it. */
static void set_write_deadline(struct fastcgi_exchange *exchange, struct deadline *deadline)
{
    int64_t end = clock_monotonic_ms() + WRITE_MS;

    if (exchange->response_deadline == 0)
        exchange->response_deadline = end;
    if (end > exchange->response_deadline)
        end = exchange->response_deadline;
    deadline_set(exchange->server->deadlines, deadline, exchange->connection->socket, end);
}

/* Writes a header and data to the socket. A record without padding is valid. */
static bool write_record(int socket, char header[RECORD_HEADER_SIZE], const char *data, size_t length)
{
    struct iovec parts[] = {{header, RECORD_HEADER_SIZE}, {(void *) (uintptr_t) data, length}}; /* it is only read */
    size_t left = RECORD_HEADER_SIZE + length;
    ssize_t written;

    while (left > 0) {
        written = writev(socket, parts, ARRAY_SIZE(parts));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        left -= (size_t) written;
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
            size_t taken = (size_t) written < parts[i].iov_len ? (size_t) written : parts[i].iov_len;

            parts[i].iov_base = (char *) parts[i].iov_base + taken;
            parts[i].iov_len -= taken;
            written -= (ssize_t) taken;
        }
    }
    return true;
}

/*
 * Writes data in records as long as possible, after what libfcgi has buffered. libfcgi would copy the data and write
 * records of 8 KiB.
 */
static bool write_large(struct fastcgi_exchange *exchange, const char *data, size_t length)
{
    const struct connection *connection = exchange->connection;
    char header[RECORD_HEADER_SIZE];

    if (FCGX_FFlush(exchange->request->out) != 0)
        return false;
    while (length > 0) {
        size_t piece = length < RECORD_MAX_CONTENT ? length : RECORD_MAX_CONTENT;

        record_format_output(header, connection->records.request_id, piece);
        if (!write_record(connection->socket, header, data, piece))
            return false;
        data += piece;
        length -= piece;
    }
    return true;
}

bool fastcgi_write(struct fastcgi_exchange *exchange, const char *data, size_t length)
{
    struct deadline deadline;
    bool written;

    if (exchange->request == NULL)
        return fwrite(data, 1, length, stdout) == length;
    set_write_deadline(exchange, &deadline);
    written = length >= LARGE_WRITE ? write_large(exchange, data, length)
                                    : FCGX_PutStr(data, (int) length, exchange->request->out) == (int) length;
    deadline_clear(exchange->server->deadlines, &deadline);
    return written;
}

bool fastcgi_is_disconnected(const struct fastcgi_exchange *exchange)
{
    struct pollfd connection = {.events = POLLRDHUP};

    if (exchange->request == NULL)
        return false;
    connection.fd = exchange->connection->socket;
    return poll(&connection, 1, 0) > 0;
}

bool fastcgi_pause(struct fastcgi_exchange *exchange, enum fastcgi_pause reason)
{
    exchange->paused[reason] = exchange->server != NULL && thread_pool_pause(exchange->server->threads, reason);
    return exchange->server == NULL || exchange->paused[reason];
}

void fastcgi_resume(struct fastcgi_exchange *exchange, enum fastcgi_pause reason)
{
    if (exchange->paused[reason])
        thread_pool_resume(exchange->server->threads, reason);
    exchange->paused[reason] = false;
}

/* Writes the whole head into the memfd, for libfcgi to read. */
static bool fill_memory(int memory, const struct connection *connection)
{
    struct buffer head = {0};
    bool filled;

    record_append_head(&head, connection->records.request_id, buffer_text(&connection->params),
                       connection->params.length);
    filled = pwrite(memory, head.data, head.length, 0) == (ssize_t) head.length && lseek(memory, 0, SEEK_SET) == 0;
    buffer_free(&head);
    return filled;
}

/*
 * Lets libfcgi parse the head. libfcgi reads from a descriptor and would wait there, so it gets a memfd with the
 * head that was checked. Its streams use the ipcFd of the request at each write (EmptyBuffProc in fcgiapp.c of libfcgi
 * 2.4.2), so the response goes to the connection.
 */
static bool parse_head(struct fastcgi_exchange *exchange, int *memory)
{
    struct connection *connection = exchange->connection;
    FCGX_Request *request = exchange->request;

    /*
     * FCGX_Accept_r reads from ipcFd if the request seems to have kept its connection. Because the listening socket is
     * invalid, it cannot wait for another connection.
     */
    FCGX_InitRequest(request, -1, 0);
    if (!fill_memory(*memory, connection))
        return false;
    request->ipcFd = *memory;
    request->keepConnection = 1;
    if (FCGX_Accept_r(request) < 0) {
        *memory = -1; /* libfcgi has closed it */
        return false;
    }
    request->ipcFd = connection->socket;
    buffer_free(&connection->params);
    return true;
}

/* Lets libfcgi write the rest of the response and its end, and frees the request. Returns false if the write fails. */
static bool end_response(struct fastcgi_exchange *exchange)
{
    FCGX_Request *request = exchange->request;
    struct deadline deadline;
    bool written;

    set_write_deadline(exchange, &deadline);
    written = FCGX_FClose(request->err) == 0 && FCGX_FClose(request->out) == 0;
    deadline_clear(exchange->server->deadlines, &deadline);
    FCGX_Free(request, 0); /* FCGX_Finish_r would close the connection after a failed write */
    for (int reason = 0; reason < THREAD_POOL_REASONS; reason++)
        fastcgi_resume(exchange, (enum fastcgi_pause) reason);
    return written;
}

/* Whether nothing more can be received: the request has ended, or the connection is lost. */
static bool request_is_finished(struct connection *connection)
{
    return connection_skip(connection) || connection_receive(connection) == CONNECTION_LOST
           || connection_skip(connection);
}

/* Completes the response. If a part of the request has not been received yet, the intake drains the connection. */
static void finish_request(struct fastcgi_exchange *exchange)
{
    struct connection *connection = exchange->connection;

    if (!end_response(exchange) || request_is_finished(connection)) {
        connection_free(connection);
    } else {
        (void) shutdown(connection->socket, SHUT_WR);
        intake_drain(exchange->server->intake, connection);
    }
}

/* Serves the request of a connection. *memory is the memfd of the thread. */
static void serve_connection(void *context, struct connection *connection, int *memory)
{
    struct fastcgi_server *server = context;
    FCGX_Request request;
    struct fastcgi_exchange exchange = {.server = server, .connection = connection, .request = &request};
    bool is_large = connection->params.length > KEPT_MEMORY;

    if (!parse_head(&exchange, memory)) {
        log_event(LOG_ERROR, "cannot store the headers of a request in memory");
        connection_free(connection);
        return;
    }
    if (is_large && ftruncate(*memory, 0) != 0)
        log_event(LOG_WARNING, "cannot truncate the memfd of a request thread");
    server->handler(server->context, &exchange);
    finish_request(&exchange);
}

static void free_server(struct fastcgi_server *server)
{
    deadlines_stop(server->deadlines);
    free(server);
}

struct fastcgi_server *fastcgi_start(int socket, int threads, int waits, const struct fastcgi_whole *whole,
                                     fastcgi_handler handler, void *context, struct error *err)
{
    struct fastcgi_server *server = memory_zeroed(1, sizeof(*server));
    struct intake_limits limits = intake_limits;

    if (whole != NULL)
        limits.whole = *whole;
    server->handler = handler;
    server->context = context;
    server->deadlines = deadlines_start();
    if (FCGX_Init() == 0 && server->deadlines != NULL)
        server->intake = intake_start(socket, &limits);
    if (server->intake == NULL) {
        error_set(err, ERROR_INTERNAL, "cannot start the FastCGI server");
        free_server(server);
        return NULL;
    }
    server->threads = thread_pool_new(server->intake, threads, (int[]) {waits, MAX_TRANSFERS}, serve_connection,
                                      server);
    if (thread_pool_start(server->threads))
        return server;
    error_set(err, ERROR_INTERNAL, "cannot start %d request threads", threads);
    if (!fastcgi_stop(server, 1000))
        log_event(LOG_ERROR, "a request thread did not end");
    return NULL;
}

void fastcgi_close(struct fastcgi_server *server)
{
    thread_pool_close(server->threads);
    intake_close(server->intake);
}

bool fastcgi_stop(struct fastcgi_server *server, int grace_ms)
{
    int64_t deadline = clock_monotonic_ms() + grace_ms;

    fastcgi_close(server);
    if (!thread_pool_stop(server->threads, grace_ms))
        return false;
    intake_stop(server->intake, clock_remaining_ms(deadline));
    free_server(server);
    return true;
}

/*
 * Reads the rest of the body, because standard input and output may be the same socket. Stops at Content-Length,
 * because the web server may not close the input.
 */
static void drain_cgi(struct fastcgi_exchange *exchange)
{
    const char *length = getenv("CONTENT_LENGTH");
    int64_t announced = 0;
    char rest[8192];

    if (length == NULL || !text_parse_digits(length, 18, &announced))
        announced = getenv("HTTP_TRANSFER_ENCODING") == NULL ? 0 : MAX_UNREAD;
    if (announced > MAX_UNREAD)
        announced = MAX_UNREAD;
    while (exchange->consumed < announced) {
        int64_t left = announced - exchange->consumed;

        if (fastcgi_read(exchange, rest, left < (int64_t) sizeof(rest) ? (size_t) left : sizeof(rest)) <= 0)
            break;
    }
}

void fastcgi_serve_cgi(fastcgi_handler handler, void *context)
{
    struct fastcgi_exchange exchange = {0};

    handler(context, &exchange);
    (void) fflush(stdout);
    drain_cgi(&exchange);
}
