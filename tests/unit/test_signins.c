/* access/signins.c, with a clock that leaps. The rates are slow, so that the duration of the test counts little. */
#include "access/signins.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "leap.h"

#define MINUTE_MS 60000

static void fail_times(struct signins *signins, const char *address, int times)
{
    for (int i = 0; i < times; i++)
        signins_count_failure(signins, address);
}

static void check_allowed(struct signins *signins, const char *address)
{
    struct error err;

    check_good(signins_check(signins, address, &err), &err);
}

/* The address is refused, for at least `min` and at most `max` seconds. */
static void check_limited(struct signins *signins, const char *address, int min, int max)
{
    struct error err;

    if (signins_check(signins, address, &err))
        check_fail("%s is allowed", address);
    check_refusal(&err, ERROR_TOO_MANY, "failed sign-ins from one address must be at most ");
    assert_in_range(err.retry_after, min, max);
}

static bool is_limited(struct signins *signins, const char *address)
{
    struct error err;

    return !signins_check(signins, address, &err);
}

static void limits_a_burst(void)
{
    struct signins *signins = signins_new(3);

    check_allowed(signins, "192.0.2.1");
    fail_times(signins, "192.0.2.1", 2);
    check_allowed(signins, "192.0.2.1");
    check_allowed(signins, "192.0.2.1"); /* a check takes nothing */
    fail_times(signins, "192.0.2.1", 1);
    check_limited(signins, "192.0.2.1", 19, 20);
    check_allowed(signins, "192.0.2.2");
    signins_free(signins);
}

/* After the time that the error states, the next failure is allowed, and only that one. */
static void refills(void)
{
    struct signins *signins = signins_new(3);

    fail_times(signins, "192.0.2.1", 3);
    leap_ahead(18000);
    check_limited(signins, "192.0.2.1", 1, 2);
    leap_ahead(2000);
    check_allowed(signins, "192.0.2.1");
    fail_times(signins, "192.0.2.1", 1);
    check_limited(signins, "192.0.2.1", 19, 20);
    leap_ahead(MINUTE_MS);
    fail_times(signins, "192.0.2.1", 2);
    check_allowed(signins, "192.0.2.1");
    fail_times(signins, "192.0.2.1", 1);
    check_limited(signins, "192.0.2.1", 19, 20);
    leap_ahead(100 * MINUTE_MS); /* it never holds more than the limit */
    fail_times(signins, "192.0.2.1", 3);
    check_limited(signins, "192.0.2.1", 19, 20);
    signins_free(signins);
}

/* Failures of requests that were allowed at the same time must be made up for. */
static void makes_up_for_more(void)
{
    struct signins *signins = signins_new(1);

    fail_times(signins, "192.0.2.1", 3);
    check_limited(signins, "192.0.2.1", 179, 180);
    leap_ahead(179000);
    check_limited(signins, "192.0.2.1", 1, 1);
    leap_ahead(1000);
    check_allowed(signins, "192.0.2.1");
    signins_free(signins);
}

static void a_large_limit_is_exact(void)
{
    struct signins *signins = signins_new(1000000);

    fail_times(signins, "192.0.2.1", 999999);
    check_allowed(signins, "192.0.2.1");
    signins_free(signins);
    signins = signins_new(7);
    fail_times(signins, "192.0.2.1", 7);
    check_limited(signins, "192.0.2.1", 9, 9);
    leap_ahead(8500);
    check_limited(signins, "192.0.2.1", 1, 1);
    leap_ahead(100);
    check_allowed(signins, "192.0.2.1");
    signins_free(signins);
}

static void zero_is_no_limit(void)
{
    struct signins *signins = signins_new(0);

    fail_times(signins, "192.0.2.1", 100000);
    check_allowed(signins, "192.0.2.1");
    signins_free(signins);
}

static const struct address_case {
    const char *label;
    const char *a, *b;
    bool same;
} address_cases[] = {
    {"IPv4", "192.0.2.1", "192.0.2.1", true},
    {"other IPv4", "192.0.2.1", "192.0.2.2", false},
    {"IPv4 in IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
    {"other IPv4 in IPv6", "::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
    {"the same /64", "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
    {"spelled otherwise", "2001:DB8::1", "2001:0db8:0000::1", true},
    {"another /64", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
    {"a zone", "fe80::1%eth0", "fe80::2", true},
    {"an address of zeros", "::1", NULL, false},
    {"IPv4 and IPv6 of the same bytes", "192.0.2.1", "c000:201::", false},
    {"none", NULL, NULL, true},
    {"an empty one", NULL, "", true},
    {"a path", NULL, "unix:", true},
    {"no address", NULL, "192.0.2.256", true},
    {"a port", NULL, "192.0.2.1:80", true},
    {"long", NULL, "2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000", true},
};

static void addresses(const void *row)
{
    const struct address_case *c = row;
    struct signins *signins = signins_new(1);

    fail_times(signins, c->a, 1);
    assert_true(is_limited(signins, c->a));
    assert_int_equal(is_limited(signins, c->b), c->same);
    signins_free(signins);
}

static const char *number_address(char out[32], int number)
{
    snprintf(out, 32, "10.0.%d.%d", number / 256, number % 256);
    return out;
}

/* The table is full: the address whose last failure is the oldest is forgotten, not the one that fails again. */
static void forgets_the_oldest(void)
{
    struct signins *signins = signins_new(2);
    char address[32];

    for (int i = 0; i < SIGNINS_ADDRESSES; i++) {
        fail_times(signins, number_address(address, i), 2);
        if (i == 1)
            leap_ahead(1);
    }
    leap_ahead(1);
    fail_times(signins, number_address(address, 0), 1);
    leap_ahead(1);
    assert_true(is_limited(signins, number_address(address, 1)));
    fail_times(signins, "192.0.2.1", 2);
    assert_false(is_limited(signins, number_address(address, 1)));
    assert_true(is_limited(signins, "192.0.2.1"));
    for (int i = 0; i < SIGNINS_ADDRESSES; i++)
        assert_int_equal(is_limited(signins, number_address(address, i)), i != 1);
    signins_free(signins);
}

static void *fail_often(void *argument)
{
    fail_times(argument, "192.0.2.1", 10000);
    return NULL;
}

static void threads_count_together(void)
{
    struct signins *signins = signins_new(40001);
    pthread_t threads[4];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fail_often, signins), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    check_allowed(signins, "192.0.2.1");
    signins_free(signins);
    signins_free(NULL);
}

int main(void)
{
    CHECK(limits_a_burst);
    CHECK(refills);
    CHECK(makes_up_for_more);
    CHECK(a_large_limit_is_exact);
    CHECK(zero_is_no_limit);
    CHECK_EACH(addresses, address_cases, label);
    CHECK(forgets_the_oldest);
    CHECK(threads_count_together);
    return check_run("access/signins");
}
