/* The pool of connections. The linker replaces PostgreSQL's connections (--wrap). */
#include "db/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "check.h"
#include "db/scope.h"

#define THREADS 4
#define PATIENT_MS 60000 /* reached only if there is a bug */

struct db {
    bool is_lost;
    db_watcher watcher;
    void *context;
    const char *project_id; /* of the scope */
};

static atomic_int opened, closed, waiting;
static atomic_bool can_open;

struct db *__wrap_db_open(const struct db_settings *settings, struct error *err);
void __wrap_db_close(struct db *db);
bool __wrap_db_is_usable(struct db *db);
void __wrap_db_watch(struct db *db, db_watcher watcher, void *context);
void __wrap_db_set_scope(struct db *db, const char *project_id, const char *enterprise_projects);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until);
int __real_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until);

struct db *__wrap_db_open(const struct db_settings *settings, struct error *err)
{
    (void) settings;
    if (!atomic_load(&can_open)) {
        error_set(err, ERROR_UNAVAILABLE, "no connection");
        return NULL;
    }
    atomic_fetch_add(&opened, 1);
    return memory_zeroed(1, sizeof(struct db));
}

void __wrap_db_close(struct db *db)
{
    atomic_fetch_add(&closed, 1);
    free(db);
}

bool __wrap_db_is_usable(struct db *db)
{
    return !db->is_lost;
}

void __wrap_db_watch(struct db *db, db_watcher watcher, void *context)
{
    db->watcher = watcher;
    db->context = context;
}

void __wrap_db_set_scope(struct db *db, const char *project_id, const char *enterprise_projects)
{
    assert_null(enterprise_projects);
    db->project_id = project_id;
}

/*
 * Counts the threads that wait. It is called with the pool's lock held: a thread that sees the number and then takes
 * the lock runs after the wait has begun.
 */
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until)
{
    static _Thread_local bool is_counted;

    if (!is_counted)
        atomic_fetch_add(&waiting, 1);
    is_counted = true;
    return __real_pthread_cond_timedwait(condition, lock, until);
}

static struct db_settings settings;

static struct db_pool *make(int size)
{
    settings.connect_timeout_ms = PATIENT_MS;
    atomic_store(&opened, 0);
    atomic_store(&closed, 0);
    atomic_store(&waiting, 0);
    atomic_store(&can_open, true);
    return db_pool_new(&settings, size);
}

static struct db *take(struct db_pool *pool)
{
    struct error err;
    struct db *db = db_pool_acquire(pool, &err);

    check_good(db != NULL, &err);
    return db;
}

/* A thread that takes a connection, records its place in the order, and gives the connection back when told. */
struct taker {
    struct db_pool *pool;
    pthread_t thread;
    pthread_mutex_t hold;
    atomic_int place;    /* 1 for the first taker that got a connection */
    atomic_int *places;
    struct db *db;
    struct error err;
};

static void *take_and_give(void *argument)
{
    struct taker *taker = argument;

    taker->db = db_pool_acquire(taker->pool, &taker->err);
    atomic_store(&taker->place, atomic_fetch_add(taker->places, 1) + 1);
    pthread_mutex_lock(&taker->hold);
    pthread_mutex_unlock(&taker->hold);
    if (taker->db != NULL)
        db_pool_release(taker->pool, taker->db);
    return NULL;
}

static void until(atomic_int *number, int value)
{
    while (atomic_load(number) < value)
        usleep(1000);
}

/* Starts a taker that has to wait, and returns when it waits. */
static void start(struct taker *taker, struct db_pool *pool, atomic_int *places)
{
    int before = atomic_load(&waiting);

    *taker = (struct taker) {.pool = pool, .places = places};
    pthread_mutex_init(&taker->hold, NULL);
    pthread_mutex_lock(&taker->hold);
    assert_int_equal(pthread_create(&taker->thread, NULL, take_and_give, taker), 0);
    until(&waiting, before + 1);
}

/* Makes the taker give its connection back. */
static void let_go(struct taker *taker)
{
    pthread_mutex_unlock(&taker->hold);
    pthread_join(taker->thread, NULL);
    pthread_mutex_destroy(&taker->hold);
}

/* One connection passes from taker to taker in the order of their requests. */
static void serves_in_the_order_of_asking(void)
{
    struct db_pool *pool = make(1);
    struct db *first = take(pool);
    struct taker takers[THREADS];
    atomic_int places = 0;

    for (int i = 0; i < THREADS; i++)
        start(&takers[i], pool, &places);
    db_pool_release(pool, first);
    for (int i = 0; i < THREADS; i++) {
        until(&takers[i].place, 1);
        assert_int_equal(takers[i].place, i + 1);
        assert_ptr_equal(takers[i].db, first);
        let_go(&takers[i]);
    }
    assert_int_equal(opened, 1);
    db_pool_free(pool);
}

static bool gives_up(void *context, struct error *err)
{
    (void) context;
    return error_set(err, ERROR_UNAVAILABLE, "no time");
}

/* The next user of a connection has no watcher and sees nothing. */
static void a_watcher_and_a_scope_until_the_release(void)
{
    struct db_pool *pool = make(1);
    struct error err;
    int context;
    struct db *db = db_pool_acquire_watched(pool, gives_up, &context, &err);

    assert_non_null(db);
    assert_ptr_equal(db->watcher, gives_up);
    assert_ptr_equal(db->context, &context);
    db_set_scope(db, "demo", NULL);
    db_pool_release(pool, db);
    assert_ptr_equal(take(pool), db);
    assert_null(db->watcher);
    assert_null(db->project_id);
    db_pool_release(pool, db);
    atomic_store(&can_open, false);
    db = take(pool);
    db->is_lost = true;
    db_pool_release(pool, db);
    assert_null(db_pool_acquire_watched(pool, gives_up, &context, &err));
    db_pool_free(pool);
}

/* A newcomer does not get a connection that was given to a waiter, even if the waiter has not run yet. */
static void a_newcomer_does_not_overtake(void)
{
    struct db_pool *pool = make(1);
    struct taker taker;
    atomic_int places = 0;
    struct db *db = take(pool);

    for (int i = 0; i < 50; i++) {
        start(&taker, pool, &places);
        pthread_mutex_unlock(&taker.hold);
        db_pool_release(pool, db);
        db = take(pool);
        assert_int_equal(taker.place, i + 1);
        pthread_join(taker.thread, NULL);
        pthread_mutex_destroy(&taker.hold);
    }
    db_pool_release(pool, db);
    db_pool_free(pool);
}

static const struct place_case {
    const char *label;
    int place;
} place_cases[] = {{"the first", 0}, {"in the middle", 1}, {"the last", 2}};

/* A waiter that times out leaves the queue, whatever its position, and the others keep their order. */
static void a_waiter_that_times_out_leaves_the_queue(const void *row)
{
    const struct place_case *c = row;
    struct db_pool *pool = make(1);
    struct db *first = take(pool);
    struct taker takers[THREADS];
    atomic_int places = 0;
    int place = 1;

    for (int i = 0; i < 3; i++) {
        settings.connect_timeout_ms = i == c->place ? 50 : PATIENT_MS;
        start(&takers[i], pool, &places);
    }
    until(&takers[c->place].place, 1);
    assert_null(takers[c->place].db);
    check_refusal(&takers[c->place].err, ERROR_UNAVAILABLE, "all database connections are in use");
    let_go(&takers[c->place]);

    settings.connect_timeout_ms = PATIENT_MS;
    start(&takers[3], pool, &places);
    db_pool_release(pool, first);
    for (int i = 0; i < THREADS; i++) {
        if (i == c->place)
            continue;
        until(&takers[i].place, 1);
        assert_int_equal(takers[i].place, ++place);
        let_go(&takers[i]);
    }
    db_pool_free(pool);
}

/* There are at most `size` connections, and the most recently used one is taken first. */
static void keeps_to_its_size(void)
{
    struct db_pool *pool = make(2);
    struct db *a = take(pool), *b = take(pool);
    struct error err;

    settings.connect_timeout_ms = 10;
    assert_null(db_pool_acquire(pool, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "all database connections are in use");
    db_pool_release(pool, a);
    db_pool_release(pool, b);
    assert_ptr_equal(take(pool), b);
    assert_ptr_equal(take(pool), a);
    assert_null(db_pool_acquire(pool, &err));
    db_pool_release(pool, a);
    db_pool_release(pool, b);
    db_pool_free(pool);
    assert_int_equal(opened, 2);
    assert_int_equal(closed, 2);
}

/* A connection that is lost, in use or idle, is opened again by the next taker. */
static void opens_lost_ones_anew(void)
{
    struct db_pool *pool = make(1);
    struct taker taker;
    atomic_int places = 0;
    struct db *db = take(pool);

    start(&taker, pool, &places);
    db->is_lost = true;
    db_pool_release(pool, db);
    until(&taker.place, 1);
    assert_int_equal(opened, 2);
    assert_int_equal(closed, 1);
    db = taker.db;
    let_go(&taker);

    db->is_lost = true;
    db = take(pool);
    assert_int_equal(opened, 3);
    assert_int_equal(closed, 2);
    db_pool_release(pool, db);
    db_pool_free(pool);
    assert_int_equal(closed, 3);
}

/* If a connection cannot be opened, each waiter gets the error, and no slot is lost. */
static void passes_a_failure_on(void)
{
    struct db_pool *pool = make(1);
    struct taker takers[THREADS];
    atomic_int places = 0;
    struct db *db = take(pool);

    for (int i = 0; i < THREADS; i++)
        start(&takers[i], pool, &places);
    atomic_store(&can_open, false);
    db->is_lost = true;
    db_pool_release(pool, db);
    for (int i = 0; i < THREADS; i++) {
        let_go(&takers[i]);
        assert_null(takers[i].db);
        check_refusal(&takers[i].err, ERROR_UNAVAILABLE, "no connection");
    }
    atomic_store(&can_open, true);
    db_pool_release(pool, take(pool));
    db_pool_free(pool);
    assert_int_equal(opened, closed);
}

int main(void)
{
    CHECK(a_watcher_and_a_scope_until_the_release);
    CHECK(serves_in_the_order_of_asking);
    CHECK(a_newcomer_does_not_overtake);
    CHECK_EACH(a_waiter_that_times_out_leaves_the_queue, place_cases, label);
    CHECK(keeps_to_its_size);
    CHECK(opens_lost_ones_anew);
    CHECK(passes_a_failure_on);
    return check_run("db/pool");
}
