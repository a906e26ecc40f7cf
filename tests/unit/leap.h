/*
 * A clock that tests set. The code under test sees time leap ahead and sleeps only briefly, so that a test of a long
 * wait is short. The program is linked with -Wl,--wrap=clock_monotonic_ms -Wl,--wrap=clock_remaining_ms.
 */
#ifndef WAYBILL_TESTS_UNIT_LEAP_H
#define WAYBILL_TESTS_UNIT_LEAP_H

/* Moves the clock ahead by `ms` from now on. */
void leap_ahead(int ms);

#endif
