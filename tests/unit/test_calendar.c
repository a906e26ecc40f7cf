#include "base/calendar.h"

#include "check.h"

static const struct day_case {
    const char *text;
    int year, month, day;
    int64_t number;
    int weekday;
} day_cases[] = {
    {"epoch", 1970, 1, 1, 0, 3},
    {"before the epoch", 1969, 12, 31, -1, 2},
    {"leap day", 2024, 2, 29, 19782, 3},
    {"after a leap day", 2024, 3, 1, 19783, 4},
    {"leap century", 2000, 2, 29, 11016, 1},
    {"common century", 2100, 3, 1, 47541, 0},
    {"end of a leap year", 2024, 12, 31, 20088, 1},
    {"last", 9999, 12, 31, 2932896, 4},
    {"first", 1, 1, 1, -719162, 0},
};

static void days(const void *row)
{
    const struct day_case *c = row;
    struct calendar_date date = calendar_date(c->number);

    assert_int_equal(calendar_day(c->year, c->month, c->day), c->number);
    assert_int_equal(date.year, c->year);
    assert_int_equal(date.month, c->month);
    assert_int_equal(date.day, c->day);
    assert_int_equal(calendar_weekday(c->number), c->weekday);
}

static void every_day_follows_the_one_before(void)
{
    int64_t number = calendar_day(1890, 1, 1);

    for (int year = 1890; year <= 2310; year++) {
        int in_year = 0;

        for (int month = 1; month <= 12; month++) {
            for (int day = 1; day <= calendar_month_length(year, month); day++, number++, in_year++) {
                struct calendar_date date = calendar_date(number);

                assert_int_equal(calendar_day(year, month, day), number);
                assert_true(date.year == year && date.month == month && date.day == day);
            }
        }
        assert_int_equal(in_year, calendar_year_length(year));
    }
    assert_int_equal(calendar_day(2310, 1, 1) - calendar_day(1910, 1, 1), CALENDAR_CYCLE_DAYS);
}

static void days_continue_in_the_next_month(void)
{
    assert_int_equal(calendar_day(2026, 2, 29), calendar_day(2026, 3, 1));
}

static void division_rounds_down(void)
{
    assert_int_equal(calendar_divide(7, 3), 2);
    assert_int_equal(calendar_divide(-7, 3), -3);
    assert_int_equal(calendar_divide(-6, 3), -2);
    assert_int_equal(calendar_remainder(7, 3), 1);
    assert_int_equal(calendar_remainder(-7, 3), 2);
    assert_int_equal(calendar_remainder(-6, 3), 0);
}

int main(void)
{
    CHECK_EACH(days, day_cases, text);
    CHECK(every_day_follows_the_one_before);
    CHECK(days_continue_in_the_next_month);
    CHECK(division_rounds_down);
    return check_run("base/calendar");
}
