#include "metrics/counters.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "check.h"

/* Takes the counts, as "name=amount" separated by spaces. */
static void take(struct buffer *out)
{
    size_t count;
    struct counter *counters = counters_take(&count);

    for (size_t i = 0; i < count; i++)
        buffer_printf(out, "%s%s=%.6g", i == 0 ? "" : " ", counters[i].name, counters[i].amount);
    free(counters);
}

static void check_taken(const char *expected)
{
    struct buffer taken = {0};

    take(&taken);
    assert_string_equal(buffer_text(&taken), expected);
    buffer_free(&taken);
}

static void adds(void)
{
    check_taken("");
    counters_add(1, "a");
    counters_add(2.5, "a");
    counters_add(1, "b{x=\"%s\",y=\"%d\"}", "1", 200);
    counters_add(0.25, "b{x=\"1\",y=\"200\"}");
    counters_add(0, "c");
    check_taken("a=3.5 b{x=\"1\",y=\"200\"}=1.25 c=0");
}

/* Names come in the order of strcmp, so that processes that update the same rows cannot deadlock. */
static void comes_in_the_order_of_names(void)
{
    static const char *const names[] = {"m", "b", "z", "a{x=\"2\"}", "a_b", "a", "Z", "a{x=\"10\"}", "b", "zz", "a"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        counters_add(1, "%s", names[i]);
    check_taken("Z=1 a=2 a_b=1 a{x=\"10\"}=1 a{x=\"2\"}=1 b=2 m=1 z=1 zz=1");
}

static void begins_anew_when_taken(void)
{
    counters_add(1, "a");
    check_taken("a=1");
    check_taken("");
    counters_add(2, "a");
    counters_add(2, "b");
    check_taken("a=2 b=2");
}

/* After a failed flush no count is lost or doubled, and counts made in the meantime are kept. */
static void takes_back(void)
{
    struct counter *taken;
    size_t count;

    counters_add(1, "a{l=\"100%%\"}");
    counters_add(2, "b");
    taken = counters_take(&count);
    assert_int_equal(count, 2);
    counters_add(10, "b");
    counters_add(20, "c");
    for (size_t i = 0; i < count; i++)
        counters_add(taken[i].amount, "%s", taken[i].name);
    free(taken);
    check_taken("a{l=\"100%\"}=1 b=12 c=20");
}

static const struct observe_case {
    const char *seconds;
    int first; /* the smallest bucket that counts it */
} observe_cases[] = {
    {"0", 0}, {"0.001", 0}, {"0.005", 0}, {"0.00500001", 1}, {"0.025", 1}, {"0.0251", 2}, {"0.1", 2}, {"0.101", 3},
    {"0.5", 3}, {"0.501", 4}, {"2.5", 4}, {"2.501", 5}, {"10", 5}, {"10.001", 6}, {"60", 6}, {"60.001", 7},
    {"86400", 7},
};

/* A bound belongs to its bucket. Each bucket includes all smaller ones. Empty buckets are listed too. */
static void observes(const void *row)
{
    static const char *const bounds[] = {"0.005", "0.025", "0.1", "0.5", "2.5", "10", "60", "+Inf"};
    const struct observe_case *c = row;
    double seconds = strtod(c->seconds, NULL);
    struct counter *taken;
    size_t count;

    counters_observe(seconds, "h", "op", "list");
    counters_observe(seconds, "h", "op", "list");
    taken = counters_take(&count);
    for (size_t k = 0; k < ARRAY_SIZE(bounds); k++) {
        char name[64];
        size_t at = 0;

        snprintf(name, sizeof(name), "h_bucket{op=\"list\",le=\"%s\"}", bounds[k]);
        while (at < count && strcmp(taken[at].name, name) != 0)
            at++;
        if (at == count)
            check_fail("no %s", name);
        assert_true(taken[at].amount == (k < (size_t) c->first ? 0 : 2));
    }
    assert_int_equal(count, ARRAY_SIZE(bounds) + 2);
    assert_string_equal(taken[count - 2].name, "h_count{op=\"list\"}");
    assert_true(taken[count - 2].amount == 2);
    assert_string_equal(taken[count - 1].name, "h_sum{op=\"list\"}");
    assert_true(taken[count - 1].amount == 2 * seconds);
    free(taken);
}

/* Long names that are equal after the cut are one counter. */
static void cuts_long_names(void)
{
    char name[2 * COUNTERS_NAME_SIZE];
    struct counter *taken;
    size_t count;

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    counters_add(1, "%s", name);
    counters_add(1, "%s%d", name, 2);
    name[COUNTERS_NAME_SIZE - 1] = '\0'; /* the longest name that is not cut */
    counters_add(1, "%s", name);
    name[COUNTERS_NAME_SIZE - 2] = '\0';
    counters_add(5, "%s", name);
    taken = counters_take(&count);
    assert_int_equal(count, 2);
    assert_string_equal(taken[0].name, name);
    assert_true(taken[0].amount == 5);
    assert_int_equal(strlen(taken[1].name), COUNTERS_NAME_SIZE - 1);
    assert_int_equal(strspn(taken[1].name, "n"), COUNTERS_NAME_SIZE - 1);
    assert_true(taken[1].amount == 3);
    free(taken);
}

/* Beyond COUNTERS_MAX no counter is added; existing ones still count. */
static void has_a_limit(void)
{
    struct counter *taken;
    size_t count;

    for (int i = COUNTERS_MAX + 10; i > 0; i--) /* each sorts before all others */
        counters_add(i, "m%05d", i);
    counters_add(1, "zzz");
    counters_add(1, "aaa");
    counters_add(0.5, "m%05d", COUNTERS_MAX + 10);
    counters_add(0.5, "m00011");
    taken = counters_take(&count);
    assert_int_equal(count, COUNTERS_MAX);
    for (int i = 0; i < COUNTERS_MAX; i++) {
        char name[16];

        snprintf(name, sizeof(name), "m%05d", i + 11);
        assert_string_equal(taken[i].name, name);
        assert_true(taken[i].amount == i + 11 + (i == 0 || i == COUNTERS_MAX - 1 ? 0.5 : 0));
    }
    free(taken);
    counters_add(1, "aaa");
    check_taken("aaa=1");
}

#define THREADS 8
#define ROUNDS 20000
#define NAMES 5

static atomic_bool adding;

static void *add_much(void *argument)
{
    for (int i = 0; i < ROUNDS; i++)
        counters_add(1, "t%d", (i + *(const int *) argument) % NAMES);
    return NULL;
}

static void sum_up(double totals[NAMES])
{
    size_t count;
    struct counter *taken = counters_take(&count);

    for (size_t i = 0; i < count; i++)
        totals[strtol(taken[i].name + 1, NULL, 10)] += taken[i].amount;
    free(taken);
}

static void *take_much(void *argument)
{
    while (atomic_load(&adding))
        sum_up(argument);
    return NULL;
}

/* No count is lost between threads that add and a thread that takes. */
static void threads_count_together(void)
{
    double totals[NAMES] = {0};
    pthread_t threads[THREADS], taker;
    int numbers[THREADS];

    atomic_store(&adding, true);
    assert_int_equal(pthread_create(&taker, NULL, take_much, totals), 0);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, add_much, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&adding, false);
    pthread_join(taker, NULL);
    sum_up(totals);
    for (int i = 0; i < NAMES; i++)
        assert_true(totals[i] == (double) THREADS * ROUNDS / NAMES);
}

static void *observe_much(void *ignored)
{
    (void) ignored;
    for (int i = 0; i < ROUNDS; i++)
        counters_observe(0.001, "h", "x", "y");
    atomic_store(&adding, false);
    return NULL;
}

static double amount_of(const struct counter *counters, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(counters[i].name, name) == 0)
            return counters[i].amount;
    }
    return 0;
}

/* What counters_begin and counters_end enclose is taken as a whole. */
static void an_observation_is_taken_as_a_whole(void)
{
    double total = 0;
    pthread_t thread;
    bool more;

    atomic_store(&adding, true);
    assert_int_equal(pthread_create(&thread, NULL, observe_much, NULL), 0);
    do {
        struct counter *taken;
        size_t count;

        more = atomic_load(&adding);
        taken = counters_take(&count);
        assert_true(amount_of(taken, count, "h_bucket{x=\"y\",le=\"0.005\"}")
                    == amount_of(taken, count, "h_count{x=\"y\"}"));
        total += amount_of(taken, count, "h_count{x=\"y\"}");
        free(taken);
    } while (more);
    pthread_join(thread, NULL);
    assert_true(total == ROUNDS);
}

int main(void)
{
    CHECK(adds);
    CHECK(comes_in_the_order_of_names);
    CHECK(begins_anew_when_taken);
    CHECK(takes_back);
    CHECK_EACH(observes, observe_cases, seconds);
    CHECK(cuts_long_names);
    CHECK(has_a_limit);
    CHECK(threads_count_together);
    CHECK(an_observation_is_taken_as_a_whole);
    return check_run("metrics/counters");
}
