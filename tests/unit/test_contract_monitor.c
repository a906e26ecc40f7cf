/*
 * When the monitor of inventory/contract_monitor.c compares, what it keeps and what it logs. The linker replaces the
 * database, the comparison and the clock by those of this file (--wrap).
 */
#include "inventory/contract_monitor.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "check.h"
#include "scratch.h"

#define ENOUGH_MS 60000 /* a time limit that only a fault can reach */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t now;
    int readings; /* of the clock */
    bool unreachable;
    const char *texts[2]; /* of the problems; NULL: none */
    int comparisons;      /* begun, and not begun because the database is unreachable */
    int failures_left;    /* comparisons that fail before the others */
    bool held;            /* comparisons wait */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int connection; /* any connection */

int64_t __wrap_clock_monotonic_ms(void);
struct timespec __real_clock_timespec_after(int ms);
struct timespec __wrap_clock_timespec_after(int ms);
struct db *__wrap_db_open(const struct db_settings *settings, struct error *err);
void __wrap_db_close(struct db *db);
bool __wrap_contract_compare(struct db *db, const char *relation, struct contract_result *ret, struct error *err);

int64_t __wrap_clock_monotonic_ms(void)
{
    int64_t now;

    pthread_mutex_lock(&state.lock);
    now = state.now;
    state.readings++;
    pthread_cond_broadcast(&state.changed);
    pthread_mutex_unlock(&state.lock);
    return now;
}

/* A pause before a retry is short. */
struct timespec __wrap_clock_timespec_after(int ms)
{
    return __real_clock_timespec_after(ms <= 5000 ? 1 : ENOUGH_MS);
}

struct db *__wrap_db_open(const struct db_settings *settings, struct error *err)
{
    bool fails;

    (void) settings;
    pthread_mutex_lock(&state.lock);
    fails = state.unreachable || state.failures_left > 0;
    if (state.failures_left > 0)
        state.failures_left--;
    if (fails)
        state.comparisons++;
    pthread_cond_broadcast(&state.changed);
    pthread_mutex_unlock(&state.lock);
    if (!fails)
        return (struct db *) &connection;
    error_set(err, ERROR_UNAVAILABLE, "away");
    return NULL;
}

void __wrap_db_close(struct db *db)
{
    (void) db;
}

bool __wrap_contract_compare(struct db *db, const char *relation, struct contract_result *ret, struct error *err)
{
    (void) err;
    assert_ptr_equal(db, &connection);
    assert_string_equal(relation, "site.view");
    pthread_mutex_lock(&state.lock);
    state.comparisons++;
    pthread_cond_broadcast(&state.changed);
    while (state.held)
        pthread_cond_wait(&state.changed, &state.lock);
    *ret = (struct contract_result) {0};
    for (size_t i = 0; i < ARRAY_SIZE(state.texts) && state.texts[i] != NULL; i++)
        ret->problems[ret->count++] = (struct contract_problem) {"risky", memory_copy_text(state.texts[i])};
    pthread_mutex_unlock(&state.lock);
    return true;
}

/* Makes a monitor of a relation with these problems, at the time 1000. */
static struct contract_monitor *begin_monitor(const char *first, const char *second)
{
    state.now = 1000;
    state.readings = 0;
    state.unreachable = false;
    state.texts[0] = first;
    state.texts[1] = second;
    state.comparisons = 0;
    state.failures_left = 0;
    state.held = false;
    return contract_monitor_new(NULL, "site.view");
}

static void end_monitor(struct contract_monitor *monitor)
{
    assert_true(contract_monitor_stop(monitor, ENOUGH_MS));
    contract_monitor_free(monitor);
}

/* Asks, and expects this number of problems and of comparisons so far. */
static void ask(struct contract_monitor *monitor, size_t problems, int comparisons)
{
    struct contract_result result;
    struct error err;

    check_good(contract_monitor_ask(monitor, &result, &err), &err);
    assert_int_equal(result.count, problems);
    for (size_t i = 0; i < problems; i++)
        assert_string_equal(result.problems[i].text, state.texts[i]);
    contract_free(&result);
    assert_int_equal(state.comparisons, comparisons);
}

static void keeps_a_good_result_for_a_minute(void)
{
    struct contract_monitor *monitor = begin_monitor(NULL, NULL);

    ask(monitor, 0, 1);
    state.texts[0] = "a problem";
    ask(monitor, 0, 1);
    state.now += 59999;
    ask(monitor, 0, 1);
    state.now += 1;
    ask(monitor, 1, 2);
    end_monitor(monitor);
}

static void compares_at_once_after_a_problem(void)
{
    struct contract_monitor *monitor = begin_monitor("a problem", "another");

    ask(monitor, 2, 1);
    state.texts[1] = NULL;
    ask(monitor, 1, 2);
    state.texts[0] = NULL;
    ask(monitor, 0, 3);
    ask(monitor, 0, 3);
    end_monitor(monitor);
}

static void compares_at_once_after_a_failure(void)
{
    struct contract_monitor *monitor = begin_monitor(NULL, NULL);
    struct contract_result result;
    struct error err;

    state.unreachable = true;
    for (int i = 1; i <= 2; i++) {
        assert_false(contract_monitor_ask(monitor, &result, &err));
        check_refusal(&err, ERROR_UNAVAILABLE, "away");
        assert_int_equal(state.comparisons, i);
    }
    state.unreachable = false;
    ask(monitor, 0, 3);
    state.unreachable = true;
    ask(monitor, 0, 3);
    state.now += 60000;
    assert_false(contract_monitor_ask(monitor, &result, &err));
    end_monitor(monitor);
}

static void logs_each_problem_once(void)
{
    struct contract_monitor *monitor = begin_monitor("a problem", NULL);
    struct contract_result result;
    struct error err;

    scratch_catch_log();
    ask(monitor, 1, 1);
    ask(monitor, 1, 2);
    state.unreachable = true;
    assert_false(contract_monitor_ask(monitor, &result, &err));
    state.unreachable = false;
    ask(monitor, 1, 4);
    state.texts[1] = "another";
    ask(monitor, 2, 5);
    assert_int_equal(scratch_count_log(" error event=\"inventory is not usable\" relation=site.view problem="), 2);
    assert_int_equal(scratch_count_log("problem=\"a problem\""), 1);
    assert_int_equal(scratch_count_log("problem=another"), 1);
    assert_int_equal(scratch_count_log("usable again"), 0);
    state.texts[0] = NULL;
    ask(monitor, 0, 6);
    state.now += 60000;
    ask(monitor, 0, 7);
    assert_int_equal(scratch_count_log("event=\"inventory is usable again\""), 1);
    scratch_release_log();
    end_monitor(monitor);
}

static void *ask_in_a_thread(void *monitor)
{
    struct contract_result result;
    struct error err;

    if (contract_monitor_ask(monitor, &result, &err))
        contract_free(&result);
    return NULL;
}

/* Waits until the number is reached, which other threads count. */
static void wait_for(const int *number, int count)
{
    struct timespec until = __real_clock_timespec_after(ENOUGH_MS);
    bool reached;

    pthread_mutex_lock(&state.lock);
    while (*number < count) {
        if (pthread_cond_timedwait(&state.changed, &state.lock, &until) != 0)
            break;
    }
    reached = *number >= count;
    pthread_mutex_unlock(&state.lock);
    assert_true(reached);
}

static const struct share_case {
    const char *label;
    const char *problem;
    int comparisons;
} share_cases[] = {
    {"a good result serves all", NULL, 1},
    {"another comparison, begun after they asked, serves the others", "a problem", 2},
};

/* Callers that come during a comparison wait for it. */
static void callers_share_a_comparison(const void *row)
{
    const struct share_case *c = row;
    struct contract_monitor *monitor = begin_monitor(c->problem, NULL);
    pthread_t threads[8];

    scratch_catch_log();
    state.held = true;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_in_a_thread, monitor), 0);
    wait_for(&state.comparisons, 1);
    wait_for(&state.readings, (int) ARRAY_SIZE(threads) + 1); /* one of them has read it again, and compares */
    pthread_mutex_lock(&state.lock);
    state.now += 1000;
    state.held = false;
    pthread_cond_broadcast(&state.changed);
    pthread_mutex_unlock(&state.lock);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(state.comparisons, c->comparisons);
    scratch_release_log();
    end_monitor(monitor);
}

/* At the start, it tries until it has compared, and then leaves it to others to ask. */
static void compares_at_the_start(void)
{
    struct contract_monitor *monitor = begin_monitor("a problem", NULL);

    scratch_catch_log();
    state.failures_left = 3;
    assert_true(contract_monitor_start(monitor));
    wait_for(&state.comparisons, 4);
    end_monitor(monitor);
    assert_int_equal(state.comparisons, 4);
    assert_int_equal(scratch_count_log("problem=\"a problem\""), 1);
    scratch_release_log();
}

static void stops_without_a_thread(void)
{
    assert_true(contract_monitor_stop(NULL, 0));
    contract_monitor_free(NULL);
}

int main(void)
{
    clock_init_condition(&state.changed);
    CHECK(keeps_a_good_result_for_a_minute);
    CHECK(compares_at_once_after_a_problem);
    CHECK(compares_at_once_after_a_failure);
    CHECK(logs_each_problem_once);
    CHECK_EACH(callers_share_a_comparison, share_cases, label);
    CHECK(compares_at_the_start);
    CHECK(stops_without_a_thread);
    return check_run("inventory/contract_monitor");
}
