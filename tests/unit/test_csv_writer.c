#include "inventory/csv_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define CRLF "\r\n"

static const struct csv_options plain = {.bom = false, .formula_guard = false, .utc = true};
static const struct csv_options guarded = {.bom = false, .formula_guard = true, .utc = true};

/* An output that keeps its data, and fails at a given call. */
struct collector {
    struct buffer bytes;
    size_t calls;
    size_t largest;
    size_t fails_at; /* 0: never */
};

static bool collect(void *context, const char *data, size_t length, struct error *err)
{
    struct collector *collector = context;

    collector->calls++;
    if (length > collector->largest)
        collector->largest = length;
    if (collector->calls == collector->fails_at)
        return error_set(err, ERROR_STORAGE, "the output is full");
    buffer_append(&collector->bytes, data, length);
    return true;
}

static void begin(struct csv_writer *writer, const struct csv_options *options, struct collector *collector)
{
    const struct csv_output output = {collect, collector};

    csv_writer_begin(writer, options, &output);
}

static void field(struct csv_writer *writer, enum column_type type, const char *text)
{
    csv_writer_field(writer, type, text, text == NULL ? 0 : strlen(text));
}

static void finish(struct csv_writer *writer)
{
    struct error err;

    check_good(csv_writer_flush(writer, &err), &err);
    csv_writer_end(writer);
}

static void end_line(struct csv_writer *writer)
{
    struct error err;

    check_good(csv_writer_end_line(writer, &err), &err);
}

/* Checks the bytes of a file with this one field. */
static void check_field(const struct csv_options *options, enum column_type type, const char *data, size_t length,
                        const char *expected)
{
    struct collector collector = {0};
    struct buffer line = {0};
    struct csv_writer writer;

    begin(&writer, options, &collector);
    csv_writer_field(&writer, type, data, length);
    end_line(&writer);
    finish(&writer);
    buffer_printf(&line, "%s" CRLF, expected);
    assert_string_equal(buffer_text(&collector.bytes), line.data);
    assert_int_equal(collector.bytes.length, line.length);
    buffer_free(&line);
    buffer_free(&collector.bytes);
}

static const struct quote_case {
    const char *text;
    const char *field;
} quote_cases[] = {
    {"", "\"\""},
    {"nginx", "\"nginx\""},
    {"a,b;c\td", "\"a,b;c\td\""},
    {" a ", "\" a \""},
    {"a\"b", "\"a\"\"b\""},
    {"\"", "\"\"\"\""},
    {"\"\"", "\"\"\"\"\"\""},
    {"\"a\"", "\"\"\"a\"\"\""},
    {"a\r\nb\nc\rd", "\"a\r\nb\nc\rd\""},
    {"back\\slash", "\"back\\slash\""},
    {"100%s", "\"100%s\""},
    {"caf\xC3\xA9 \xE5\xAE\xB9\xE5\x99\xA8 \xF0\x9F\x98\x80",
     "\"caf\xC3\xA9 \xE5\xAE\xB9\xE5\x99\xA8 \xF0\x9F\x98\x80\""},
    {"\x01\x7F", "\"\x01\x7F\""},
    {"NULL", "\"NULL\""},
    {"'quoted'", "\"'quoted'\""},
};

static void quotes(const void *row)
{
    const struct quote_case *c = row;

    check_field(&plain, COLUMN_TEXT, c->text, strlen(c->text), c->field);
    check_field(&guarded, COLUMN_TEXT, c->text, strlen(c->text), c->field);
    check_field(&guarded, COLUMN_PLAIN, c->text, strlen(c->text), c->field);
}

static void null_is_empty_and_unquoted(void)
{
    check_field(&guarded, COLUMN_TEXT, NULL, 0, "");
    check_field(&guarded, COLUMN_PLAIN, NULL, 0, "");
    check_field(&guarded, COLUMN_TIME, NULL, 0, "");
}

static void only_length_bytes_count(void)
{
    check_field(&guarded, COLUMN_TEXT, "=ab", 1, "\"'=\"");
    check_field(&guarded, COLUMN_TEXT, "=ab", 0, "\"\"");
    check_field(&plain, COLUMN_TEXT, "ab\"\"", 3, "\"ab\"\"\"");
    check_field(&plain, COLUMN_PLAIN, "12345", 2, "\"12\"");
}

static const struct guard_case {
    const char *text;
    const char *with;
    const char *without;
} guard_cases[] = {
    {"=1+1", "\"'=1+1\"", "\"=1+1\""},
    {"=", "\"'=\"", "\"=\""},
    {"+1", "\"'+1\"", "\"+1\""},
    {"-1", "\"'-1\"", "\"-1\""},
    {"@SUM(A1)", "\"'@SUM(A1)\"", "\"@SUM(A1)\""},
    {"\ta", "\"'\ta\"", "\"\ta\""},
    {"\ra", "\"'\ra\"", "\"\ra\""},
    {"=\"x\"", "\"'=\"\"x\"\"\"", "\"=\"\"x\"\"\""},
    {"=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"",
     "\"=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""},
    {"==", "\"'==\"", "\"==\""},
    {"\na", "\"\na\"", "\"\na\""},
    {" =1", "\" =1\"", "\" =1\""},
    {"'=1", "\"'=1\"", "\"'=1\""},
    {"a=1", "\"a=1\"", "\"a=1\""},
    {"\"=1", "\"\"\"=1\"", "\"\"\"=1\""},
    {"!a", "\"!a\"", "\"!a\""},
    {"1", "\"1\"", "\"1\""},
};

/* Only text is guarded: numbers and booleans are unchanged. */
static void guards(const void *row)
{
    const struct guard_case *c = row;

    check_field(&guarded, COLUMN_TEXT, c->text, strlen(c->text), c->with);
    check_field(&plain, COLUMN_TEXT, c->text, strlen(c->text), c->without);
    check_field(&guarded, COLUMN_PLAIN, c->text, strlen(c->text), c->without);
}

static const struct time_case {
    const char *text;
    const char *utc;   /* NULL: not in a zone that is UTC */
    const char *zoned;
} time_cases[] = {
    {"2026-04-03 08:15:00+00", "2026-04-03T08:15:00.000Z", "2026-04-03T08:15:00.000+00:00"},
    {"2026-04-03 08:15:00.1+00", "2026-04-03T08:15:00.100Z", "2026-04-03T08:15:00.100+00:00"},
    {"2026-04-03 08:15:00.12+00", "2026-04-03T08:15:00.120Z", "2026-04-03T08:15:00.120+00:00"},
    {"2026-04-03 08:15:00.123+00", "2026-04-03T08:15:00.123Z", "2026-04-03T08:15:00.123+00:00"},
    {"2026-04-03 08:15:00.1239+00", "2026-04-03T08:15:00.123Z", "2026-04-03T08:15:00.123+00:00"},
    {"2026-04-03 08:15:00.12345+00", "2026-04-03T08:15:00.123Z", "2026-04-03T08:15:00.123+00:00"},
    {"2026-04-03 08:15:00.999999+00", "2026-04-03T08:15:00.999Z", "2026-04-03T08:15:00.999+00:00"},
    {"2026-04-03 08:15:00.000001+00", "2026-04-03T08:15:00.000Z", "2026-04-03T08:15:00.000+00:00"},
    {"2026-04-03 08:15:00.05+00", "2026-04-03T08:15:00.050Z", "2026-04-03T08:15:00.050+00:00"},
    {"2026-04-03 13:45:00.12+05:30", NULL, "2026-04-03T13:45:00.120+05:30"},
    {"2026-04-03 05:15:00-03", NULL, "2026-04-03T05:15:00.000-03:00"},
    {"2026-04-03 04:45:00.5-03:30", NULL, "2026-04-03T04:45:00.500-03:30"},
    {"2026-04-03 16:15:00.123456+08", NULL, "2026-04-03T16:15:00.123+08:00"},
    {"2026-04-03 22:15:00+14", NULL, "2026-04-03T22:15:00.000+14:00"},
    {"0001-01-01 00:00:00+00", "0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000+00:00"},
    {"9999-12-31 23:59:59.999+00", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999+00:00"},
    {"294276-12-31 23:59:59.999999+00", "294276-12-31T23:59:59.999Z", "294276-12-31T23:59:59.999+00:00"},
    {"infinity", "infinity", "infinity"},
    {"-infinity", "-infinity", "-infinity"},
    {"0044-03-15 12:00:00+00 BC", "0044-03-15 12:00:00+00 BC", "0044-03-15 12:00:00+00 BC"},
    {"4714-11-24 00:00:00.5+05:30 BC", "4714-11-24 00:00:00.5+05:30 BC", "4714-11-24 00:00:00.5+05:30 BC"},
};

/* Always three decimals, cut and not rounded. The guard does not change times. */
static void times(const void *row)
{
    const struct csv_options zoned = {.formula_guard = true, .utc = false};
    const struct time_case *c = row;
    char expected[80];

    snprintf(expected, sizeof(expected), "\"%s\"", c->zoned);
    check_field(&zoned, COLUMN_TIME, c->text, strlen(c->text), expected);
    if (c->utc == NULL)
        return;
    snprintf(expected, sizeof(expected), "\"%s\"", c->utc);
    check_field(&guarded, COLUMN_TIME, c->text, strlen(c->text), expected);
}

/* A site's view may return any text as a time: no byte after its end is read, and no buffer overflows. */
static void odd_times(void)
{
    static const char *const texts[] = {"", " ", "  ", "x", "+", "-", "2026-04-03", "2026-04-03 ",
                                        "2026-04-03 08", "2026-04-03 08:15:00", "2026-04-03 08:15:00+",
                                        "08:15:00+00", "2026-04-03 08:15+00"};
    struct collector collector = {0};
    struct csv_writer writer;
    char longest[300];

    begin(&writer, &guarded, &collector);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        size_t length = strlen(texts[i]);
        char *exact = malloc(length == 0 ? 1 : length);

        assert_non_null(exact);
        memcpy(exact, texts[i], length);
        csv_writer_field(&writer, COLUMN_TIME, exact, length);
        free(exact);
        end_line(&writer);
    }
    memset(longest, '7', sizeof(longest));
    for (size_t length = 40; length < sizeof(longest); length++) {
        memcpy(longest, "2026-04-03 08:15:00", 19);
        csv_writer_field(&writer, COLUMN_TIME, longest, length);
        end_line(&writer);
    }
    finish(&writer);
    buffer_free(&collector.bytes);
}

static void lines(void)
{
    struct collector collector = {0};
    struct csv_writer writer;

    begin(&writer, &guarded, &collector);
    field(&writer, COLUMN_TEXT, "Container, ID");
    field(&writer, COLUMN_TEXT, "=Risk");
    field(&writer, COLUMN_TEXT, "Created");
    end_line(&writer);
    field(&writer, COLUMN_TEXT, NULL);
    field(&writer, COLUMN_PLAIN, "true");
    field(&writer, COLUMN_TIME, "2026-04-03 08:15:00+00");
    end_line(&writer);
    field(&writer, COLUMN_TEXT, "");
    field(&writer, COLUMN_PLAIN, NULL);
    field(&writer, COLUMN_TIME, NULL);
    end_line(&writer);
    field(&writer, COLUMN_TEXT, NULL);
    field(&writer, COLUMN_PLAIN, "-7");
    field(&writer, COLUMN_TIME, NULL);
    end_line(&writer);
    finish(&writer);
    assert_string_equal(buffer_text(&collector.bytes),
                        "\"Container, ID\",\"'=Risk\",\"Created\"" CRLF
                        ",\"true\",\"2026-04-03T08:15:00.000Z\"" CRLF
                        "\"\",," CRLF
                        ",\"-7\"," CRLF);
    buffer_free(&collector.bytes);
}

/* The names of the headers are text: they are quoted and guarded. */
static void header_line(void)
{
    static const char body[] = "{\"export_headers\":[[\"risky\",\"Risk, \\\"all\\\"\"],[\"create_time\",\"=Time\"]]}";
    struct collector collector = {0};
    struct csv_writer writer;
    struct error err;
    struct selection *selection = selection_parse(body, strlen(body), &err);

    check_good(selection != NULL, &err);
    begin(&writer, &guarded, &collector);
    check_good(csv_writer_header(&writer, selection, &err), &err);
    field(&writer, COLUMN_PLAIN, "true");
    field(&writer, COLUMN_TIME, NULL);
    end_line(&writer);
    finish(&writer);
    assert_string_equal(buffer_text(&collector.bytes), "\"Risk, \"\"all\"\"\",\"'=Time\"" CRLF "\"true\"," CRLF);
    selection_free(selection);
    buffer_free(&collector.bytes);
}

static void byte_order_mark(void)
{
    for (int bom = 0; bom <= 1; bom++) {
        const struct csv_options options = {.bom = bom, .utc = true};
        struct collector collector = {0};
        struct csv_writer writer;

        begin(&writer, &options, &collector);
        for (int i = 0; i < 2; i++) {
            field(&writer, COLUMN_TEXT, "ID");
            end_line(&writer);
        }
        finish(&writer);
        assert_string_equal(buffer_text(&collector.bytes),
                            bom ? "\xEF\xBB\xBF\"ID\"" CRLF "\"ID\"" CRLF : "\"ID\"" CRLF "\"ID\"" CRLF);
        buffer_free(&collector.bytes);
    }
}

/* Fields of up to some hundred kilobytes in which every byte is doubled. */
static void large_fields(void)
{
    static const size_t sizes[] = {1, 255, 256, 257, 65535, 65536, 300000};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        char *text = malloc(sizes[i] + 1);
        struct buffer expected = {0};

        assert_non_null(text);
        memset(text, '"', sizes[i]);
        text[sizes[i]] = '\0';
        buffer_printf(&expected, "\"%s%s\"", text, text);
        check_field(&guarded, COLUMN_TEXT, text, sizes[i], expected.data);
        buffer_free(&expected);
        free(text);
    }
}

/* The memory of the writer does not grow with the number of rows. */
static void large_files_go_in_pieces(void)
{
    struct collector collector = {0};
    struct csv_writer writer;

    begin(&writer, &plain, &collector);
    for (int i = 0; i < 100000; i++) {
        char text[32];

        snprintf(text, sizeof(text), "row %d", i);
        field(&writer, COLUMN_TEXT, text);
        field(&writer, COLUMN_PLAIN, "true");
        end_line(&writer);
        assert_true(writer.buffer.capacity <= 512 * 1024);
    }
    finish(&writer);
    assert_in_range(collector.calls, 5, 1000);
    assert_true(collector.largest <= 512 * 1024);
    assert_int_equal(collector.bytes.length,
                     100000 * strlen("\"row \",\"true\"\r\n") + 10 + 90 * 2 + 900 * 3 + 9000 * 4 + 90000 * 5);
    assert_memory_equal(collector.bytes.data, "\"row 0\",\"true\"\r\n\"row 1\",", 23);
    assert_string_equal(collector.bytes.data + collector.bytes.length - 20, "\"row 99999\",\"true\"\r\n");
    buffer_free(&collector.bytes);
}

static void output_failure_is_passed_on(void)
{
    struct collector collector = {.fails_at = 2};
    struct csv_writer writer;
    struct error err;
    int lines = 0;

    begin(&writer, &plain, &collector);
    do {
        field(&writer, COLUMN_TEXT, "0123456789");
        lines++;
    } while (csv_writer_end_line(&writer, &err) && lines < 1000000);
    assert_int_equal(collector.calls, 2);
    check_refusal(&err, ERROR_STORAGE, "the output is full");
    csv_writer_end(&writer);
    buffer_free(&collector.bytes);
}

static void output_failure_at_the_last_flush(void)
{
    struct collector collector = {.fails_at = 1};
    struct csv_writer writer;
    struct error err;

    begin(&writer, &plain, &collector);
    field(&writer, COLUMN_TEXT, "x");
    end_line(&writer);
    assert_int_equal(collector.calls, 0);
    assert_false(csv_writer_flush(&writer, &err));
    check_refusal(&err, ERROR_STORAGE, "the output is full");
    csv_writer_end(&writer);
    buffer_free(&collector.bytes);
}

static void ends_in_the_middle_of_a_line(void)
{
    struct collector collector = {0};
    struct csv_writer writer;

    begin(&writer, &plain, &collector);
    field(&writer, COLUMN_TEXT, "x");
    csv_writer_end(&writer);
    assert_int_equal(collector.calls, 0);
}

static const struct options_case {
    const char *time_zone;
    bool bom, formula_guard, utc;
} options_cases[] = {
    {"UTC", false, false, true},
    {"Etc/UTC", true, false, true},
    {"Europe/London", false, true, false},
    {"Etc/GMT", true, true, false},
};

static void options_of_the_configuration(const void *row)
{
    const struct options_case *c = row;
    const struct config config = {
        .time_zone = (char *) (uintptr_t) c->time_zone, .bom = c->bom, .formula_guard = c->formula_guard,
    };
    const struct csv_options options = csv_options_configured(&config);

    assert_int_equal(options.bom, c->bom);
    assert_int_equal(options.formula_guard, c->formula_guard);
    assert_int_equal(options.utc, c->utc);
}

int main(void)
{
    CHECK_EACH(quotes, quote_cases, text);
    CHECK(null_is_empty_and_unquoted);
    CHECK(only_length_bytes_count);
    CHECK_EACH(guards, guard_cases, text);
    CHECK_EACH(times, time_cases, text);
    CHECK(odd_times);
    CHECK(lines);
    CHECK(header_line);
    CHECK(byte_order_mark);
    CHECK(large_fields);
    CHECK(large_files_go_in_pieces);
    CHECK(output_failure_is_passed_on);
    CHECK(output_failure_at_the_last_flush);
    CHECK_EACH(options_of_the_configuration, options_cases, time_zone);
    CHECK(ends_in_the_middle_of_a_line);
    return check_run("inventory/csv_writer");
}
