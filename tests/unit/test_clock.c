#include "base/clock.h"

#include <errno.h>
#include <limits.h>

#include "check.h"

static const struct iso_case {
    int64_t instant;
    const char *text;
} iso_cases[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {1, "1970-01-01T00:00:00.001Z"},
    {999, "1970-01-01T00:00:00.999Z"},
    {1000, "1970-01-01T00:00:01.000Z"},
    {951782400010, "2000-02-29T00:00:00.010Z"},
    {1709251199999, "2024-02-29T23:59:59.999Z"},
    {1775204100123, "2026-04-03T08:15:00.123Z"},
    {4107542400000, "2100-03-01T00:00:00.000Z"},
    {253402300799999, "9999-12-31T23:59:59.999Z"},
    {253402300800000, "10000-01-01T00:00:00.000Z"},
    {CLOCK_MAX_MS, "294276-12-31T23:59:59.999Z"},
};

static void formats_iso8601(const void *row)
{
    const struct iso_case *c = row;
    char out[CLOCK_ISO8601_SIZE];

    clock_format_iso8601(out, c->instant);
    assert_string_equal(out, c->text);
}

static const struct date_case {
    int64_t instant;
    const char *text;
} date_cases[] = {
    {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
    {784111777000, "Sun, 06 Nov 1994 08:49:37 GMT"},
    {951782400000, "Tue, 29 Feb 2000 00:00:00 GMT"},
    {1775204100000, "Fri, 03 Apr 2026 08:15:00 GMT"},
    {253402300799000, "Fri, 31 Dec 9999 23:59:59 GMT"},
};

static void formats_http_dates(const void *row)
{
    const struct date_case *c = row;
    char out[CLOCK_HTTP_DATE_SIZE];

    clock_format_http_date(out, c->instant);
    assert_string_equal(out, c->text);
    clock_format_http_date(out, c->instant + 999);
    assert_string_equal(out, c->text);
}

static void parses_http_dates(const void *row)
{
    const struct date_case *c = row;
    int64_t instant = -1;

    assert_true(clock_parse_http_date(c->text, &instant));
    assert_true(instant == c->instant);
}

/* Obsolete formats, which are read but never written (RFC 9110 section 5.6.7). */
static const struct date_case older_dates[] = {
    {784111777000, "Sunday, 06-Nov-94 08:49:37 GMT"},
    {784111777000, "Sun Nov  6 08:49:37 1994"},
    {1775204100000, "Friday, 03-Apr-26 08:15:00 GMT"},
    {1794902400000, "Tue Nov 17 08:00:00 2026"},
};

static const struct {
    const char *text;
} refused_dates[] = {
    {""},
    {"now"},
    {"2026-04-03T08:15:00Z"},
    {"1775204100"},
    {"Fri, 03 Apr 2026 08:15:00"},
    {"Fri, 03 Apr 2026 08:15:00 UTC"},
    {"Fri, 03 Apr 2026 08:15:00 +0000"},
    {"Fri, 03 Apr 2026 08:15:00 GMTX"},
    {"Fri, 03 Apr 2026 08:15:00 GMT, Fri, 03 Apr 2026 08:15:00 GMT"},
    {"Fri, 03 Apr 2026"},
    {"Fri, 03 Foo 2026 08:15:00 GMT"},
    {"Foo, 03 Apr 2026 08:15:00 GMT"},
    {"Fri, 00 Apr 2026 08:15:00 GMT"},
    {"Tue, 31 Feb 2026 08:15:00 GMT"},
    {"Tuesday, 31-Feb-26 08:15:00 GMT"},
    {"Tue Feb 31 08:15:00 2026"},
    {"Sun Nov  6 08:49:37 1994 GMT"},
    {"Fri, 32 Apr 2026 08:15:00 GMT"},
    {"Fri, 03 Apr 2026 24:15:00 GMT"},
    {"Fri, 03 Apr 2026 08:60:00 GMT"},
    {"Fri, 03 Apr 2026 08:15:99 GMT"},
    {"\"Fri, 03 Apr 2026 08:15:00 GMT\""},
};

static void refuses_http_dates(const void *row)
{
    const char *text = *(const char *const *) row;
    int64_t instant = 0;

    assert_false(clock_parse_http_date(text, &instant));
}

#define DAY INT64_C(86400000)

static const struct duration_case {
    const char *text;
    int64_t duration; /* 0: refused */
} duration_cases[] = {
    {"1s", 1000},
    {"90s", 90000},
    {"15m", 900000},
    {"12h", 43200000},
    {"30d", 30 * DAY},
    {"4w", 28 * DAY},
    {"007d", 7 * DAY},
    {"36500d", 36500 * DAY},
    {"5217w", 5217 * 7 * DAY},
    {"0s", 0},
    {"0d", 0},
    {"000m", 0},
    {"36601d", 0},
    {"5229w", 0},
    {"3162240001s", 0},
    {"9999999999w", 0},
    {"99999999999999999999w", 0},
    {"", 0},
    {"s", 0},
    {"30", 0},
    {"30x", 0},
    {"30D", 0},
    {"30 d", 0},
    {" 30d", 0},
    {"30d ", 0},
    {"30dd", 0},
    {"-1d", 0},
    {"+1d", 0},
    {"1.5h", 0},
    {"0x1h", 0},
    {"1d12h", 0},
};

static void durations(const void *row)
{
    const struct duration_case *c = row;
    int64_t duration = -1;

    assert_int_equal(clock_parse_duration(c->text, &duration), c->duration > 0);
    if (c->duration > 0)
        assert_true(duration == c->duration);
}

static const struct time_case {
    const char *text;
    int64_t ms; /* -1: refused */
    bool has_offset;
} time_cases[] = {
    {"2026-04-03", 1775174400000, false},
    {"2026-04-03T08:15", 1775204100000, false},
    {"2026-04-03T08:15:01", 1775204101000, false},
    {"2026-04-03T08:15:01.023", 1775204101023, false},
    {"2026-04-03T08:15Z", 1775204100000, true},
    {"2026-04-03T08:15:00Z", 1775204100000, true},
    {"2026-04-03T08:15:00.123Z", 1775204100123, true},
    {"2026-04-03T10:15:00+02:00", 1775204100000, true},
    {"2026-04-03T10:45+0230", 1775204100000, true},
    {"2026-04-03T02:30:00.000-05:45", 1775204100000, true},
    {"2026-04-03T08:15-0000", 1775204100000, true},
    {"2024-02-29", 1709164800000, false},
    {"1970-01-01T00:00:00.000", 0, false},
    {"1970-01-01T00:00:00.000Z", 0, true},
    {"1969-12-31T23:00-01:00", 0, true},
    {"9999-12-31T23:59:59.999Z", 253402300799999, true},
    {"1969-12-31T23:59:59.999", -1, false},
    {"1970-01-01T00:00+00:01", -1, false},
    {"9999-12-31T23:59-00:01", -1, false},
    {"10000-01-01", -1, false},
    {"0000-01-01", -1, false},
    {"", -1, false},
    {"now", -1, false},
    {"1775204100", -1, false},
    {"2026", -1, false},
    {"2026-04", -1, false},
    {"2026-4-3", -1, false},
    {"20260403T081500Z", -1, false},
    {"2026-04-31", -1, false},
    {"2026-02-29", -1, false},
    {"2026-00-01", -1, false},
    {"2026-13-01", -1, false},
    {"2026-01-00", -1, false},
    {"2026-04-03Z", -1, false},
    {"2026-04-03+02:00", -1, false},
    {"2026-04-03T", -1, false},
    {"2026-04-03T08", -1, false},
    {"2026-04-03 08:15", -1, false},
    {"2026-04-03t08:15", -1, false},
    {"2026-04-03T08:15z", -1, false},
    {"2026-04-03T24:00", -1, false},
    {"2026-04-03T08:60", -1, false},
    {"2026-04-03T08:15:60", -1, false},
    {"2026-04-03T08:15:00.", -1, false},
    {"2026-04-03T08:15:00.12", -1, false},
    {"2026-04-03T08:15:00.1234", -1, false},
    {"2026-04-03T08:15:00,123", -1, false},
    {"2026-04-03T08:15+02", -1, false},
    {"2026-04-03T08:15+2:00", -1, false},
    {"2026-04-03T08:15+24:00", -1, false},
    {"2026-04-03T08:15+02:60", -1, false},
    {"2026-04-03T08:15+02:00Z", -1, false},
    {"2026-04-03T08:15+02:000", -1, false},
    {"2026-04-03T08:15*02:00", -1, false},
    {"2026-04-03T08:15ZZ", -1, false},
    {" 2026-04-03", -1, false},
    {"2026-04-03 ", -1, false},
    {"-2026-04-03", -1, false},
};

static void parses_iso8601(const void *row)
{
    const struct time_case *c = row;
    int64_t ms = -1;
    bool has_offset = false;

    assert_int_equal(clock_parse_iso8601(c->text, &ms, &has_offset), c->ms >= 0);
    assert_true(ms == c->ms);
    assert_int_equal(has_offset, c->has_offset);
}

static void now(void)
{
    int64_t before = (int64_t) time(NULL) * 1000;
    int64_t got = clock_now_ms();

    assert_true(got >= before && got < before + 60000);
}

static void monotonic_never_goes_back(void)
{
    int64_t last = clock_monotonic_ms();

    for (int i = 0; i < 10000; i++) {
        int64_t next = clock_monotonic_ms();

        assert_true(next >= last);
        last = next;
    }
}

static void remaining(void)
{
    int64_t start = clock_monotonic_ms();

    assert_int_equal(clock_remaining_ms(start - 1), 0);
    assert_int_equal(clock_remaining_ms(0), 0);
    assert_int_equal(clock_remaining_ms(INT64_MAX), INT_MAX);
    assert_int_equal(clock_remaining_ms(start + INT64_C(2) * INT_MAX), INT_MAX);
    assert_in_range(clock_remaining_ms(start + 100000), 50000, 100000);
}

static int64_t to_ms(struct timespec instant)
{
    return (int64_t) instant.tv_sec * 1000 + instant.tv_nsec / 1000000;
}

static void timespec_after(void)
{
    static const int delays_ms[] = {0, 1, 999, 1000, 1001, 60000};

    for (size_t i = 0; i < ARRAY_SIZE(delays_ms); i++) {
        int64_t start = clock_monotonic_ms();
        struct timespec until = clock_timespec_after(delays_ms[i]);

        assert_in_range(until.tv_nsec, 0, 999999999);
        assert_true(to_ms(until) >= start + delays_ms[i] && to_ms(until) < start + delays_ms[i] + 30000);
    }
}

static void condition_waits_by_the_monotonic_clock(void)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int64_t start = clock_monotonic_ms();
    struct timespec until;
    pthread_cond_t condition;

    clock_init_condition(&condition);
    until = clock_timespec_after(20);
    pthread_mutex_lock(&lock);
    while (pthread_cond_timedwait(&condition, &lock, &until) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&condition);
    assert_true(clock_monotonic_ms() - start >= 19);
}

int main(void)
{
    CHECK_EACH(formats_iso8601, iso_cases, text);
    CHECK_EACH(formats_http_dates, date_cases, text);
    CHECK_EACH(parses_http_dates, date_cases, text);
    CHECK_EACH(parses_http_dates, older_dates, text);
    CHECK_EACH(refuses_http_dates, refused_dates, text);
    CHECK_EACH(durations, duration_cases, text);
    CHECK_EACH(parses_iso8601, time_cases, text);
    CHECK(now);
    CHECK(monotonic_never_goes_back);
    CHECK(remaining);
    CHECK(timespec_after);
    CHECK(condition_waits_by_the_monotonic_clock);
    return check_run("base/clock");
}
