#include "base/time_zone.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/calendar.h"
#include "base/memory.h"
#include "base/posix_tz.h"
#include "check.h"

#define HOUR INT64_C(3600)
#define ONE_CHANGE 1, {1000}, {1}, 2, {3600, 7200}
#define NO_CHANGE 0, {0}, {0}, 1, {3600}

/* A data block of a TZif file. */
struct block {
    int change_count;
    int64_t instants[3];
    unsigned char types[3];
    int type_count;
    int32_t offsets[3];
};

static void append_number(struct buffer *file, int64_t number, int size)
{
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
        buffer_append(file, &(char) {(char) (unsigned char) ((uint64_t) number >> shift)}, 1);
}

static void append_block(struct buffer *file, char version, const struct block *block, int time_size)
{
    const char reserved[15] = {0};

    buffer_append(file, "TZif", 4);
    buffer_append(file, &version, 1);
    buffer_append(file, reserved, sizeof(reserved));
    append_number(file, 0, 4); /* UT indicators */
    append_number(file, 0, 4); /* standard indicators */
    append_number(file, 0, 4); /* leap seconds */
    append_number(file, block->change_count, 4);
    append_number(file, block->type_count, 4);
    append_number(file, 4, 4); /* bytes of names */
    for (int i = 0; i < block->change_count; i++)
        append_number(file, block->instants[i], time_size);
    buffer_append(file, (const char *) block->types, (size_t) block->change_count);
    for (int i = 0; i < block->type_count; i++) {
        append_number(file, block->offsets[i], 4);
        append_number(file, 0, 2);
    }
    buffer_append(file, "ABC", 4);
}

/* A file of version 2 whose 32-bit block says nothing. */
static struct buffer make_file(const struct block *block, const char *footer)
{
    const struct block nothing = {0, {0}, {0}, 1, {0}};
    struct buffer file = {0};

    append_block(&file, '2', &nothing, 4);
    append_block(&file, '2', block, 8);
    buffer_append_text(&file, footer);
    return file;
}

static struct time_zone *read_file(const struct buffer *file)
{
    struct error err;
    struct time_zone *zone = time_zone_read(file->data, file->length, &err);

    check_good(zone != NULL, &err);
    return zone;
}

static int64_t offset_at(const struct time_zone *zone, int64_t seconds)
{
    return time_zone_to_local(zone, seconds * 1000) / 1000 - seconds;
}

static const struct footer_case {
    const char *footer;
    const char *date;
    int year, month, day, hour; /* UTC */
    int64_t offset_before, offset;
} footer_cases[] = {
    {"CET-1CEST,M3.5.0,M10.5.0/3", "starts", 2050, 3, 27, 1, 1, 2},
    {"CET-1CEST,M3.5.0,M10.5.0/3", "ends", 2050, 10, 30, 1, 2, 1},
    {"CET-1CEST,M3.5.0,M10.5.0/3", "starts, in 9999", 9999, 3, 28, 1, 1, 2},
    {"CET-1CEST,M3.5.0,M10.5.0/3", "ends, in 9999", 9999, 10, 31, 1, 2, 1},
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "starts the day before", 2050, 3, 27, 1, -2, -1},
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "ends", 2050, 10, 30, 1, -1, -2},
    {"AEST-10AEDT,M10.1.0,M4.1.0/3", "southern, starts", 2050, 10, 1, 16, 10, 11},
    {"AEST-10AEDT,M10.1.0,M4.1.0/3", "southern, ends", 2050, 4, 2, 16, 11, 10},
    {"IST-1GMT0,M10.5.0,M3.5.0/1", "in winter, starts", 2050, 10, 30, 1, 1, 0},
    {"IST-1GMT0,M10.5.0,M3.5.0/1", "in winter, ends", 2050, 3, 27, 1, 0, 1},
    {"AAA3BBB,J60/0,J300", "Julian day, common year", 2050, 3, 1, 3, -3, -2},
    {"AAA3BBB,J60/0,J300", "Julian day, leap year", 2052, 3, 1, 3, -3, -2},
    {"AAA3BBB,J59/0,J300", "Julian day before the leap day", 2052, 2, 28, 3, -3, -2},
    {"AAA3BBB,59/0,300", "day from 0, common year", 2050, 3, 1, 3, -3, -2},
    {"AAA3BBB,59/0,300", "day from 0, leap year", 2052, 2, 29, 3, -3, -2},
    {"AAA3BBB,M3.4.4/50,M10.4.4/50", "more than a day later", 2050, 3, 26, 5, -3, -2},
    {"AAA3BBB4,M3.2.0/+02:00:00,M11.1.0", "a negative shift", 2050, 3, 13, 5, -3, -4},
};

static void follows_footer(const void *row)
{
    const struct footer_case *c = row;
    const struct block block = {NO_CHANGE};
    struct buffer text = {0}, file;
    int64_t change = calendar_day(c->year, c->month, c->day) * CALENDAR_DAY_SECONDS + c->hour * HOUR;
    struct time_zone *zone;

    buffer_printf(&text, "\n%s\n", c->footer);
    file = make_file(&block, buffer_text(&text));
    zone = read_file(&file);
    assert_int_equal(offset_at(zone, change - 1), c->offset_before * HOUR);
    assert_int_equal(offset_at(zone, change), c->offset * HOUR);
    time_zone_close(zone);
    buffer_free(&file);
    buffer_free(&text);
}

/* The cycle of 400 years has no seam. */
static void footer_repeats(void)
{
    const struct block block = {ONE_CHANGE};
    struct buffer file = make_file(&block, "\nCET-1CEST,M3.5.0,M10.5.0/3\n");
    struct time_zone *zone = read_file(&file);

    for (int year = 1971; year <= 9999; year++) {
        int64_t march = calendar_day(year, 3, 31);
        int64_t start = (march - (calendar_weekday(march) + 1) % 7) * CALENDAR_DAY_SECONDS + HOUR;
        int64_t skipped = (start + HOUR) * 1000;
        int64_t new_year = calendar_day(year, 1, 1) * CALENDAR_DAY_SECONDS;
        bool is_skipped;

        assert_int_equal(offset_at(zone, start - 1), HOUR);
        assert_int_equal(offset_at(zone, start), 2 * HOUR);
        assert_int_equal(offset_at(zone, new_year), HOUR);
        assert_true(time_zone_from_local(zone, skipped, &is_skipped) == start * 1000 && is_skipped);
        assert_true(time_zone_from_local(zone, skipped - 1, &is_skipped) == start * 1000 - 1 && !is_skipped);
        assert_true(time_zone_from_local(zone, new_year * 1000, NULL) == (new_year - HOUR) * 1000);
    }
    time_zone_close(zone);
    buffer_free(&file);
}

/* RFC 9636 section 3.3.2 has this example of daylight saving time that lasts all year. */
static void daylight_may_last_all_year(void)
{
    const struct block block = {1, {1000}, {1}, 2, {-4 * 3600, -3 * 3600}};
    struct buffer file = make_file(&block, "\nXXX3EDT4,0/0,J365/23\n");
    struct time_zone *zone = read_file(&file);

    for (int64_t day = calendar_day(2040, 12, 20); day < calendar_day(2041, 1, 10); day++)
        assert_int_equal(offset_at(zone, day * CALENDAR_DAY_SECONDS), -4 * HOUR);
    time_zone_close(zone);
    buffer_free(&file);
}

static void changes_apply(void)
{
    const struct block block = {3, {-5000, 1000, 2000000}, {1, 2, 0}, 3, {3600, 7200, 7200 + 1800}};
    struct buffer file = make_file(&block, "\n\n");
    struct time_zone *zone = read_file(&file);
    bool is_skipped;

    assert_int_equal(offset_at(zone, -5001), 3600);
    assert_int_equal(offset_at(zone, -5000), 7200);
    assert_int_equal(offset_at(zone, 999), 7200);
    assert_int_equal(offset_at(zone, 1000), 9000);
    assert_int_equal(offset_at(zone, 1999999), 9000);
    assert_int_equal(offset_at(zone, 2000000), 3600);
    assert_int_equal(offset_at(zone, calendar_day(9999, 12, 31) * CALENDAR_DAY_SECONDS), 3600);
    /* a gap of half an hour: the offset before it counts */
    assert_true(time_zone_from_local(zone, (1000 + 7200) * 1000, &is_skipped) == 1000000 && is_skipped);
    assert_true(time_zone_from_local(zone, (1000 + 9000) * 1000 - 1, &is_skipped) == 2799999 && is_skipped);
    assert_true(time_zone_from_local(zone, (1000 + 9000) * 1000, &is_skipped) == 1000000 && !is_skipped);
    /* a time that occurs twice is the first */
    assert_true(time_zone_from_local(zone, (2000000 + 3600) * INT64_C(1000), &is_skipped)
                == (2000000 - 5400) * INT64_C(1000) && !is_skipped);
    assert_true(time_zone_from_local(zone, (2000000 + 9000) * INT64_C(1000), NULL) == 2005400 * INT64_C(1000));
    time_zone_close(zone);
    buffer_free(&file);
}

/* Version 1 has only the 32-bit block. */
static void version_1_is_read(void)
{
    const struct block block = {ONE_CHANGE};
    struct buffer file = {0};
    struct time_zone *zone;

    append_block(&file, '\0', &block, 4);
    zone = read_file(&file);
    assert_int_equal(offset_at(zone, 999), 3600);
    assert_int_equal(offset_at(zone, 1000), 7200);
    time_zone_close(zone);
    buffer_free(&file);
}

static void check_invalid(const char *data, size_t length)
{
    char *copy = memory_copy_bytes(data, length); /* of the exact size, for the address sanitizer */
    struct error err;

    assert_null(time_zone_read(copy, length, &err));
    check_refusal(&err, ERROR_INTERNAL, "TZif");
    free(copy);
}

static void refuses_truncated_files(void)
{
    const struct block block = {ONE_CHANGE};
    struct buffer file = make_file(&block, "\nCET-1CEST,M3.5.0,M10.5.0/3\n");

    for (size_t length = 1; length < file.length; length++)
        check_invalid(file.data, length);
    time_zone_close(read_file(&file));
    buffer_free(&file);
}

/* Any byte may be wrong: the file is read or refused, and its times are finite. */
static void survives_wrong_bytes(void)
{
    const struct block block = {ONE_CHANGE};
    struct buffer file = make_file(&block, "\nCET-1CEST,M3.5.0,M10.5.0/3\n");

    for (size_t at = 0; at < file.length; at++) {
        for (int flip = 1; flip < 256; flip += 2) {
            char *copy = memory_copy_bytes(file.data, file.length);
            struct error err;
            struct time_zone *zone;

            copy[at] = (char) (copy[at] ^ flip);
            zone = time_zone_read(copy, file.length, &err);
            if (zone != NULL) {
                assert_in_range(time_zone_from_local(zone, CALENDAR_MAX_MS, NULL), CALENDAR_MAX_MS - 93600000,
                                CALENDAR_MAX_MS + 93600000);
            }
            time_zone_close(zone);
            free(copy);
        }
    }
    buffer_free(&file);
}

static const struct invalid_case {
    const char *label;
    struct block block;
    const char *footer;
} invalid_cases[] = {
    {"no type", {0, {0}, {0}, 0, {0}}, "\n\n"},
    {"unknown type", {1, {1000}, {2}, 2, {0, 3600}}, "\n\n"},
    {"changes in disorder", {2, {1000, 999}, {1, 0}, 2, {0, 3600}}, "\n\n"},
    {"two changes at once", {2, {1000, 1000}, {1, 0}, 2, {0, 3600}}, "\n\n"},
    {"offset too large", {0, {0}, {0}, 1, {93600}}, "\n\n"},
    {"offset too small", {0, {0}, {0}, 1, {-93600}}, "\n\n"},
    {"offset of a change too large", {1, {1000}, {1}, 2, {0, INT32_MAX}}, "\n\n"},
    {"no footer", {NO_CHANGE}, ""},
    {"no newline before the footer", {NO_CHANGE}, "UTC0\n"},
    {"no newline after the footer", {NO_CHANGE}, "\nUTC0"},
    {"one newline", {NO_CHANGE}, "\n"},
    {"not a TZ string", {NO_CHANGE}, "\nUTC\n"},
};

static void refuses_invalid_files(const void *row)
{
    const struct invalid_case *c = row;
    struct buffer file = make_file(&c->block, c->footer);

    check_invalid(file.data, file.length);
    buffer_free(&file);
}

static void refuses_unknown_versions(void)
{
    const struct block block = {NO_CHANGE};
    struct buffer file = make_file(&block, "\n\n");

    file.data[4] = '1';
    check_invalid(file.data, file.length);
    file.data[4] = '3';
    time_zone_close(read_file(&file));
    file.data[0] = 't';
    check_invalid(file.data, file.length);
    buffer_free(&file);
}

static const struct tz_case {
    const char *text;
    bool is_valid;
} tz_cases[] = {
    {"UTC0", true}, {"<-03>3", true}, {"<+0545>-5:45", true}, {"AAA24:59:59", true}, {"EST5EDT,M3.2.0,M11.1.0", true},
    {"EST5EDT4,J1/-167,365/167:59:59", true}, {"", false}, {"UTC", false}, {"UT0", false}, {"<UT0", false},
    {"<->0", false}, {"<U T>0", false}, {"UTC25", false}, {"UTC0:60", false}, {"UTC0:00:60", false}, {"UTC0 ", false},
    {"UTC--1", false}, {"EST5EDT", false}, {"EST5EDT,", false}, {"EST5EDT,M3.2.0", false},
    {"EST5EDT,M3.2.0,", false}, {"EST5EDT,M0.2.0,M11.1.0", false}, {"EST5EDT,M13.2.0,M11.1.0", false},
    {"EST5EDT,M3.0.0,M11.1.0", false}, {"EST5EDT,M3.6.0,M11.1.0", false}, {"EST5EDT,M3.2.7,M11.1.0", false},
    {"EST5EDT,M3.2,M11.1.0", false}, {"EST5EDT,M3-2.0,M11.1.0", false}, {"EST5EDT,M3.2.0/,M11.1.0", false},
    {"EST5EDT,M3.2.0/168,M11.1.0", false}, {"EST5EDT,J0,M11.1.0", false}, {"EST5EDT,J366,M11.1.0", false},
    {"EST5EDT,0,366", false}, {"EST5EDT,M3.2.0,M11.1.0x", false}, {"EST5ED,M3.2.0,M11.1.0", false},
    {"EST5EDT99999999999,M3.2.0,M11.1.0", false},
};

static void parses_tz(const void *row)
{
    const struct tz_case *c = row;
    struct posix_tz tz;

    assert_int_equal(posix_tz_parse(c->text, &tz), c->is_valid);
}

static const struct name_case {
    const char *name;
    bool is_zone;
} name_cases[] = {
    {"UTC", true}, {"Etc/UTC", true}, {"Europe/Berlin", true}, {"America/Argentina/Buenos_Aires", true},
    {"Etc/GMT+5", true}, {"EST5EDT", true}, {"", false}, {"Europe/Atlantis", false}, {"Europe", false},
    {"Europe/", false}, {"europe/berlin", false}, {"../etc/passwd", false}, {"Europe/../UTC", false}, {"/UTC", false},
    {"posix/UTC", false}, {"right/UTC", false}, {"posixrules", false}, {"localtime", false}, {"tzdata.zi", false},
    {"leapseconds", false}, {"leap-seconds.list", false}, {"zone1970.tab", false}, {"UTC0", false}, {"UTC\n", false},
    {"+02:00", false},
    {"Europe/BerlinEurope/BerlinEurope/BerlinEurope/BerlinEurope/BerlinEurope/BerlinEurope/BerlinEurope/Berlin", false},
};

static void opens(const void *row)
{
    const struct name_case *c = row;
    struct error err;
    struct time_zone *zone = time_zone_open(c->name, &err);

    if (c->is_zone)
        check_good(zone != NULL, &err);
    else
        assert_null(zone);
    if (!c->is_zone)
        check_refusal(&err, ERROR_PARAMETER, "time_zone must be a name of the time zone database, such as UTC or "
                      "Europe/Berlin, got \"");
    time_zone_close(zone);
}

/* The names of the configuration are checked no more strictly than before. */
static void names(void)
{
    assert_true(time_zone_is_name("UTC"));
    assert_true(time_zone_is_name("Europe/Berlin"));
    assert_false(time_zone_is_name("Europe"));
    assert_false(time_zone_is_name("Europe/../UTC"));
    assert_false(time_zone_is_name(""));
}

int main(void)
{
    CHECK_EACH(follows_footer, footer_cases, date);
    CHECK(footer_repeats);
    CHECK(daylight_may_last_all_year);
    CHECK(changes_apply);
    CHECK(version_1_is_read);
    CHECK(refuses_truncated_files);
    CHECK(survives_wrong_bytes);
    CHECK_EACH(refuses_invalid_files, invalid_cases, label);
    CHECK(refuses_unknown_versions);
    CHECK_EACH(parses_tz, tz_cases, text);
    CHECK_EACH(opens, name_cases, name);
    CHECK(names);
    return check_run("base/time_zone");
}
