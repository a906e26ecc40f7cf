#include "db/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"

struct db_pool {
    const struct db_settings *settings;
    pthread_mutex_t lock;
    pthread_cond_t given;
    int size;
    int out;         /* connections in use or being opened */
    int idle_count;
    struct db *idle[]; /* `size` of them; the one used last is taken first */
};

struct db_pool *db_pool_new(const struct db_settings *settings, int size)
{
    struct db_pool *pool = memory_zeroed(1, sizeof(*pool) + (size_t) size * sizeof(pool->idle[0]));

    pool->settings = settings;
    pool->size = size;
    pthread_mutex_init(&pool->lock, NULL);
    clock_init_condition(&pool->given);
    return pool;
}

/* Waits for a place among `size`. Called with the lock held. */
static bool wait_for_place(struct db_pool *pool)
{
    struct timespec until = clock_timespec_after(pool->settings->connect_timeout_ms);

    while (pool->out == pool->size) {
        if (pthread_cond_timedwait(&pool->given, &pool->lock, &until) == ETIMEDOUT)
            return pool->out < pool->size;
    }
    return true;
}

struct db *db_pool_take(struct db_pool *pool, struct error *err)
{
    struct db *db = NULL;

    pthread_mutex_lock(&pool->lock);
    if (!wait_for_place(pool)) {
        pthread_mutex_unlock(&pool->lock);
        error_set(err, ERROR_UNAVAILABLE,
                  "the service is busy: all its database connections are in use; try again later");
        return NULL;
    }
    pool->out++;
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
        db_pool_give(pool, NULL);
    return db;
}

void db_pool_give(struct db_pool *pool, struct db *db)
{
    if (db != NULL && !db_is_usable(db)) {
        db_close(db);
        db = NULL;
    }
    pthread_mutex_lock(&pool->lock);
    pool->out--;
    if (db != NULL)
        pool->idle[pool->idle_count++] = db;
    pthread_cond_signal(&pool->given);
    pthread_mutex_unlock(&pool->lock);
}

void db_pool_free(struct db_pool *pool)
{
    if (pool == NULL)
        return;
    assert(pool->out == 0);
    while (pool->idle_count > 0)
        db_close(pool->idle[--pool->idle_count]);
    pthread_cond_destroy(&pool->given);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
