#include "schedule/period.h"

#include "base/calendar.h"
#include "base/clock.h"
#include "check.h"

static const struct parse_case {
    const char *text;
    int64_t months, days, seconds; /* all 0: refused */
} parse_cases[] = {
    {"P7D", 0, 7, 0},
    {"P1M", 1, 0, 0},
    {"P1Y", 12, 0, 0},
    {"P2W", 0, 14, 0},
    {"PT24H", 0, 0, 86400},
    {"PT1M", 0, 0, 60},
    {"PT1S", 0, 0, 1},
    {"P1Y2M10DT2H30M", 14, 10, 9000},
    {"P1Y2M3DT4H5M6S", 14, 3, 14706},
    {"P0Y1D", 0, 1, 0},
    {"P007D", 0, 7, 0},
    {"P1DT0H", 0, 1, 0},
    {"P99999999Y", 1199999988, 0, 0},
    {"PT99999999S", 0, 0, 99999999},
    {"P100000000Y", 0, 0, 0},
    {"P000000001D", 0, 0, 0},
    {"", 0, 0, 0},
    {"P", 0, 0, 0},
    {"PT", 0, 0, 0},
    {"P1DT", 0, 0, 0},
    {"P0D", 0, 0, 0},
    {"P0Y0M0DT0H0M0S", 0, 0, 0},
    {"7D", 0, 0, 0},
    {"p7d", 0, 0, 0},
    {"P7", 0, 0, 0},
    {"PD", 0, 0, 0},
    {"P7X", 0, 0, 0},
    {"P7D ", 0, 0, 0},
    {" P7D", 0, 0, 0},
    {"P 7D", 0, 0, 0},
    {"-P7D", 0, 0, 0},
    {"+P7D", 0, 0, 0},
    {"P-7D", 0, 0, 0},
    {"P+7D", 0, 0, 0},
    {"P1.5D", 0, 0, 0},
    {"PT1,5H", 0, 0, 0},
    {"P1D1Y", 0, 0, 0},
    {"P1D1D", 0, 0, 0},
    {"P1H", 0, 0, 0},
    {"PT1D", 0, 0, 0},
    {"PT1Y", 0, 0, 0},
    {"P1DT1HT1M", 0, 0, 0},
    {"PT1S1H", 0, 0, 0},
    {"P1W1D", 0, 0, 0},
    {"P1Y1W", 0, 0, 0},
    {"P1WT1H", 0, 0, 0},
    {"PT1W", 0, 0, 0},
    {"P2026-01-01T00:00:00", 0, 0, 0},
};

static void parses(const void *row)
{
    const struct parse_case *c = row;
    struct period period = {-1, -1, -1};
    struct error err;

    if (c->months + c->days + c->seconds == 0) {
        assert_false(period_parse(c->text, "request.create_time.last", &period, &err));
        check_refusal(&err, ERROR_PARAMETER,
                      "request.create_time.last must be a positive ISO 8601 duration of integers, such as P7D, P1M or "
                      "PT24H, got \"");
        assert_true(period.days == -1);
        return;
    }
    check_good(period_parse(c->text, "last", &period, &err), &err);
    assert_true(period.months == c->months && period.days == c->days && period.seconds == c->seconds);
}

static const struct before_case {
    const char *period, *zone;
    const char *instant, *before;
} before_cases[] = {
    {"P7D", "UTC", "2026-04-03T08:15:00.123Z", "2026-03-27T08:15:00.123Z"},
    {"P2W", "UTC", "2026-04-03T08:15:00Z", "2026-03-20T08:15:00Z"},
    {"P1M", "UTC", "2026-03-31T08:15:00Z", "2026-02-28T08:15:00Z"},
    {"P1M", "UTC", "2024-03-31T08:15:00Z", "2024-02-29T08:15:00Z"},
    {"P3M", "UTC", "2026-01-31T08:15:00Z", "2025-10-31T08:15:00Z"},
    {"P12M", "UTC", "2026-12-01T00:00:00Z", "2025-12-01T00:00:00Z"},
    {"P1Y", "UTC", "2024-02-29T00:00:00Z", "2023-02-28T00:00:00Z"},
    {"P1M1D", "UTC", "2026-03-31T00:00:00Z", "2026-02-27T00:00:00Z"},
    {"P1DT2H3M4S", "UTC", "2026-04-03T08:15:00Z", "2026-04-02T06:11:56Z"},
    /* days are those of the clock, hours are exact */
    {"P1D", "Europe/Berlin", "2026-03-29T10:00:00Z", "2026-03-28T11:00:00Z"},
    {"PT24H", "Europe/Berlin", "2026-03-29T10:00:00Z", "2026-03-28T10:00:00Z"},
    {"P1D", "Europe/Berlin", "2026-03-30T00:30:00Z", "2026-03-29T01:30:00Z"},
    {"P1D", "Europe/Berlin", "2026-10-26T01:30:00Z", "2026-10-25T00:30:00Z"},
    {"P1DT1H", "Europe/Berlin", "2026-03-29T10:00:00Z", "2026-03-28T10:00:00Z"},
    /* the month is that of the zone */
    {"P1M", "Asia/Tokyo", "2026-03-30T16:00:00Z", "2026-02-27T16:00:00Z"},
    {"P1D", "Pacific/Apia", "2011-12-30T20:00:00Z", "2011-12-30T20:00:00Z"},
    /* nothing is before 1970 */
    {"P1D", "UTC", "1970-01-02T00:00:00.001Z", "1970-01-01T00:00:00.001Z"},
    {"P2D", "UTC", "1970-01-02T00:00:00Z", "1970-01-01T00:00:00Z"},
    {"P3D", "UTC", "1970-01-02T00:00:00Z", "1970-01-01T00:00:00Z"},
    {"PT1H", "UTC", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
    {"P1M", "America/New_York", "1970-02-01T01:00:00Z", "1970-01-01T01:00:00Z"},
    {"P1M", "America/New_York", "1970-02-01T06:00:00Z", "1970-01-01T06:00:00Z"},
    {"P1D", "America/New_York", "1970-01-02T03:00:00Z", "1970-01-01T03:00:00Z"},
    {"P99999999Y99999999M99999999DT99999999H", "UTC", "9999-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z"},
    {"P99999999D", "UTC", "9999-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z"},
};

static void goes_back(const void *row)
{
    const struct before_case *c = row;
    struct error err;
    struct time_zone *zone = time_zone_open(c->zone, &err);
    struct period period;
    int64_t instant, before;
    bool has_offset;

    check_good(period_parse(c->period, "last", &period, &err), &err);
    assert_true(clock_parse_iso8601(c->instant, &instant, &has_offset));
    assert_true(clock_parse_iso8601(c->before, &before, &has_offset));
    assert_int_equal(period_before(&period, zone, instant), before);
    time_zone_close(zone);
}

int main(void)
{
    CHECK_EACH(parses, parse_cases, text);
    CHECK_EACH(goes_back, before_cases, period);
    return check_run("schedule/period");
}
