/*
 * The intake: one thread that accepts connections and reads the heads of their requests, so that a connection which
 * says nothing, or says it slowly, costs a descriptor and a few bytes, and never a thread. A request whose head is
 * complete waits here until a thread takes it. After the answer, the intake receives the rest of a body that nobody
 * wants: unread bytes at the close would make the kernel reset the connection, and the web server lose the answer.
 */
#ifndef WAYBILL_HTTP_INTAKE_H
#define WAYBILL_HTTP_INTAKE_H

#include <stddef.h>

#include "base/compiler.h"
#include "http/connection.h"

struct intake_limits {
    int heads;         /* connections whose head is incomplete; beyond it the oldest is closed */
    size_t held;       /* bytes of all heads that no thread has taken; likewise */
    int head_ms;       /* for a whole head */
    int silent_ms;     /* after intake_close, for a connection that has said nothing */
    int drains;        /* connections whose rest is received; beyond it the oldest is closed */
    size_t drain_size; /* bytes of the rest of one */
    int drain_ms;      /* for the rest of one */
};

struct intake;

/*
 * Starts it for a listening socket, which must not block and stays the caller's, and makes sure that the process may
 * have enough descriptors. NULL if it can't be started.
 */
MUST_CHECK struct intake *intake_start(int socket, const struct intake_limits *limits);

/*
 * Waits for a request whose head is complete; the connection becomes the caller's. NULL once the intake is closed and
 * no request comes any more. The intake accepts connections only while more threads wait here than requests do, so
 * that the others stay for processes that share the socket.
 */
struct connection *intake_take(struct intake *intake);

/* Gives back a connection that was answered, to receive the rest of its request and close it. */
void intake_give_back(struct intake *intake, struct connection *connection);

/* Accepts no more connections. Those that have sent a part of a head may complete it, within their time. */
void intake_close(struct intake *intake);

/* Ends the thread, after at most so many milliseconds for what was given back. No call of intake_take may go on. */
void intake_stop(struct intake *intake, int grace_ms);

#endif
