#include "leap.h"

#include <stdatomic.h>
#include <stdint.h>

#define MOMENT_MS 2

int64_t __real_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void);
int __wrap_clock_remaining_ms(int64_t deadline);

static _Atomic int64_t ahead;

void leap_ahead(int ms)
{
    atomic_fetch_add(&ahead, ms);
}

int64_t __wrap_clock_monotonic_ms(void)
{
    return __real_clock_monotonic_ms() + atomic_load(&ahead);
}

int __wrap_clock_remaining_ms(int64_t deadline)
{
    int64_t left = deadline - __wrap_clock_monotonic_ms();

    return left <= 0 ? 0 : left < MOMENT_MS ? (int) left : MOMENT_MS;
}
