/*
 * When an export thread of export/workers.c is free for a task, and when watches hear that none is. The linker replaces
 * the queue and the exports by those of this file (--wrap), so that a test decides when an export ends.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "check.h"
#include "db/pool.h"
#include "export/workers.h"

#define PATIENT_MS 60000       /* only a fault takes that long */
#define NEVER_MS (2 * PATIENT_MS)

/* Tasks have single letters as ids. */
enum stage {
    STAGE_RUNNING,
    STAGE_ENDING, /* the last transaction has begun */
    STAGE_ENDED,
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *queue;         /* tasks to be claimed */
    enum stage stages[128];    /* how far the export of a task may go */
    bool is_ending[128];       /* whether it has reached STAGE_ENDING */
    enum watch_event event[128]; /* of its watch, when it reached STAGE_ENDING */
    int failed_claims;         /* claims since `start` that found no task */
    int runs;                  /* exports that have begun */
    enum claim_state state;    /* of a claim whose creation is uncertain */
    bool inventory_is_away;
    int requeued;
} tasks = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

bool __wrap_claim_next(struct db *db, const char *task_id, const struct claim_terms *terms, struct claim **ret_claim,
                       struct error *err);
enum outcome __wrap_exporter_run(const struct exporter *exporter, struct db *inventory, bool inventory_is_new,
                                 struct claim *claim);
struct db *__wrap_db_open(const struct db_settings *settings, struct error *err);
void __wrap_db_close(struct db *db);
bool __wrap_db_is_usable(struct db *db);
bool __wrap_claim_find_state(struct db *db, const struct claim *claim, enum claim_state *ret_state, struct error *err);
bool __wrap_claim_requeue(struct db *db, const struct claim *claim, bool attempted, struct error *err);
bool __wrap_announcements_send(struct announcements *announcements, struct db *db, bool *ret_sent, struct error *err);
struct db *__wrap_db_pool_acquire(struct db_pool *pool, struct error *err);
void __wrap_db_pool_release(struct db_pool *pool, struct db *db);

bool __wrap_claim_next(struct db *db, const char *task_id, const struct claim_terms *terms, struct claim **ret_claim,
                       struct error *err)
{
    (void) db, (void) task_id, (void) terms, (void) err;
    pthread_mutex_lock(&tasks.lock);
    if (*tasks.queue != '\0') {
        *ret_claim = memory_zeroed(1, sizeof(**ret_claim));
        (*ret_claim)->task_id[0] = *tasks.queue++;
        (*ret_claim)->more_are_queued = *tasks.queue != '\0';
    } else {
        tasks.failed_claims++;
    }
    pthread_cond_broadcast(&tasks.changed);
    pthread_mutex_unlock(&tasks.lock);
    return true;
}

enum outcome __wrap_exporter_run(const struct exporter *exporter, struct db *inventory, bool inventory_is_new,
                                 struct claim *claim)
{
    int task = claim->task_id[0];

    (void) exporter, (void) inventory, (void) inventory_is_new;
    pthread_mutex_lock(&tasks.lock);
    tasks.runs++;
    pthread_cond_broadcast(&tasks.changed);
    while (tasks.stages[task] == STAGE_RUNNING)
        pthread_cond_wait(&tasks.changed, &tasks.lock);
    tasks.event[task] = watch_wait(&claim->watch, 0);
    atomic_store(&claim->ending, true);
    tasks.is_ending[task] = true;
    pthread_cond_broadcast(&tasks.changed);
    while (tasks.stages[task] == STAGE_ENDING)
        pthread_cond_wait(&tasks.changed, &tasks.lock);
    pthread_mutex_unlock(&tasks.lock);
    return OUTCOME_SUCCESS;
}

/* An idle thread does not poll in time: it must be woken. */
struct timespec __real_clock_timespec_after(int ms);
struct timespec __wrap_clock_timespec_after(int ms);
struct timespec __wrap_clock_timespec_after(int ms)
{
    return __real_clock_timespec_after(ms > 0 && ms < PATIENT_MS ? NEVER_MS : ms);
}

static int connection; /* any connection */

struct db *__wrap_db_open(const struct db_settings *settings, struct error *err)
{
    (void) settings;
    if (tasks.inventory_is_away) {
        error_set(err, ERROR_UNAVAILABLE, "no inventory");
        return NULL;
    }
    return (struct db *) &connection;
}

bool __wrap_claim_find_state(struct db *db, const struct claim *claim, enum claim_state *ret_state, struct error *err)
{
    (void) db, (void) claim, (void) err;
    *ret_state = tasks.state;
    return true;
}

bool __wrap_claim_requeue(struct db *db, const struct claim *claim, bool attempted, struct error *err)
{
    (void) db, (void) claim, (void) err;
    assert_false(attempted);
    tasks.requeued++;
    return true;
}

void __wrap_db_close(struct db *db)
{
    (void) db;
}

bool __wrap_db_is_usable(struct db *db)
{
    (void) db;
    return !tasks.inventory_is_away;
}

struct db *__wrap_db_pool_acquire(struct db_pool *pool, struct error *err)
{
    (void) pool, (void) err;
    return (struct db *) &connection;
}

void __wrap_db_pool_release(struct db_pool *pool, struct db *db)
{
    (void) pool, (void) db;
}

static int sends; /* calls of announcements_send */

bool __wrap_announcements_send(struct announcements *announcements, struct db *db, bool *ret_sent, struct error *err)
{
    (void) announcements, (void) db, (void) err;
    sends++;
    *ret_sent = true;
    return true;
}

static struct watches *watches;
static struct announcements *announcements;
static struct workers *workers;

/* Waits until that many claims have found no task. */
static void wait_for_failed_claims(int count)
{
    pthread_mutex_lock(&tasks.lock);
    while (tasks.failed_claims < count)
        pthread_cond_wait(&tasks.changed, &tasks.lock);
    pthread_mutex_unlock(&tasks.lock);
}

/* Starts threads, which find nothing to do at first. */
static void start(int threads)
{
    static const struct db_settings settings;
    struct workers_terms terms = {.inventory = &settings};

    memset(tasks.stages, 0, sizeof(tasks.stages));
    memset(tasks.is_ending, 0, sizeof(tasks.is_ending));
    tasks.queue = "";
    tasks.failed_claims = tasks.runs = tasks.requeued = 0;
    tasks.inventory_is_away = false;
    terms.watches = watches = watches_new();
    terms.announcements = announcements = announcements_new();
    assert_non_null(announcements);
    workers = workers_start(&terms, threads);
    assert_non_null(workers);
    wait_for_failed_claims(threads);
}

/* Queues tasks, and wakes a thread for each. */
static void queue(const char *queued)
{
    pthread_mutex_lock(&tasks.lock);
    tasks.queue = queued;
    pthread_mutex_unlock(&tasks.lock);
    workers_wake(workers, (int64_t) strlen(queued));
}

static void allow(char task, enum stage stage)
{
    pthread_mutex_lock(&tasks.lock);
    tasks.stages[(int) task] = stage;
    pthread_cond_broadcast(&tasks.changed);
    pthread_mutex_unlock(&tasks.lock);
}

/* Lets the export of a task begin its last transaction. */
static void begin_end(char task)
{
    allow(task, STAGE_ENDING);
    pthread_mutex_lock(&tasks.lock);
    while (!tasks.is_ending[(int) task])
        pthread_cond_wait(&tasks.changed, &tasks.lock);
    pthread_mutex_unlock(&tasks.lock);
}

static void stop(void)
{
    for (char task = 'A'; task <= 'Z'; task++)
        allow(task, STAGE_ENDED);
    assert_true(workers_stop(workers, PATIENT_MS));
    workers_free(workers);
    announcements_free(announcements);
    watches_free(watches);
}

/* Three creators wait for the only thread. When it claims the task of one, all recheck, and the others stop. */
static void a_free_thread_is_for_one_of_a_burst(void)
{
    static const char *const ids[] = {"A", "B", "C"};
    struct watch burst[ARRAY_SIZE(ids)];
    struct watch patient;

    start(1);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        watch_begin(watches, &burst[i], ids[i], true);
        assert_true(workers_may_run(workers, ids[i]));
    }
    watch_begin(watches, &patient, "A", false);
    queue("A");
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        assert_int_equal(watch_wait(&burst[i], PATIENT_MS), WATCH_BUSY);
    assert_int_equal(watch_wait(&patient, 0), WATCH_TIMEOUT);
    assert_true(workers_may_run(workers, "A"));
    assert_false(workers_may_run(workers, "B"));
    assert_false(workers_may_run(workers, "C"));

    allow('A', STAGE_ENDED);
    assert_int_equal(watch_wait(&burst[0], PATIENT_MS), WATCH_ENDED);
    assert_int_equal(watch_wait(&patient, PATIENT_MS), WATCH_ENDED);
    assert_int_equal(watch_wait(&burst[1], 0), WATCH_TIMEOUT);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        watch_end(&burst[i]);
    watch_end(&patient);
    stop();
}

/* The creator of A waits, but the only thread claims B, which another process queued. */
static void a_thread_claims_another_task(void)
{
    struct watch creator;

    start(1);
    watch_begin(watches, &creator, "A", true);
    assert_true(workers_may_run(workers, "A"));
    queue("B");
    assert_int_equal(watch_wait(&creator, PATIENT_MS), WATCH_BUSY);
    assert_false(workers_may_run(workers, "A"));
    watch_end(&creator);
    stop();
}

/* A caller who creates task after task finds the thread free as soon as the last task can have ended. */
static void a_thread_is_free_before_its_task_has_ended(void)
{
    struct watch first, second;

    start(1);
    watch_begin(watches, &first, "A", true);
    queue("A");
    assert_int_equal(watch_wait(&first, PATIENT_MS), WATCH_BUSY);
    assert_false(workers_may_run(workers, "B"));
    begin_end('A');
    assert_true(workers_may_run(workers, "B"));
    watch_begin(watches, &second, "B", true);
    queue("B");
    assert_int_equal(watch_wait(&second, 0), WATCH_TIMEOUT);
    allow('A', STAGE_ENDED);
    assert_int_equal(watch_wait(&first, PATIENT_MS), WATCH_ENDED);
    assert_int_equal(watch_wait(&second, PATIENT_MS), WATCH_BUSY);
    assert_true(workers_may_run(workers, "B"));
    assert_false(workers_may_run(workers, "A"));
    watch_end(&first);
    watch_end(&second);
    stop();
}

/* The thread is free before a watch hears of the end of its task. */
static void a_thread_is_free_when_its_task_has_ended(void)
{
    start(1);
    allow('A', STAGE_ENDED);
    for (int i = 0; i < 1000; i++) {
        struct watch watch;

        watch_begin(watches, &watch, "A", false);
        queue("A");
        assert_int_equal(watch_wait(&watch, PATIENT_MS), WATCH_ENDED);
        assert_true(workers_may_run(workers, "B"));
        watch_end(&watch);
    }
    stop();
}

/* One free thread is enough, and the creators of all running tasks continue to wait. */
static void all_threads_count(void)
{
    struct watch first, second, third;

    start(2);
    watch_begin(watches, &first, "A", true);
    watch_begin(watches, &third, "C", true);
    queue("A");
    begin_end('A'); /* one thread runs it */
    assert_int_equal(watch_wait(&first, 0), WATCH_TIMEOUT);
    assert_int_equal(watch_wait(&third, 0), WATCH_TIMEOUT);
    allow('A', STAGE_ENDED);
    assert_int_equal(watch_wait(&first, PATIENT_MS), WATCH_ENDED);

    allow('A', STAGE_RUNNING);
    watch_begin(watches, &second, "B", true);
    queue("AB");
    assert_int_equal(watch_wait(&third, PATIENT_MS), WATCH_BUSY);
    assert_int_equal(watch_wait(&first, PATIENT_MS), WATCH_BUSY);
    assert_int_equal(watch_wait(&second, PATIENT_MS), WATCH_BUSY);
    assert_true(workers_may_run(workers, "A"));
    assert_true(workers_may_run(workers, "B"));
    assert_false(workers_may_run(workers, "C"));
    begin_end('B');
    assert_true(workers_may_run(workers, "C"));
    watch_end(&first);
    watch_end(&second);
    watch_end(&third);
    stop();
}

/* Another process claims the task: the thread stays free, and the creator waits until it hears of the end. */
static void another_process_claims_the_task(void)
{
    struct watch creator;

    start(1);
    watch_begin(watches, &creator, "A", true);
    workers_wake(workers, 1);
    wait_for_failed_claims(2);
    assert_int_equal(watch_wait(&creator, 0), WATCH_TIMEOUT);
    assert_true(workers_may_run(workers, "A"));
    watches_notify(watches, "A");
    assert_int_equal(watch_wait(&creator, PATIENT_MS), WATCH_CHANGED);
    watch_end(&creator);
    stop();
}

/* The task has ended and the thread runs the next one before the creator begins its watch. */
static void a_watch_begins_late(void)
{
    struct watch early, late;

    start(1);
    watch_begin(watches, &early, "B", true);
    allow('A', STAGE_ENDED);
    queue("AB");
    while (!workers_may_run(workers, "B") || workers_may_run(workers, "X"))
        assert_int_equal(watch_wait(&early, PATIENT_MS), WATCH_BUSY);
    watch_begin(watches, &late, "A", true);
    assert_false(workers_may_run(workers, "A"));
    assert_int_equal(watch_wait(&late, 0), WATCH_TIMEOUT);
    watch_end(&early);
    watch_end(&late);
    stop();
}

/* An export hears of changes of its own task, and of no other. */
static void an_export_watches_its_task(void)
{
    struct watch busy;

    start(2);
    watch_begin(watches, &busy, "X", true);
    queue("AB");
    assert_int_equal(watch_wait(&busy, PATIENT_MS), WATCH_BUSY);
    watches_notify(watches, "A");
    begin_end('A');
    begin_end('B');
    assert_int_equal(tasks.event['A'], WATCH_CHANGED);
    assert_int_equal(tasks.event['B'], WATCH_TIMEOUT);
    watch_end(&busy);
    stop();
}

/* A process without export threads has no free thread, and runs a task in the calling thread. */
static void nobody_is_free_without_threads(void)
{
    struct watch watch;

    start(0);
    assert_false(workers_may_run(workers, "A"));
    workers_wake(workers, 1);
    assert_false(workers_may_run(workers, "A"));
    allow('A', STAGE_ENDED);
    tasks.queue = "A";
    watch_begin(watches, &watch, "A", false);
    assert_true(workers_run(workers, "A"));
    assert_int_equal(watch_wait(&watch, 0), WATCH_ENDED);
    assert_int_equal(sends, 1);
    assert_false(workers_run(workers, "A"));
    assert_false(workers_may_run(workers, "A"));
    watch_end(&watch);
    stop();
}

/* `created` is whether the commit of the task was confirmed. */
static struct claim *make_claim(const char *task_id, bool created)
{
    struct claim *claim = memory_zeroed(1, sizeof(*claim));

    snprintf(claim->task_id, sizeof(claim->task_id), "%s", task_id);
    claim->confirmed = INT64_MAX;
    if (created)
        claim_created(claim);
    return claim;
}

/* Reserves the thread, which may still be on its way to wait. */
static struct worker *reserve(void)
{
    struct worker *worker;

    while ((worker = workers_reserve(workers)) == NULL)
        continue;
    return worker;
}

static void wait_for_runs(int count)
{
    pthread_mutex_lock(&tasks.lock);
    while (tasks.runs < count)
        pthread_cond_wait(&tasks.changed, &tasks.lock);
    pthread_mutex_unlock(&tasks.lock);
}

/* A reserved thread runs the task that is handed over, without a look at the queue before or after. */
static void a_reserved_thread_runs_what_it_is_given(void)
{
    struct worker *worker;
    struct watch creator, other;

    start(1);
    worker = reserve();
    assert_null(workers_reserve(workers));
    assert_false(workers_may_run(workers, "A"));
    watch_begin(watches, &creator, "A", true);
    watch_begin(watches, &other, "B", true);
    workers_hand_over(worker, make_claim("A", true));
    assert_int_equal(watch_wait(&other, PATIENT_MS), WATCH_BUSY);
    assert_true(workers_may_run(workers, "A"));
    assert_false(workers_may_run(workers, "B"));
    wait_for_runs(1);
    assert_int_equal(watch_wait(&creator, 0), WATCH_BUSY);
    allow('A', STAGE_ENDED);
    assert_int_equal(watch_wait(&creator, PATIENT_MS), WATCH_ENDED);
    workers_release(reserve());
    assert_int_equal(tasks.failed_claims, 1); /* that of `start` */
    watch_end(&creator);
    watch_end(&other);
    stop();
}

/* After the last task of the queue, the thread waits without another look. */
static void a_thread_does_not_look_at_an_empty_queue_again(void)
{
    struct watch watch;

    start(1);
    allow('A', STAGE_ENDED);
    allow('B', STAGE_ENDED);
    for (int i = 0; i < 100; i++) {
        workers_release(reserve());
        watch_begin(watches, &watch, "B", false);
        pthread_mutex_lock(&tasks.lock);
        tasks.queue = "AB";
        pthread_mutex_unlock(&tasks.lock);
        workers_wake(workers, 1);
        assert_int_equal(watch_wait(&watch, PATIENT_MS), WATCH_ENDED);
        watch_end(&watch);
    }
    workers_release(reserve());
    assert_int_equal(tasks.failed_claims, 1); /* that of `start` */
    stop();
}

/* A wake-up that comes while the thread is reserved is not lost, and queued tasks come before new ones. */
static void a_reserved_thread_remembers_wake_ups(void)
{
    struct worker *worker;

    start(1);
    worker = reserve();
    workers_wake(workers, 1);
    assert_int_equal(tasks.failed_claims, 1);
    assert_null(workers_reserve(workers));
    workers_release(worker);
    wait_for_failed_claims(2);
    worker = reserve();
    workers_wake(workers, 1);
    workers_hand_over(worker, make_claim("A", true));
    wait_for_runs(1);
    assert_null(workers_reserve(workers));
    allow('A', STAGE_ENDED);
    wait_for_failed_claims(3);
    stop();
}

/* As many threads are woken as tasks were queued. The others can be reserved. */
static void each_task_wakes_one_thread(void)
{
    struct worker *reserved[3];

    start(3);
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
        reserved[i] = reserve();
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
        workers_release(reserved[i]);
    workers_wake(workers, 2);
    wait_for_failed_claims(5);
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
        reserved[i] = reserve();
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
        workers_release(reserved[i]);
    queue("AB");
    wait_for_runs(2);
    workers_release(reserve());
    assert_int_equal(tasks.failed_claims, 5);
    stop();
}

/* The response to the commit was lost: the thread runs the export only if the database has the task. */
static void an_uncertain_task_is_looked_up(void)
{
    static const enum claim_state states[] = {CLAIM_LOST, CLAIM_SUCCEEDED, CLAIM_HELD};
    struct watch watch;

    start(1);
    allow('A', STAGE_ENDED);
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        tasks.state = states[i];
        watch_begin(watches, &watch, "A", false);
        workers_hand_over(reserve(), make_claim("A", false));
        assert_int_equal(watch_wait(&watch, PATIENT_MS), states[i] == CLAIM_HELD ? WATCH_ENDED : WATCH_CHANGED);
        assert_int_equal(tasks.runs, states[i] == CLAIM_HELD);
        watch_end(&watch);
    }
    stop();
}

/* A thread that has lost the inventory gives the task back, and cannot be reserved until it has found it again. */
static void a_thread_without_inventory_gives_back(void)
{
    struct worker *worker;
    struct watch watch;

    start(1);
    watch_begin(watches, &watch, "A", false);
    worker = reserve();
    tasks.inventory_is_away = true;
    workers_hand_over(worker, make_claim("A", true));
    assert_int_equal(watch_wait(&watch, PATIENT_MS), WATCH_CHANGED);
    assert_int_equal(tasks.requeued, 1);
    assert_int_equal(tasks.runs, 0);
    workers_wake(workers, 1);
    for (int i = 0; i < 1000; i++)
        assert_null(workers_reserve(workers));
    tasks.inventory_is_away = false;
    workers_wake(workers, 1);
    wait_for_failed_claims(2);
    workers_release(reserve());
    watch_end(&watch);
    stop();
}

static void *stop_in_thread(void *ignored)
{
    (void) ignored;
    stop();
    return NULL;
}

/* A process that stops reserves no thread, but runs what is handed over to one that is reserved already. */
static void a_stop_waits_for_a_reserved_thread(void)
{
    struct worker *worker, *other;
    pthread_t stopping;

    start(2);
    worker = reserve();
    assert_int_equal(pthread_create(&stopping, NULL, stop_in_thread, NULL), 0);
    while ((other = workers_reserve(workers)) != NULL)
        workers_release(other);
    workers_hand_over(worker, make_claim("A", true));
    pthread_join(stopping, NULL);
    assert_int_equal(tasks.runs, 1);
}

int main(void)
{
    CHECK(a_free_thread_is_for_one_of_a_burst);
    CHECK(a_thread_claims_another_task);
    CHECK(a_thread_is_free_before_its_task_has_ended);
    CHECK(a_thread_is_free_when_its_task_has_ended);
    CHECK(all_threads_count);
    CHECK(another_process_claims_the_task);
    CHECK(a_watch_begins_late);
    CHECK(an_export_watches_its_task);
    CHECK(nobody_is_free_without_threads);
    CHECK(a_reserved_thread_runs_what_it_is_given);
    CHECK(a_thread_does_not_look_at_an_empty_queue_again);
    CHECK(a_reserved_thread_remembers_wake_ups);
    CHECK(each_task_wakes_one_thread);
    CHECK(an_uncertain_task_is_looked_up);
    CHECK(a_thread_without_inventory_gives_back);
    CHECK(a_stop_waits_for_a_reserved_thread);
    return check_run("export/workers: free threads");
}
