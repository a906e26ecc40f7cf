/*
 * Deadlines of connections. When a deadline passes, the connection is shut down, which ends a write that waits for the
 * peer. The timeouts of sockets (SO_RCVTIMEO, SO_SNDTIMEO) are not suitable: with them, a call fails with EINTR when
 * the process is stopped and continued (signal(7)), and libfcgi treats that as the end of the connection.
 */
#ifndef WAYBILL_HTTP_DEADLINES_H
#define WAYBILL_HTTP_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct deadlines;

/* The deadline of one connection. The caller provides the memory; only deadlines.c uses the members. */
struct deadline {
    int socket;
    int64_t end;
    struct deadline *previous, *next;
};

/* Starts the thread that watches deadlines. Returns NULL if it cannot start. End it with deadlines_stop. */
MUST_CHECK struct deadlines *deadlines_start(void);

/* Stops the thread. No deadline may be set at this time. NULL is allowed. */
void deadlines_stop(struct deadlines *deadlines);

/*
 * Sets the deadline of a connection, in milliseconds of the monotonic clock, until deadline_clear. Until then the
 * socket must stay open, because its descriptor could be reused for another file.
 */
void deadline_set(struct deadlines *deadlines, struct deadline *deadline, int socket, int64_t end);
void deadline_clear(struct deadlines *deadlines, struct deadline *deadline);

#endif
