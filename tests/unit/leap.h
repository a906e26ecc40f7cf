/*
 * A clock that a test sets: the code under test sees it leap ahead and sleeps only for moments, so that what lasts a
 * minute takes none. The program is linked with -Wl,--wrap=clock_monotonic_ms -Wl,--wrap=clock_remaining_ms.
 */
#ifndef WAYBILL_TESTS_UNIT_LEAP_H
#define WAYBILL_TESTS_UNIT_LEAP_H

/* From now on it is so much later. */
void leap_ahead(int ms);

#endif
