#include "metrics/counters.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP; /* for both below */
static struct counter counters[COUNTERS_MAX]; /* in the order of their names */
static size_t count;

void counters_begin(void)
{
    pthread_mutex_lock(&lock);
}

void counters_end(void)
{
    pthread_mutex_unlock(&lock);
}

/* Returns the index of the name, or the index at which to insert it. Called with the lock held. */
static size_t find_position(const char *name)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (strcmp(counters[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_amount(double amount, const char *name)
{
    size_t at;

    pthread_mutex_lock(&lock);
    at = find_position(name);
    if (at < count && strcmp(counters[at].name, name) == 0) {
        counters[at].amount += amount;
    } else if (count < COUNTERS_MAX) {
        memmove(&counters[at + 1], &counters[at], (count - at) * sizeof(counters[0]));
        snprintf(counters[at].name, sizeof(counters[at].name), "%s", name);
        counters[at].amount = amount;
        count++;
    }
    pthread_mutex_unlock(&lock);
}

void counters_add(double amount, const char *name, ...)
{
    char full_name[COUNTERS_NAME_SIZE];
    va_list arguments;

    va_start(arguments, name);
    vsnprintf(full_name, sizeof(full_name), name, arguments);
    va_end(arguments);
    add_amount(amount, full_name);
}

void counters_observe(double seconds, const char *name, const char *label, const char *value)
{
    static const char *const bounds[] = {"0.005", "0.025", "0.1", "0.5", "2.5", "10", "60", "+Inf"};
    static const double limits[] = {0.005, 0.025, 0.1, 0.5, 2.5, 10, 60};

    counters_begin();
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        bool within = i == ARRAY_SIZE(limits) || seconds <= limits[i];

        counters_add(within ? 1 : 0, "%s_bucket{%s=\"%s\",le=\"%s\"}", name, label, value, bounds[i]);
    }
    counters_add(seconds, "%s_sum{%s=\"%s\"}", name, label, value);
    counters_add(1, "%s_count{%s=\"%s\"}", name, label, value);
    counters_end();
}

struct counter *counters_take(size_t *ret_count)
{
    struct counter *taken;

    pthread_mutex_lock(&lock);
    taken = memory_zeroed(count + 1, sizeof(*taken));
    memcpy(taken, counters, count * sizeof(*taken));
    *ret_count = count;
    count = 0;
    pthread_mutex_unlock(&lock);
    return taken;
}
