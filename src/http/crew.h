/*
 * The threads that serve requests: as many as are wanted serve at any time, and beside them others pause, each for a
 * reason that its request has.
 */
#ifndef WAYBILL_HTTP_CREW_H
#define WAYBILL_HTTP_CREW_H

#include <stdbool.h>

#include "base/compiler.h"
#include "http/fastcgi.h"
#include "http/intake.h"

#define CREW_REASONS 2 /* enum fastcgi_pause */

struct crew;

/*
 * Serves the connection's request and frees the connection or gives it back. *memory is the descriptor of a file in
 * memory that is the thread's own; it may be closed and made -1.
 */
typedef void (*crew_serve)(void *context, struct connection *connection, int *memory);

/* A crew without threads yet, for the requests of this intake. For each reason, so many threads may pause at once. */
struct crew *crew_new(struct intake *intake, int wanted, const int may_pause[CREW_REASONS], crew_serve serve,
                      void *context) __attribute__((returns_nonnull));

/* Starts the threads. False if not all of them start: then it is still to be stopped. */
MUST_CHECK bool crew_start(struct crew *crew);

/* The calling thread pauses, and another takes its place. False if it must not; then nothing has changed. */
MUST_CHECK bool crew_pause(struct crew *crew, enum fastcgi_pause reason);
void crew_resume(struct crew *crew, enum fastcgi_pause reason);

/* From now on a thread that pauses is not replaced. */
void crew_close(struct crew *crew);

/*
 * Waits up to grace_ms until all threads have ended, as they do once the intake is closed and has no more requests.
 * True if they have: then the crew is freed.
 */
MUST_CHECK bool crew_stop(struct crew *crew, int grace_ms);

#endif
