#include "export/outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "check.h"
#include "metrics/counters.h"

#define MAX_ANSWERS 6

/* What the database is asked: S succeed, F fail, H requeue, U requeue and not count the attempt, ? find the end. */
static char asked[MAX_ANSWERS + 1];

/* How it answers each of these. All zero: it does what it is asked. */
struct answer {
    enum error_code code;
    enum claim_state state;
};
static const struct answer *answers;
static bool pool_is_empty; /* no connection can be taken */
static int connections;    /* that are taken */
static int tries;          /* to take one */
static bool unpublished;
static char failure[512]; /* the message of a task that failed */
static struct claim_outcome success;
static bool counting;
static char counted[512]; /* what the process has counted between counters_begin and counters_end */
static atomic_bool stop;
static int64_t now = 1000000; /* a clock that only pauses move */

int64_t __wrap_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void)
{
    return now;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    assert_null(left);
    now += time->tv_sec * 1000 + time->tv_nsec / 1000000;
    return 0;
}

static bool answer(char letter, enum claim_state *ret_state, struct error *err)
{
    size_t count = strlen(asked);

    assert_int_equal(connections, 1);
    assert_in_range(count, 0, MAX_ANSWERS - 1);
    asked[count] = letter;
    if (answers[count].code != ERROR_NONE)
        return error_set(err, answers[count].code, "answer %zu", count);
    if (ret_state != NULL)
        *ret_state = answers[count].state;
    return true;
}

struct db *__wrap_db_pool_acquire(struct db_pool *pool, struct error *err);
struct db *__wrap_db_pool_acquire(struct db_pool *pool, struct error *err)
{
    assert_in_range(++tries, 1, 20);
    if (pool_is_empty) {
        error_set(err, ERROR_UNAVAILABLE, "no connection");
        return NULL;
    }
    connections++;
    return (struct db *) pool;
}

void __wrap_db_pool_release(struct db_pool *pool, struct db *db);
void __wrap_db_pool_release(struct db_pool *pool, struct db *db)
{
    assert_ptr_equal(pool, db);
    connections--;
}

bool __wrap_claim_succeed(struct db *db, const struct claim *claim, const struct claim_outcome *outcome,
                          struct error *err);
bool __wrap_claim_succeed(struct db *db, const struct claim *claim, const struct claim_outcome *outcome,
                          struct error *err)
{
    (void) db;
    assert_true(atomic_load(&claim->ending));
    success = *outcome;
    return answer('S', NULL, err);
}

bool __wrap_claim_fail(struct db *db, const struct claim *claim, const struct error *reason, struct error *err);
bool __wrap_claim_fail(struct db *db, const struct claim *claim, const struct error *reason, struct error *err)
{
    (void) db;
    assert_true(atomic_load(&claim->ending));
    snprintf(failure, sizeof(failure), "%s", reason->message);
    return answer('F', NULL, err);
}

bool __wrap_claim_requeue(struct db *db, const struct claim *claim, bool attempted, struct error *err);
bool __wrap_claim_requeue(struct db *db, const struct claim *claim, bool attempted, struct error *err)
{
    (void) db;
    (void) claim;
    return answer(attempted ? 'H' : 'U', NULL, err);
}

bool __wrap_claim_find_state(struct db *db, const struct claim *claim, enum claim_state *ret_state, struct error *err);
bool __wrap_claim_find_state(struct db *db, const struct claim *claim, enum claim_state *ret_state, struct error *err)
{
    (void) db;
    (void) claim;
    return answer('?', ret_state, err);
}

int64_t __wrap_export_file_size(const struct export_file *file);
int64_t __wrap_export_file_size(const struct export_file *file)
{
    return file == NULL ? -1 : 4711;
}

int64_t __wrap_export_file_gzip_size(const struct export_file *file);
int64_t __wrap_export_file_gzip_size(const struct export_file *file)
{
    return file == NULL ? -1 : 815;
}

void __wrap_export_file_sha256(const struct export_file *file, unsigned char out[SHA256_SIZE]);
void __wrap_export_file_sha256(const struct export_file *file, unsigned char out[SHA256_SIZE])
{
    assert_non_null(file);
    memset(out, 0xAB, SHA256_SIZE);
}

void __wrap_export_file_unpublish(struct export_file *file);
void __wrap_export_file_unpublish(struct export_file *file)
{
    assert_non_null(file);
    unpublished = true;
}

/* What has been counted before is not part of it, and another thread can take none of it before counters_end. */
void __real_counters_begin(void);
void __wrap_counters_begin(void);
void __wrap_counters_begin(void)
{
    size_t count;

    free(counters_take(&count));
    assert_int_equal(count, 0);
    __real_counters_begin();
    counting = true;
}

void __real_counters_end(void);
void __wrap_counters_end(void);
void __wrap_counters_end(void)
{
    struct counter *counters;
    size_t count;

    assert_true(counting);
    counting = false;
    counters = counters_take(&count); /* the lock is recursive */
    __real_counters_end();
    for (size_t i = 0, at = 0; i < count; i++)
        at += (size_t) snprintf(counted + at, sizeof(counted) - at, "%s %.0f\n", counters[i].name, counters[i].amount);
    free(counters);
}

/* Ends the attempt with this number, which has a file. The time limit of the export is near, or passed if `late`. */
static enum outcome settle(int number, int lease_ms, bool was_dead, bool late, enum error_code reason)
{
    static char request_id[] = "r1", project_id[] = "p1";
    static int pool, file;
    struct claim claim = {
        .attempt = number,
        .request_id = request_id,
        .project_id = project_id,
        .lease_end = clock_monotonic_ms() + lease_ms,
    };
    struct attempt attempt = {
        .claim = &claim,
        .tasks = (struct db_pool *) &pool,
        .stop = &stop,
        .retention_hours = 24,
        .started = clock_monotonic_ms(),
        .deadline = clock_monotonic_ms() + (late ? -1 : 600),
        .file = (struct export_file *) &file,
        .progress = {.rows = 7, .truncated = true},
        .connection_was_dead = was_dead,
    };
    struct error err;

    memset(asked, 0, sizeof(asked));
    failure[0] = counted[0] = '\0';
    unpublished = false;
    connections = tries = 0;
    error_set(&err, reason, "the reason");
    return outcome_settle(&attempt, reason == ERROR_NONE ? NULL : &err);
}

#define LOST {ERROR_UNAVAILABLE, CLAIM_HELD}
#define SLOW {ERROR_TIMEOUT, CLAIM_HELD}
#define REFUSED {ERROR_INTERNAL, CLAIM_HELD}
#define NOT_HELD {ERROR_LEASE, CLAIM_HELD}
#define STATE(state) {ERROR_NONE, state}
#define GOOD {ERROR_NONE, CLAIM_HELD}

static const struct settle_case {
    const char *label;
    enum error_code reason;
    int attempt;
    bool was_dead;
    bool late;
    struct answer answers[MAX_ANSWERS];
    const char *asked;
    enum outcome outcome;
    bool unpublished;
} settle_cases[] = {
    /* decisions */
    {"success", ERROR_NONE, 1, false, false, {GOOD}, "S", OUTCOME_SUCCESS, false},
    {"failure", ERROR_STORAGE, 1, false, false, {GOOD}, "F", OUTCOME_FAILURE, true},
    {"timeout", ERROR_TIMEOUT, 1, false, false, {GOOD}, "F", OUTCOME_FAILURE, true},
    {"lease lost", ERROR_LEASE, 1, false, false, {GOOD}, "", OUTCOME_ABANDONED, true},
    {"stopped", ERROR_CANCELLED, 3, false, false, {GOOD}, "U", OUTCOME_REQUEUED, true},
    {"database lost", ERROR_UNAVAILABLE, 1, false, false, {GOOD}, "H", OUTCOME_REQUEUED, true},
    {"database lost again", ERROR_UNAVAILABLE, 2, false, false, {GOOD}, "H", OUTCOME_REQUEUED, true},
    {"database lost in the last attempt", ERROR_UNAVAILABLE, 3, false, false, {GOOD}, "F", OUTCOME_FAILURE, true},
    {"dead before the last attempt", ERROR_UNAVAILABLE, 3, true, false, {GOOD}, "U", OUTCOME_REQUEUED, true},
    {"dead before, but the disk is full", ERROR_STORAGE, 1, true, false, {GOOD}, "F", OUTCOME_FAILURE, true},
    /* an answer that was lost */
    {"succeeded", ERROR_NONE, 1, false, false, {LOST, STATE(CLAIM_SUCCEEDED)}, "S?", OUTCOME_SUCCESS, false},
    {"succeeded slowly", ERROR_NONE, 1, false, false, {SLOW, STATE(CLAIM_SUCCEEDED)}, "S?", OUTCOME_SUCCESS, false},
    {"succeeded before", ERROR_NONE, 1, false, false, {NOT_HELD, STATE(CLAIM_SUCCEEDED)}, "S?", OUTCOME_SUCCESS, false},
    {"failed", ERROR_STORAGE, 1, false, false, {LOST, STATE(CLAIM_FAILED)}, "F?", OUTCOME_FAILURE, true},
    {"requeued", ERROR_UNAVAILABLE, 1, false, false, {LOST, STATE(CLAIM_QUEUED)}, "H?", OUTCOME_REQUEUED, true},
    {"taken over", ERROR_NONE, 1, false, false, {NOT_HELD, STATE(CLAIM_LOST)}, "S?", OUTCOME_ABANDONED, true},
    {"failed elsewhere", ERROR_NONE, 1, false, false, {LOST, STATE(CLAIM_FAILED)}, "S?", OUTCOME_ABANDONED, true},
    {"queued elsewhere", ERROR_STORAGE, 1, false, false, {LOST, STATE(CLAIM_QUEUED)}, "F?", OUTCOME_ABANDONED, true},
    {"not committed, then taken", ERROR_NONE, 1, false, false, {LOST, STATE(CLAIM_HELD), GOOD}, "S?S",
     OUTCOME_SUCCESS, false},
    {"not found out, then taken", ERROR_NONE, 1, false, false, {LOST, LOST, LOST, STATE(CLAIM_SUCCEEDED)}, "S?S?",
     OUTCOME_SUCCESS, false},
    /* what cannot be recorded */
    {"success refused", ERROR_NONE, 1, false, false, {REFUSED}, "SF", OUTCOME_FAILURE, true},
    {"failure refused", ERROR_STORAGE, 1, false, false, {REFUSED}, "F", OUTCOME_ABANDONED, false},
    {"lost for good", ERROR_NONE, 1, false, true, {LOST, LOST}, "S?", OUTCOME_ABANDONED, false},
    {"refused while it is found out", ERROR_NONE, 1, false, false, {LOST, REFUSED}, "S?F",
     OUTCOME_FAILURE, true},
};

static void settles(const void *row)
{
    const struct settle_case *c = row;

    answers = c->answers;
    assert_int_equal(settle(c->attempt, -1, c->was_dead, c->late, c->reason), c->outcome);
    assert_string_equal(asked, c->asked);
    assert_int_equal(unpublished, c->unpublished);
    assert_int_equal(connections, 0);
}

static void success_has_the_facts_of_the_file(void)
{
    static const struct answer good[MAX_ANSWERS];

    answers = good;
    assert_int_equal(settle(1, -1, false, false, ERROR_NONE), OUTCOME_SUCCESS);
    assert_int_equal(success.exported_rows, 7);
    assert_true(success.truncated);
    assert_int_equal(success.file_size, 4711);
    assert_int_equal(success.gzip_size, 815);
    assert_int_equal(success.retention_hours, 24);
    assert_int_equal(success.sha256[SHA256_SIZE - 1], 0xAB);
}

/* All of it at once, so that no reader of the metrics sees a part. */
static void an_export_is_counted(void)
{
    static const struct answer good[MAX_ANSWERS];
    size_t left;

    answers = good;
    settle(1, -1, false, false, ERROR_NONE);
    assert_string_equal(counted, "waybill_exported_bytes_total 4711\nwaybill_exported_rows_total 7\n"
                                 "waybill_exports_total{outcome=\"success\"} 1\n");
    settle(1, -1, false, false, ERROR_STORAGE);
    assert_string_equal(counted, "waybill_exports_total{outcome=\"failure\"} 1\n");
    free(counters_take(&left));
    assert_int_equal(left, 0);
}

/* Only a database that was lost in each attempt gets a message of its own. */
static void failure_has_the_reason(void)
{
    static const struct answer good[MAX_ANSWERS];

    answers = good;
    settle(CLAIM_MAX_ATTEMPTS, -1, false, false, ERROR_STORAGE);
    assert_string_equal(failure, "the reason");
    settle(CLAIM_MAX_ATTEMPTS, -1, false, false, ERROR_UNAVAILABLE);
    assert_non_null(strstr(failure, "the inventory could not be read in 3 attempts"));
}

/* Until the deadline and for as long as the lease is held, unless the process stops. */
static void tries_for_as_long_as_it_may(void)
{
    static const struct {
        bool late;
        int lease_ms;
        bool stop;
        int ms; /* four times a second, at the time limit for the last time */
    } cases[] = {
        {false, -1, false, 750},
        {true, 600, false, 750},
        {false, 1000, false, 1000},
        {true, -1, false, 0},
        {false, 600, true, 0},
    };

    pool_is_empty = true;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t started = now;

        atomic_store(&stop, cases[i].stop);
        assert_int_equal(settle(1, cases[i].lease_ms, false, cases[i].late, ERROR_NONE), OUTCOME_ABANDONED);
        assert_int_equal(now - started, cases[i].ms);
        assert_int_equal(tries, 2 * (1 + cases[i].ms / 250)); /* to record the outcome, and to find it */
        assert_false(unpublished);
    }
    atomic_store(&stop, false);
    pool_is_empty = false;
}

int main(void)
{
    CHECK_EACH(settles, settle_cases, label);
    CHECK(success_has_the_facts_of_the_file);
    CHECK(an_export_is_counted);
    CHECK(failure_has_the_reason);
    CHECK(tries_for_as_long_as_it_may);
    return check_run("export/outcome");
}
