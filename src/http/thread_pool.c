#include "http/thread_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

#define THREAD_STACK (512 * 1024)

struct thread {
    struct thread_pool *pool;
    pthread_t id;
    int memory;
    struct thread *next; /* in the list of ended threads */
};

struct thread_pool {
    struct intake *intake;
    thread_pool_serve serve;
    void *context;
    int wanted; /* number of threads that serve */
    int may_pause[THREAD_POOL_REASONS];

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t ended;
    int threads; /* running, paused ones included */
    int paused[THREAD_POOL_REASONS];
    struct thread *ended_threads; /* to be joined */
    bool is_closed;
};

struct thread_pool *thread_pool_new(struct intake *intake, int wanted, const int may_pause[THREAD_POOL_REASONS],
                                    thread_pool_serve serve, void *context)
{
    struct thread_pool *pool = memory_zeroed(1, sizeof(*pool));

    *pool = (struct thread_pool) {.intake = intake, .serve = serve, .context = context, .wanted = wanted};
    for (int reason = 0; reason < THREAD_POOL_REASONS; reason++)
        pool->may_pause[reason] = may_pause[reason];
    pthread_mutex_init(&pool->lock, NULL);
    clock_init_condition(&pool->ended);
    return pool;
}

/* Returns the number of threads that serve. */
static int count_serving(const struct thread_pool *pool)
{
    return pool->threads - pool->paused[FASTCGI_WAIT] - pool->paused[FASTCGI_TRANSFER];
}

/* Returns the descriptor of a memfd, or -1. */
static int create_memfd(void)
{
    return memfd_create("waybill request", MFD_CLOEXEC);
}

/*
 * Removes the calling thread from the pool if more threads serve than wanted, or unconditionally. The decision and the
 * count are one critical section: otherwise two threads could leave when only one is surplus.
 */
static bool leave_pool(struct thread *thread, bool unconditionally)
{
    struct thread_pool *pool = thread->pool;
    bool leaves;

    pthread_mutex_lock(&pool->lock);
    leaves = unconditionally || count_serving(pool) > pool->wanted;
    if (leaves) {
        pool->threads--;
        thread->next = pool->ended_threads;
        pool->ended_threads = thread;
        pthread_cond_broadcast(&pool->ended);
    }
    pthread_mutex_unlock(&pool->lock);
    return leaves;
}

static void *pool_main(void *argument)
{
    struct thread *thread = argument;
    struct thread_pool *pool = thread->pool;

    while (!leave_pool(thread, false)) {
        struct connection *connection = intake_take(pool->intake);

        if (connection == NULL) {
            (void) leave_pool(thread, true);
            break;
        }
        pool->serve(pool->context, connection, &thread->memory);
        if (thread->memory < 0)
            thread->memory = create_memfd();
    }
    close(thread->memory);
    return NULL;
}

/*
 * Joins the ended threads: until then, a thread may still run its destructors, which must not overlap with the exit of
 * the process. Called with the lock held, which an ended thread no longer takes.
 */
static void join_ended_threads(struct thread_pool *pool)
{
    while (pool->ended_threads != NULL) {
        struct thread *thread = pool->ended_threads;

        pool->ended_threads = thread->next;
        pthread_join(thread->id, NULL);
        free(thread);
    }
}

/* Called with the lock held. */
static bool add_thread(struct thread_pool *pool)
{
    struct thread *thread = memory_zeroed(1, sizeof(*thread));
    pthread_attr_t attributes;
    bool started;

    join_ended_threads(pool);
    thread->pool = pool;
    thread->memory = create_memfd();
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    started = thread->memory >= 0 && pthread_create(&thread->id, &attributes, pool_main, thread) == 0;
    pthread_attr_destroy(&attributes);
    if (started) {
        pool->threads++;
        return true;
    }
    if (thread->memory >= 0)
        close(thread->memory);
    free(thread);
    return false;
}

bool thread_pool_start(struct thread_pool *pool)
{
    bool started = true;

    pthread_mutex_lock(&pool->lock);
    while (started && pool->threads < pool->wanted)
        started = add_thread(pool);
    pthread_mutex_unlock(&pool->lock);
    return started;
}

/*
 * Starts threads in place of paused ones. If none can start, the other threads continue. Returns whether any thread
 * serves afterwards. Called with the lock held.
 */
static bool replace_paused(struct thread_pool *pool)
{
    while (!pool->is_closed && count_serving(pool) < pool->wanted) {
        if (!add_thread(pool))
            return count_serving(pool) > 0;
    }
    return true;
}

bool thread_pool_pause(struct thread_pool *pool, enum fastcgi_pause reason)
{
    bool may;

    pthread_mutex_lock(&pool->lock);
    may = pool->paused[reason] < pool->may_pause[reason];
    if (may) {
        pool->paused[reason]++;
        may = replace_paused(pool);
        if (!may)
            pool->paused[reason]--;
    }
    pthread_mutex_unlock(&pool->lock);
    return may;
}

void thread_pool_resume(struct thread_pool *pool, enum fastcgi_pause reason)
{
    pthread_mutex_lock(&pool->lock);
    pool->paused[reason]--;
    pthread_mutex_unlock(&pool->lock);
}

void thread_pool_close(struct thread_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->is_closed = true;
    pthread_mutex_unlock(&pool->lock);
}

bool thread_pool_stop(struct thread_pool *pool, int grace_ms)
{
    struct timespec until = clock_timespec_after(grace_ms);
    bool all_ended;

    pthread_mutex_lock(&pool->lock);
    while (pool->threads > 0) {
        if (pthread_cond_timedwait(&pool->ended, &pool->lock, &until) != 0)
            break;
    }
    all_ended = pool->threads == 0;
    join_ended_threads(pool);
    pthread_mutex_unlock(&pool->lock);
    if (!all_ended)
        return false;

    pthread_cond_destroy(&pool->ended);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
    return true;
}
