/*
 * The threads that serve requests. A fixed number of threads serve at any time. A thread that is going to wait pauses,
 * and another thread replaces it meanwhile. Each reason to pause (enum fastcgi_pause) has its own limit.
 */
#ifndef WAYBILL_HTTP_THREAD_POOL_H
#define WAYBILL_HTTP_THREAD_POOL_H

#include <stdbool.h>

#include "base/compiler.h"
#include "http/fastcgi.h"
#include "http/intake.h"

#define THREAD_POOL_REASONS 2 /* enum fastcgi_pause */

struct thread_pool;

/*
 * Serves the request of the connection, and then frees the connection or passes it to the intake. *memory is the
 * descriptor of the memfd of the thread. The function may close it and set it to -1.
 */
typedef void (*thread_pool_serve)(void *context, struct connection *connection, int *memory);

/*
 * Creates a pool without threads, for the requests of this intake. `wanted` threads serve; may_pause is the maximum
 * number of threads that pause at the same time, for each reason.
 */
struct thread_pool *thread_pool_new(struct intake *intake, int wanted, const int may_pause[THREAD_POOL_REASONS],
                                    thread_pool_serve serve, void *context) __attribute__((returns_nonnull));

/* Starts the threads. Returns false if not all of them start; the caller must still stop the pool. */
MUST_CHECK bool thread_pool_start(struct thread_pool *pool);

/*
 * Pauses the calling thread, and lets another serve in its place. Returns false, without effect, if it must not pause.
 */
MUST_CHECK bool thread_pool_pause(struct thread_pool *pool, enum fastcgi_pause reason);
void thread_pool_resume(struct thread_pool *pool, enum fastcgi_pause reason);

/* After this call, threads that pause are not replaced. */
void thread_pool_close(struct thread_pool *pool);

/*
 * Waits up to grace_ms until all threads have ended, which they do once the intake is closed and has no more requests.
 * Returns true if they have ended; the pool is freed.
 */
MUST_CHECK bool thread_pool_stop(struct thread_pool *pool, int grace_ms);

#endif
