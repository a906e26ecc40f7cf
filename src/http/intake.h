/*
 * The intake: one thread that accepts connections and reads the heads of their requests, and of some also the body. A
 * silent or slow connection costs a descriptor and a few bytes, but no thread. A request with a complete head, and with
 * its body if that is received first, waits here for a thread. After the response, the intake drains the connection: it
 * receives and discards the rest of the body. Otherwise the kernel would reset the connection because of the unread
 * bytes, and the web server could lose the response.
 */
#ifndef WAYBILL_HTTP_INTAKE_H
#define WAYBILL_HTTP_INTAKE_H

#include <stddef.h>

#include "base/compiler.h"
#include "http/connection.h"
#include "http/drains.h"

struct intake_limits {
    int heads;         /* connections with an incomplete request; beyond the limit, the oldest is closed */
    size_t held;       /* bytes of all requests in memory; beyond the limit, the oldest incomplete one is closed */
    int head_ms;       /* time limit of an entire head, and of the body if it is received first */
    int silent_ms;     /* after intake_close, time limit of a connection that has sent nothing */
    struct drain_limits drains;
    struct fastcgi_whole whole; /* the requests whose body is received first */
};

struct intake;

/*
 * Starts the intake of a listening socket, which must be in non-blocking mode and still belongs to the caller. Raises
 * the limit of file descriptors if necessary. Returns NULL if the thread cannot start.
 */
MUST_CHECK struct intake *intake_start(int socket, const struct intake_limits *limits);

/*
 * Waits for a request that a thread can serve, and returns its connection, which the caller then owns. Returns NULL
 * once the intake is closed and has no more requests. The intake accepts connections only while there are more waiting
 * threads than waiting requests, so that other processes that share the socket can accept the others.
 */
struct connection *intake_take(struct intake *intake);

/* Takes over a connection after the response, to drain and close it. */
void intake_drain(struct intake *intake, struct connection *connection);

/* Stops accepting connections. Clients that have sent a part of a request may complete it, within their time limit. */
void intake_close(struct intake *intake);

/*
 * Drains connections for up to grace_ms, then stops the thread and frees the intake. No thread may be in intake_take.
 */
void intake_stop(struct intake *intake, int grace_ms);

#endif
