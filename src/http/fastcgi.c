#include "http/fastcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "http/deadlines.h"

#define THREAD_STACK (512 * 1024)
#define MAX_PAUSED 512    /* threads that may wait beside those that serve */
#define DEADLINE_MS 60000 /* for all before the body, each piece of it, each piece of the response, and what is left */
#define MAX_UNREAD (64 * 1024 * 1024)

enum way { RECEIVE, SEND };

struct thread {
    struct fastcgi_server *server;
    pthread_t id;
    struct thread *next; /* among those that are over */
};

struct fastcgi_server {
    int socket;
    int stop_event; /* readable once the server is closed */
    fastcgi_handler handler;
    void *context;
    struct deadlines *deadlines;

    pthread_mutex_t accept_lock; /* one thread waits for a connection, the others for it */

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t ended;
    int wanted;  /* threads that serve */
    int threads; /* all that are not over */
    int paused;  /* of these, those that wait for something else */
    struct thread *over; /* to be joined */
    bool closed;
};

struct fastcgi_exchange {
    struct fastcgi_server *server; /* NULL: CGI */
    FCGX_Request *request;         /* NULL: CGI */
    struct deadline deadline;
    int64_t taken;                 /* CGI: how much of the body was read */
};

const char *fastcgi_variable(const struct fastcgi_exchange *exchange, const char *name)
{
    return exchange->request == NULL ? getenv(name) : FCGX_GetParam(name, exchange->request->envp);
}

/* False if it can't be: then nothing may be done that waits for the web server. */
static bool set_deadline(struct fastcgi_exchange *exchange, enum way way)
{
    /* What comes too late is not read any more, but can be answered. */
    int how = way == RECEIVE ? SHUT_RD : SHUT_RDWR;

    if (deadline_set(exchange->server->deadlines, &exchange->deadline, exchange->request->ipcFd, how, DEADLINE_MS))
        return true;
    log_event(LOG_ERROR, "no descriptor for the deadline of a connection");
    return false;
}

static void clear_deadline(struct fastcgi_exchange *exchange)
{
    deadline_clear(exchange->server->deadlines, &exchange->deadline);
}

/* 0 at the end, or where the web server broke off. */
static size_t read_input(struct fastcgi_exchange *exchange, char *data, size_t size)
{
    int got = FCGX_GetStr(data, (int) size, exchange->request->in);

    return got > 0 ? (size_t) got : 0;
}

size_t fastcgi_read(struct fastcgi_exchange *exchange, char *data, size_t size)
{
    size_t got;

    if (exchange->request == NULL) {
        size_t read = fread(data, 1, size, stdin);

        exchange->taken += (int64_t) read;
        return read;
    }
    if (!set_deadline(exchange, RECEIVE))
        return 0;
    got = read_input(exchange, data, size);
    clear_deadline(exchange);
    return got;
}

bool fastcgi_write(struct fastcgi_exchange *exchange, const char *data, size_t length)
{
    bool written;

    if (exchange->request == NULL)
        return fwrite(data, 1, length, stdout) == length;
    if (!set_deadline(exchange, SEND))
        return false;
    written = FCGX_PutStr(data, (int) length, exchange->request->out) == (int) length;
    clear_deadline(exchange);
    return written;
}

bool fastcgi_is_gone(const struct fastcgi_exchange *exchange)
{
    struct pollfd connection = {.events = POLLRDHUP};

    if (exchange->request == NULL)
        return false;
    connection.fd = exchange->request->ipcFd;
    return poll(&connection, 1, 0) > 0;
}

static bool add_thread(struct fastcgi_server *server);

void fastcgi_pause(struct fastcgi_exchange *exchange)
{
    struct fastcgi_server *server = exchange->server;

    if (server == NULL)
        return;
    pthread_mutex_lock(&server->lock);
    server->paused++;
    if (!server->closed && server->threads - server->paused < server->wanted && server->paused < MAX_PAUSED)
        (void) add_thread(server); /* without it, the others serve */
    pthread_mutex_unlock(&server->lock);
}

void fastcgi_resume(struct fastcgi_exchange *exchange)
{
    struct fastcgi_server *server = exchange->server;

    if (server == NULL)
        return;
    pthread_mutex_lock(&server->lock);
    server->paused--;
    pthread_mutex_unlock(&server->lock);
}

/*
 * Waits for a connection. -1 once the server is closed. Done here rather than by libfcgi, whose accept can't be
 * ended without a race.
 */
static int accept_connection(struct fastcgi_server *server)
{
    struct pollfd events[] = {{.fd = server->socket, .events = POLLIN}, {.fd = server->stop_event, .events = POLLIN}};
    int connection = -1;

    pthread_mutex_lock(&server->accept_lock);
    while (connection < 0) {
        if (poll(events, 2, -1) < 0 && errno != EINTR)
            break;
        if (events[1].revents != 0)
            break;
        if (events[0].revents == 0)
            continue;
        connection = accept4(server->socket, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            log_event(LOG_ERROR, "no descriptor or memory for a connection");
            poll(&events[1], 1, 100); /* until some are given back */
        } else if (connection < 0 && (errno == EBADF || errno == EINVAL || errno == ENOTSOCK)) {
            break; /* the socket is no longer one to listen on */
        }
    }
    pthread_mutex_unlock(&server->accept_lock);
    return connection;
}

/* Unread bytes at the close would make the kernel reset the connection, and the web server lose the answer. */
static void drain(struct fastcgi_exchange *exchange)
{
    char rest[8192];

    if (!set_deadline(exchange, RECEIVE))
        return;
    for (size_t total = 0; total < MAX_UNREAD;) {
        size_t got = read_input(exchange, rest, sizeof(rest));

        if (got == 0)
            break;
        total += got;
    }
    clear_deadline(exchange);
}

/* What is left of the response, and its end. */
static void finish(struct fastcgi_exchange *exchange)
{
    if (set_deadline(exchange, SEND)) {
        exchange->request->keepConnection = 0;
        FCGX_Finish_r(exchange->request);
        clear_deadline(exchange);
    } else {
        FCGX_Free(exchange->request, 1); /* without a word, rather than waiting for ever */
    }
}

/* Reads what comes before the body. */
static bool begin(struct fastcgi_exchange *exchange)
{
    bool begun;

    if (!set_deadline(exchange, RECEIVE)) {
        FCGX_Free(exchange->request, 1);
        return false;
    }
    begun = FCGX_Accept_r(exchange->request) >= 0;
    clear_deadline(exchange);
    if (!begun)
        log_event(LOG_WARNING, "a connection held no FastCGI request");
    return begun;
}

static void serve_connection(struct fastcgi_server *server, int connection)
{
    FCGX_Request request;
    struct fastcgi_exchange exchange = {.server = server, .request = &request};

    /*
     * With a connection in place, that looks like one kept from an earlier request, FCGX_Accept_r reads from it;
     * without a socket it can't wait for another.
     */
    FCGX_InitRequest(&request, -1, 0);
    request.ipcFd = connection;
    request.keepConnection = 1;
    if (!begin(&exchange))
        return;
    server->handler(server->context, &exchange);
    drain(&exchange);
    finish(&exchange);
}

/* Whether the calling thread, back from a request, is one more than there should be. */
static bool is_surplus(struct fastcgi_server *server)
{
    bool surplus;

    pthread_mutex_lock(&server->lock);
    surplus = server->threads - server->paused > server->wanted;
    pthread_mutex_unlock(&server->lock);
    return surplus;
}

static void *thread_main(void *argument)
{
    struct thread *thread = argument;
    struct fastcgi_server *server = thread->server;
    int connection;

    while (!is_surplus(server) && (connection = accept_connection(server)) >= 0)
        serve_connection(server, connection);
    pthread_mutex_lock(&server->lock);
    server->threads--;
    thread->next = server->over;
    server->over = thread;
    pthread_cond_broadcast(&server->ended);
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/*
 * Joins the threads that are over: until then one may still run destructors of its own, which must not meet
 * the end of the process. Called with the lock held, which such a thread no longer takes.
 */
static void join_threads(struct fastcgi_server *server)
{
    while (server->over != NULL) {
        struct thread *thread = server->over;

        server->over = thread->next;
        pthread_join(thread->id, NULL);
        free(thread);
    }
}

/* Called with the lock held. */
static bool add_thread(struct fastcgi_server *server)
{
    struct thread *thread = memory_zeroed(1, sizeof(*thread));
    pthread_attr_t attributes;
    bool started;

    join_threads(server);
    thread->server = server;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    started = pthread_create(&thread->id, &attributes, thread_main, thread) == 0;
    pthread_attr_destroy(&attributes);
    if (started)
        server->threads++;
    else
        free(thread);
    return started;
}

struct fastcgi_server *fastcgi_start(int socket, int threads, fastcgi_handler handler, void *context, struct error *err)
{
    struct fastcgi_server *server = memory_zeroed(1, sizeof(*server));
    bool started = true;

    server->socket = socket;
    server->handler = handler;
    server->context = context;
    server->wanted = threads;
    pthread_mutex_init(&server->accept_lock, NULL);
    pthread_mutex_init(&server->lock, NULL);
    clock_init_condition(&server->ended);
    server->stop_event = eventfd(0, EFD_CLOEXEC);
    server->deadlines = deadlines_start();
    if (FCGX_Init() != 0 || server->stop_event < 0 || server->deadlines == NULL) {
        error_set(err, ERROR_INTERNAL, "FastCGI can't be set up");
        deadlines_stop(server->deadlines);
        free(server);
        return NULL;
    }

    pthread_mutex_lock(&server->lock);
    for (int i = 0; i < threads && started; i++)
        started = add_thread(server);
    pthread_mutex_unlock(&server->lock);
    if (started)
        return server;
    error_set(err, ERROR_INTERNAL, "%d request threads can't be started", threads);
    if (!fastcgi_stop(server, 1000))
        log_event(LOG_ERROR, "a request thread did not end");
    return NULL;
}

void fastcgi_close(struct fastcgi_server *server)
{
    const uint64_t one = 1;

    pthread_mutex_lock(&server->lock);
    server->closed = true;
    pthread_mutex_unlock(&server->lock);
    if (write(server->stop_event, &one, sizeof(one)) != (ssize_t) sizeof(one))
        log_event(LOG_ERROR, "the request threads can't be told to stop");
}

bool fastcgi_stop(struct fastcgi_server *server, int grace_ms)
{
    struct timespec until = clock_timespec_after(grace_ms);
    bool all_ended;

    fastcgi_close(server);
    pthread_mutex_lock(&server->lock);
    while (server->threads > 0) {
        if (pthread_cond_timedwait(&server->ended, &server->lock, &until) != 0)
            break;
    }
    all_ended = server->threads == 0;
    join_threads(server);
    pthread_mutex_unlock(&server->lock);
    if (!all_ended)
        return false;

    deadlines_stop(server->deadlines);
    close(server->stop_event);
    pthread_cond_destroy(&server->ended);
    pthread_mutex_destroy(&server->lock);
    pthread_mutex_destroy(&server->accept_lock);
    free(server);
    return true;
}

/* Likewise where standard input and output are one socket. Not beyond what is announced: the end may never come. */
static void drain_cgi(struct fastcgi_exchange *exchange)
{
    const char *length = getenv("CONTENT_LENGTH");
    int64_t announced = 0;
    char rest[8192];

    if (length == NULL || !text_parse_digits(length, 18, &announced))
        announced = getenv("HTTP_TRANSFER_ENCODING") == NULL ? 0 : MAX_UNREAD;
    if (announced > MAX_UNREAD)
        announced = MAX_UNREAD;
    while (exchange->taken < announced) {
        int64_t left = announced - exchange->taken;

        if (fastcgi_read(exchange, rest, left < (int64_t) sizeof(rest) ? (size_t) left : sizeof(rest)) == 0)
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
