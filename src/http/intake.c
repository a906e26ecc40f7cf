#include "http/intake.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/log.h"
#include "base/memory.h"
#include "http/queue.h"

#define DESCRIPTORS 4096  /* number of file descriptors that the process requests */
#define EXHAUSTED_MS 100  /* delay after an accept that failed for lack of descriptors or memory */
#define EVENTS 64         /* maximum number of events, and of accepted connections, per round */

struct intake {
    int socket;
    int events; /* epoll */
    int wake;   /* eventfd: the queue has room again, or a member under the lock has changed */
    struct intake_limits limits;
    struct queue queue;
    pthread_t thread;

    /* Used only by the thread. */
    struct connection_list heads;  /* incomplete requests, the oldest first */
    struct drains drains;
    bool may_have_backlog;         /* connections may be waiting to be accepted */
    int64_t accept_after;          /* monotonic; 0: immediately */
    int64_t silent_until;          /* monotonic; silent connections are closed then; 0: the intake is open */

    pthread_mutex_t lock; /* for all below */
    struct connection_list to_drain; /* added by intake_drain */
    bool is_closed;
    bool is_stopping;
    int64_t stop_at; /* monotonic */
};

static bool watch_connection(struct intake *intake, struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = connection};

    return epoll_ctl(intake->events, EPOLL_CTL_ADD, connection->socket, &event) == 0;
}

static void log_lost(const char *reason)
{
    struct log_line line;

    log_begin(&line, LOG_WARNING, "connection closed before a complete request was received");
    log_text(&line, "reason", reason);
    log_end(&line);
}

static void drop_head(struct intake *intake, struct connection *connection, const char *reason)
{
    log_lost(reason);
    connection_list_remove(&intake->heads, connection);
    queue_account(&intake->queue, connection, 0);
    connection_free(connection);
}

/* Reads from a new connection. Usually the complete request has already arrived. */
static void begin_head(struct intake *intake, struct connection *connection)
{
    enum connection_result result;

    connection->deadline = clock_monotonic_ms() + intake->limits.head_ms;
    result = connection_receive_request(connection, &intake->limits.whole);
    if (result == CONNECTION_COMPLETE) {
        queue_put(&intake->queue, connection);
        return;
    }
    connection_list_append(&intake->heads, connection);
    queue_account(&intake->queue, connection, connection_held(connection));
    if (result == CONNECTION_LOST)
        drop_head(intake, connection, connection->problem);
    else if (!watch_connection(intake, connection))
        drop_head(intake, connection, "cannot be added to the epoll instance");
    else if (intake->heads.count > intake->limits.heads)
        drop_head(intake, intake->heads.first, "too many incomplete requests");
}

/* Reads more of a request. */
static enum connection_result continue_head(struct intake *intake, struct connection *connection)
{
    enum connection_result result = connection_receive_request(connection, &intake->limits.whole);

    if (result == CONNECTION_COMPLETE) {
        (void) epoll_ctl(intake->events, EPOLL_CTL_DEL, connection->socket, NULL);
        connection_list_remove(&intake->heads, connection);
        queue_put(&intake->queue, connection);
    } else if (result == CONNECTION_LOST) {
        drop_head(intake, connection, connection->problem);
    } else {
        queue_account(&intake->queue, connection, connection_held(connection));
    }
    return result;
}

/* Closes the oldest connections with incomplete requests while the requests in memory exceed the limit. */
static void enforce_held_limit(struct intake *intake)
{
    while (intake->heads.first != NULL && queue_held(&intake->queue) > intake->limits.held)
        drop_head(intake, intake->heads.first, "all pending requests together are too large");
}

/* Begins to drain the connections that intake_drain has passed to this thread. */
static void start_drains(struct intake *intake)
{
    struct connection *connection;

    do {
        pthread_mutex_lock(&intake->lock);
        connection = connection_list_take(&intake->to_drain);
        pthread_mutex_unlock(&intake->lock);
        if (connection != NULL && !watch_connection(intake, connection))
            connection_free(connection);
        else if (connection != NULL)
            drains_add(&intake->drains, connection);
    } while (connection != NULL);
}

/* After a failed accept, decides whether and when to try again. */
static void handle_accept_error(struct intake *intake)
{
    switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        log_event(LOG_ERROR, "cannot accept a connection: out of file descriptors or memory");
        if (intake->heads.first != NULL)
            drop_head(intake, intake->heads.first, "its file descriptor is needed for a new connection");
        intake->accept_after = clock_monotonic_ms() + EXHAUSTED_MS; /* until others are released */
        break;
    case EAGAIN:
    case EBADF: /* this and the next two: the socket no longer listens */
    case EINVAL:
    case ENOTSOCK:
        intake->may_have_backlog = false;
        break;
    default: /* this connection has failed, but the next may succeed */
        break;
    }
}

/* Accepts connections while threads are idle. The limit per round lets the events of other connections be handled. */
static void accept_connections(struct intake *intake)
{
    int accepted = 0;

    if (clock_remaining_ms(intake->accept_after) > 0)
        return;
    intake->accept_after = 0;
    while (intake->may_have_backlog && intake->accept_after == 0 && queue_has_room(&intake->queue)) {
        int socket = accept4(intake->socket, NULL, NULL, SOCK_CLOEXEC);

        if (socket >= 0)
            begin_head(intake, connection_new(socket));
        else
            handle_accept_error(intake);
        if (++accepted == EVENTS && intake->accept_after == 0)
            intake->accept_after = clock_monotonic_ms();
    }
}

/* Closes an expired connection, unless its request is now complete, for example after the process was stopped. */
static void expire_head(struct intake *intake, struct connection *connection)
{
    size_t pieces = 2 * (CONNECTION_MAX_PARAMS + intake->limits.whole.max_body) / CONNECTION_PIECE;
    enum connection_result result = CONNECTION_RECEIVED;

    for (size_t i = 0; i < pieces && result == CONNECTION_RECEIVED; i++)
        result = continue_head(intake, connection);
    if (result == CONNECTION_IDLE || result == CONNECTION_RECEIVED)
        drop_head(intake, connection, "its time limit has passed");
}

static void drop_silent_heads(struct intake *intake)
{
    struct connection *next;

    for (struct connection *connection = intake->heads.first; connection != NULL; connection = next) {
        next = connection->next;
        if (connection_is_silent(connection))
            drop_head(intake, connection, "the process is stopping");
    }
}

static void close_expired(struct intake *intake)
{
    int64_t now = clock_monotonic_ms();

    while (intake->heads.first != NULL && intake->heads.first->deadline <= now)
        expire_head(intake, intake->heads.first);
    drains_close_expired(&intake->drains, now);
    if (intake->silent_until != 0 && intake->silent_until <= now) {
        drop_silent_heads(intake);
        intake->silent_until = INT64_MAX; /* no new ones appear */
    }
}

static void handle_event(struct intake *intake, const struct epoll_event *event)
{
    eventfd_t count;

    if (event->data.ptr == &intake->socket) {
        intake->may_have_backlog = true;
    } else if (event->data.ptr == &intake->wake) {
        (void) eventfd_read(intake->wake, &count);
    } else {
        struct connection *connection = event->data.ptr;

        if (connection->is_draining)
            drains_receive(&intake->drains, connection);
        else
            (void) continue_head(intake, connection);
    }
}

/* Returns the time at which the thread must act even without an event, or INT64_MAX. */
static int64_t next_deadline(const struct intake *intake, int64_t stop_at)
{
    const int64_t deadlines[] = {
        intake->heads.first != NULL ? intake->heads.first->deadline : 0,
        intake->drains.list.first != NULL ? intake->drains.list.first->deadline : 0,
        intake->heads.first != NULL ? intake->silent_until : 0,
        intake->accept_after,
        stop_at,
    };
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++) {
        if (deadlines[i] != 0 && deadlines[i] < next)
            next = deadlines[i];
    }
    return next;
}

/*
 * Waits for events and handles them. During the loop, a connection is freed only by its own event, because a later
 * event of the same round may refer to it. Other connections are closed only after the loop.
 */
static void handle_events(struct intake *intake, int64_t deadline)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(intake->events, events, EVENTS, deadline == INT64_MAX ? -1 : clock_remaining_ms(deadline));

    for (int i = 0; i < count; i++)
        handle_event(intake, &events[i]);
    enforce_held_limit(intake);
    start_drains(intake);
    accept_connections(intake);
    close_expired(intake);
}

/* Called in each round after intake_close. Only the first call has an effect. */
static void stop_accepting(struct intake *intake)
{
    if (intake->silent_until == 0) {
        (void) epoll_ctl(intake->events, EPOLL_CTL_DEL, intake->socket, NULL);
        intake->may_have_backlog = false;
        intake->silent_until = clock_monotonic_ms() + intake->limits.silent_ms;
    }
}

/*
 * Applies intake_close, and returns whether the thread must continue. *ret_stop_at is the time by which it must stop,
 * or 0 if it need not stop.
 */
static bool must_continue(struct intake *intake, int64_t *ret_stop_at)
{
    bool closed, stopping, has_new_drains;

    pthread_mutex_lock(&intake->lock);
    closed = intake->is_closed;
    stopping = intake->is_stopping;
    has_new_drains = intake->to_drain.count > 0;
    *ret_stop_at = stopping ? intake->stop_at : 0;
    pthread_mutex_unlock(&intake->lock);

    if (closed)
        stop_accepting(intake);
    if (closed && intake->heads.count == 0)
        queue_end(&intake->queue);
    return !stopping || ((has_new_drains || intake->drains.list.count > 0) && clock_remaining_ms(*ret_stop_at) > 0);
}

static void *intake_main(void *argument)
{
    struct intake *intake = argument;
    int64_t stop_at;

    while (must_continue(intake, &stop_at))
        handle_events(intake, next_deadline(intake, stop_at));
    return NULL;
}

/*
 * Raises the limit on file descriptors to DESCRIPTORS, or as far as the hard limit allows, and limits the intake to a
 * part of them.
 */
static void adapt_to_descriptor_limit(struct intake_limits *limits)
{
    struct rlimit limit, descriptors;
    int part;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < DESCRIPTORS) {
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0)
        return;
    part = descriptors.rlim_cur < DESCRIPTORS ? (int) descriptors.rlim_cur / 4 + 1 : DESCRIPTORS / 4;
    limits->heads = limits->heads < part ? limits->heads : part;
    limits->drains.connections = limits->drains.connections < part ? limits->drains.connections : part;
}

static void free_intake(struct intake *intake)
{
    connection_list_free(&intake->heads);
    connection_list_free(&intake->drains.list);
    connection_list_free(&intake->to_drain);
    queue_free(&intake->queue);
    if (intake->events >= 0)
        close(intake->events);
    if (intake->wake >= 0)
        close(intake->wake);
    pthread_mutex_destroy(&intake->lock);
    free(intake);
}

/*
 * Watches the listening socket edge-triggered. Connections may stay in its backlog while no thread is idle, and must
 * not wake up the intake thread repeatedly.
 */
static bool set_up_epoll(struct intake *intake)
{
    struct epoll_event of_socket = {.events = EPOLLIN | EPOLLET, .data.ptr = &intake->socket};
    struct epoll_event of_wake = {.events = EPOLLIN, .data.ptr = &intake->wake};

    return intake->events >= 0 && intake->wake >= 0
           && epoll_ctl(intake->events, EPOLL_CTL_ADD, intake->socket, &of_socket) == 0
           && epoll_ctl(intake->events, EPOLL_CTL_ADD, intake->wake, &of_wake) == 0;
}

struct intake *intake_start(int socket, const struct intake_limits *limits)
{
    struct intake *intake = memory_zeroed(1, sizeof(*intake));

    intake->socket = socket;
    intake->limits = *limits;
    adapt_to_descriptor_limit(&intake->limits);
    intake->drains.limits = intake->limits.drains;
    intake->may_have_backlog = true;
    pthread_mutex_init(&intake->lock, NULL);
    intake->events = epoll_create1(EPOLL_CLOEXEC);
    intake->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue_begin(&intake->queue, intake->wake);
    if (set_up_epoll(intake) && pthread_create(&intake->thread, NULL, intake_main, intake) == 0)
        return intake;
    free_intake(intake);
    return NULL;
}

struct connection *intake_take(struct intake *intake)
{
    return queue_take(&intake->queue);
}

void intake_drain(struct intake *intake, struct connection *connection)
{
    pthread_mutex_lock(&intake->lock);
    connection_list_append(&intake->to_drain, connection);
    pthread_mutex_unlock(&intake->lock);
    (void) eventfd_write(intake->wake, 1);
}

void intake_close(struct intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    intake->is_closed = true;
    pthread_mutex_unlock(&intake->lock);
    (void) eventfd_write(intake->wake, 1);
}

void intake_stop(struct intake *intake, int grace_ms)
{
    pthread_mutex_lock(&intake->lock);
    intake->is_closed = true;
    intake->is_stopping = true;
    intake->stop_at = clock_monotonic_ms() + grace_ms;
    pthread_mutex_unlock(&intake->lock);
    (void) eventfd_write(intake->wake, 1);
    pthread_join(intake->thread, NULL);
    free_intake(intake);
}
