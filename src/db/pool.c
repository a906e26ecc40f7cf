#include "db/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "db/scope.h"

/* A thread that waits for a slot. */
struct waiter {
    struct waiter *next;
    pthread_cond_t granted;
    bool has_slot;
};

struct db_pool {
    const struct db_settings *settings;
    pthread_mutex_t lock; /* for the rest */
    struct waiter *first; /* of the queue of waiting threads */
    struct waiter **end;
    int size;
    int occupied; /* occupied slots: connections in use or being opened, and slots granted to a waiter */
    int idle_count;
    struct db *idle[]; /* room for `size` connections; the most recently used is acquired first */
};

struct db_pool *db_pool_new(const struct db_settings *settings, int size)
{
    struct db_pool *pool = memory_zeroed(1, sizeof(*pool) + (size_t) size * sizeof(pool->idle[0]));

    pool->settings = settings;
    pool->size = size;
    pool->end = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

/* Called with the lock held. */
static void leave_queue(struct db_pool *pool, struct waiter *waiter)
{
    struct waiter **link = &pool->first;

    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
    if (waiter->next == NULL)
        pool->end = link;
}

/* Waits in the queue for a slot. Called with the lock held. */
static bool wait_for_slot(struct db_pool *pool)
{
    struct timespec until = clock_timespec_after(pool->settings->connect_timeout_ms);
    struct waiter waiter = {0};

    clock_init_condition(&waiter.granted);
    *pool->end = &waiter;
    pool->end = &waiter.next;
    while (!waiter.has_slot) {
        if (pthread_cond_timedwait(&waiter.granted, &pool->lock, &until) == ETIMEDOUT)
            break;
    }
    if (!waiter.has_slot)
        leave_queue(pool, &waiter);
    pthread_cond_destroy(&waiter.granted);
    return waiter.has_slot;
}

/* Occupies one of the `size` slots. While threads are waiting, all slots stay occupied. Called with the lock held. */
static bool acquire_slot(struct db_pool *pool)
{
    if (pool->occupied == pool->size)
        return wait_for_slot(pool);
    pool->occupied++;
    return true;
}

/* Passes a slot to the first waiting thread, or frees it. Called with the lock held. */
static void release_slot(struct db_pool *pool)
{
    struct waiter *waiter = pool->first;

    if (waiter == NULL) {
        pool->occupied--;
        return;
    }
    leave_queue(pool, waiter);
    waiter->has_slot = true;
    pthread_cond_signal(&waiter->granted);
}

struct db *db_pool_acquire(struct db_pool *pool, struct error *err)
{
    struct db *db = NULL;

    pthread_mutex_lock(&pool->lock);
    if (!acquire_slot(pool)) {
        pthread_mutex_unlock(&pool->lock);
        error_set(err, ERROR_UNAVAILABLE,
                  "the service is busy: all database connections are in use; try again later");
        return NULL;
    }
    if (pool->idle_count > 0)
        db = pool->idle[--pool->idle_count];
    pthread_mutex_unlock(&pool->lock);

    if (db != NULL && !db_is_usable(db)) {
        db_close(db);
        db = NULL;
    }
    if (db == NULL)
        db = db_open(pool->settings, err);
    if (db == NULL)
        db_pool_release(pool, NULL);
    return db;
}

struct db *db_pool_acquire_watched(struct db_pool *pool, db_watcher watcher, void *context, struct error *err)
{
    struct db *db = db_pool_acquire(pool, err);

    if (db != NULL)
        db_watch(db, watcher, context);
    return db;
}

void db_pool_release(struct db_pool *pool, struct db *db)
{
    if (db != NULL && !db_is_usable(db)) {
        db_close(db);
        db = NULL;
    }
    if (db != NULL) {
        db_watch(db, NULL, NULL);
        db_set_scope(db, NULL, NULL);
    }
    pthread_mutex_lock(&pool->lock);
    if (db != NULL)
        pool->idle[pool->idle_count++] = db;
    release_slot(pool);
    pthread_mutex_unlock(&pool->lock);
}

void db_pool_free(struct db_pool *pool)
{
    if (pool == NULL)
        return;
    assert(pool->occupied == 0 && pool->first == NULL);
    while (pool->idle_count > 0)
        db_close(pool->idle[--pool->idle_count]);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
