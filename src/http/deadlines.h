/*
 * Deadlines of connections: once one is over, its connection is shut down, so that a write which waits for the other
 * side ends. The timeouts that sockets have of their own (SO_RCVTIMEO, SO_SNDTIMEO) won't do: with one of
 * them a call fails with EINTR when the process is stopped and goes on (signal(7)), which libfcgi takes for the end.
 */
#ifndef WAYBILL_HTTP_DEADLINES_H
#define WAYBILL_HTTP_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct deadlines;

/* The deadline of one connection, where its user keeps it: what it holds is this file's alone. */
struct deadline {
    int socket;
    int64_t end;
    struct deadline *previous, *next;
};

/* Starts the thread that watches them. NULL if it can't be started. End it with deadlines_stop. */
MUST_CHECK struct deadlines *deadlines_start(void);

/* None may be set any more. NULL is allowed. */
void deadlines_stop(struct deadlines *deadlines);

/*
 * Sets the deadline of a connection, a monotonic instant, until deadline_clear. Until then the socket must stay open:
 * its number could become another file's.
 */
void deadline_set(struct deadlines *deadlines, struct deadline *deadline, int socket, int64_t end);
void deadline_clear(struct deadlines *deadlines, struct deadline *deadline);

#endif
