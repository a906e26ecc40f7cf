#include "base/metrics.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP; /* for both below */
static struct metric metrics[METRICS_MAX];               /* in the order of their names */
static size_t count;

void metrics_begin(void)
{
    pthread_mutex_lock(&lock);
}

void metrics_end(void)
{
    pthread_mutex_unlock(&lock);
}

/* Where the name is, or where it belongs. Called with the lock held. */
static size_t position(const char *name)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (strcmp(metrics[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add(double amount, const char *name)
{
    size_t at;

    pthread_mutex_lock(&lock);
    at = position(name);
    if (at < count && strcmp(metrics[at].name, name) == 0) {
        metrics[at].amount += amount;
    } else if (count < METRICS_MAX) {
        memmove(&metrics[at + 1], &metrics[at], (count - at) * sizeof(metrics[0]));
        snprintf(metrics[at].name, sizeof(metrics[at].name), "%s", name);
        metrics[at].amount = amount;
        count++;
    }
    pthread_mutex_unlock(&lock);
}

void metrics_add(double amount, const char *name, ...)
{
    char full_name[METRICS_NAME_SIZE];
    va_list arguments;

    va_start(arguments, name);
    vsnprintf(full_name, sizeof(full_name), name, arguments);
    va_end(arguments);
    add(amount, full_name);
}

void metrics_observe(double seconds, const char *name, const char *label, const char *value)
{
    static const char *const bounds[] = {"0.005", "0.025", "0.1", "0.5", "2.5", "10", "60", "+Inf"};
    static const double limits[] = {0.005, 0.025, 0.1, 0.5, 2.5, 10, 60};

    metrics_begin();
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        bool within = i == ARRAY_SIZE(limits) || seconds <= limits[i];

        metrics_add(within ? 1 : 0, "%s_bucket{%s=\"%s\",le=\"%s\"}", name, label, value, bounds[i]);
    }
    metrics_add(seconds, "%s_sum{%s=\"%s\"}", name, label, value);
    metrics_add(1, "%s_count{%s=\"%s\"}", name, label, value);
    metrics_end();
}

struct metric *metrics_take(size_t *ret_count)
{
    struct metric *taken;

    pthread_mutex_lock(&lock);
    taken = memory_zeroed(count + 1, sizeof(*taken));
    memcpy(taken, metrics, count * sizeof(*taken));
    *ret_count = count;
    count = 0;
    pthread_mutex_unlock(&lock);
    return taken;
}
