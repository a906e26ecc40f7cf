/*
 * Connections that are drained after the response: the rest of the request is received and discarded, so that the
 * kernel does not reset the connection because of unread bytes, and the web server does not lose the response. Only the
 * intake thread uses them.
 */
#ifndef WAYBILL_HTTP_DRAINS_H
#define WAYBILL_HTTP_DRAINS_H

#include <stddef.h>
#include <stdint.h>

#include "http/connection.h"

struct drain_limits {
    int connections; /* beyond the limit, the oldest is closed */
    size_t size;     /* maximum number of bytes received from one connection */
    int ms;          /* time limit of one connection */
};

struct drains {
    struct drain_limits limits;
    struct connection_list list; /* the oldest first */
};

/* Adds a connection. The caller watches its socket, and calls drains_receive when there is input. */
void drains_add(struct drains *drains, struct connection *connection);

/* Receives once. Frees the connection when the request has ended or a limit is reached. */
void drains_receive(struct drains *drains, struct connection *connection);

/* Closes the connections whose time limit has passed. `now` is monotonic. */
void drains_close_expired(struct drains *drains, int64_t now);

#endif
