/* The records of a CSV file, however the input is split. input_peek returns as many bytes as a test allows. */
#include "inventory/csv_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "check.h"
#include "scratch.h"

bool __real_input_peek(struct input *input, size_t wanted, const char **ret_data, size_t *ret_length,
                       struct error *err);
bool __wrap_input_peek(struct input *input, size_t wanted, const char **ret_data, size_t *ret_length,
                       struct error *err);

#define RANDOM_SPLITS (-1)
#define WHOLE 0

static int split; /* bytes that input_peek returns at most, or one of the above */
static unsigned dice;
static bool peek_fails;

static unsigned roll(unsigned sides)
{
    dice = dice * 1103515245 + 12345;
    return (dice >> 16) % sides;
}

bool __wrap_input_peek(struct input *input, size_t wanted, const char **ret_data, size_t *ret_length,
                       struct error *err)
{
    size_t most = split == RANDOM_SPLITS ? roll(9) : (size_t) split;

    if (peek_fails)
        return error_set(err, ERROR_PARAMETER, "the input cannot be read");
    if (!__real_input_peek(input, wanted, ret_data, ret_length, err))
        return false;
    if (split != WHOLE && *ret_length > most)
        *ret_length = *ret_length < wanted ? *ret_length : most < wanted ? wanted : most;
    return true;
}

static const int splits[] = {WHOLE, 1, 2, 3, 4, 5, 7, RANDOM_SPLITS, RANDOM_SPLITS, RANDOM_SPLITS};

struct text {
    const char *data;
    size_t length;
};

static struct input *open_text(struct text text)
{
    char *path = scratch_write("input.csv", text.data, text.length);
    struct error err;
    struct input *input = input_open(path, &err);

    check_good(input != NULL, &err);
    free(path);
    return input;
}

/* Appends "LINE:[field]NULL[field]\n" for each record, and "!message" at a failure. */
static void read_all(struct text text, struct buffer *out)
{
    struct input *input = open_text(text);
    struct csv_reader *reader = csv_reader_new(input);
    enum csv_reader_state state;
    struct csv_record record;
    struct error err;

    while ((state = csv_reader_next(reader, &record, &err)) == CSV_READER_RECORD) {
        assert_true(record.count > 0);
        buffer_printf(out, "%lld:", (long long) record.line);
        for (size_t i = 0; i < record.count; i++) {
            buffer_append_text(out, record.fields[i].data == NULL ? "NULL" : "[");
            if (record.fields[i].data == NULL)
                continue;
            buffer_append(out, record.fields[i].data, record.fields[i].length);
            buffer_append_text(out, "]");
        }
        buffer_append_text(out, "\n");
    }
    if (state == CSV_READER_FAILED) {
        assert_int_equal(err.code, ERROR_BODY);
        buffer_printf(out, "!%s", err.message);
    } else {
        assert_int_equal(csv_reader_next(reader, &record, &err), CSV_READER_END); /* and stays there */
    }
    csv_reader_free(reader);
    input_close(input);
}

#define STRAY_CR ": a carriage return must be within quotes or followed by a line feed"
#define STRAY_QUOTE ": a quote must not be within a field that does not begin with one"
#define TEXT_AFTER_QUOTE ": a closing quote must be followed by a comma or the end of the line"
#define OPEN_QUOTE ": the quote of a field that begins here is not closed"
#define NUL_BYTE ": a NUL byte is not allowed"

static const struct read_case {
    struct text text;
    const char *expected;
} read_cases[] = {
    {{BYTES("")}, ""},
    {{BYTES("a,b\r\nc,d\r\n")}, "1:[a][b]\n2:[c][d]\n"},
    {{BYTES("a,b\nc,d\n")}, "1:[a][b]\n2:[c][d]\n"},
    {{BYTES("a\nb\r\nc\n")}, "1:[a]\n2:[b]\n3:[c]\n"},
    {{BYTES("a,b")}, "1:[a][b]\n"},
    {{BYTES("\"a\"")}, "1:[a]\n"},
    {{BYTES("\"\"")}, "1:[]\n"},
    {{BYTES("\"\",,\"\"\n,\n")}, "1:[]NULL[]\n2:NULLNULL\n"},
    {{BYTES(",")}, "1:NULLNULL\n"},
    {{BYTES("a,\r\n,b")}, "1:[a]NULL\n2:NULL[b]\n"},
    {{BYTES("\"a,b\",\"c\"\"d\",\"\"\"\"\n")}, "1:[a,b][c\"d][\"]\n"},
    {{BYTES(" a , \tb\t\n")}, "1:[ a ][ \tb\t]\n"},
    {{BYTES("\" a \"\n \n")}, "1:[ a ]\n2:[ ]\n"},
    {{BYTES("caf\xC3\xA9,\xFF\xFE\n")}, "1:[caf\xC3\xA9][\xFF\xFE]\n"},
    /* Lines are counted in quotes and between records. */
    {{BYTES("\"a\nb\",c\nd\n")}, "1:[a\nb][c]\n3:[d]\n"},
    {{BYTES("\"a\r\nb\r\n\r\n\"\r\nd\r\n")}, "1:[a\r\nb\r\n\r\n]\n5:[d]\n"},
    {{BYTES("\"a\rb\",\"\r\",\"\r\r\n\"\nd\n")}, "1:[a\rb][\r][\r\r\n]\n3:[d]\n"},
    {{BYTES("\n\r\n\na\n\r\n\nb\n\n")}, "4:[a]\n7:[b]\n"},
    {{BYTES("\r\n")}, ""},
    {{BYTES("\n\n\n")}, ""},
    {{BYTES("a\n\"\n\"\n\nb")}, "1:[a]\n2:[\n]\n5:[b]\n"},
    /* A byte order mark is text. */
    {{BYTES("\xEF\xBB\xBF" "a\n\xEF\xBB\xBF\n")}, "1:[\xEF\xBB\xBF" "a]\n2:[\xEF\xBB\xBF]\n"},
    {{BYTES("\xEF\xBB\xBF\"a\"\n")}, "!line 1" STRAY_QUOTE},
    /* Damage. */
    {{BYTES("a\nb,\"c")}, "1:[a]\n!line 2" OPEN_QUOTE},
    {{BYTES("a,\"b\n\nc,d\n")}, "!line 1" OPEN_QUOTE},
    {{BYTES("\"a\nb\",c,\"\nd\n\n")}, "!line 2" OPEN_QUOTE},
    {{BYTES("\"")}, "!line 1" OPEN_QUOTE},
    {{BYTES("\"a\"\"")}, "!line 1" OPEN_QUOTE},
    {{BYTES("a\n\nb,\"c\",\"d")}, "1:[a]\n!line 3" OPEN_QUOTE},
    {{BYTES("a\n\"b\"c,d\n")}, "1:[a]\n!line 2" TEXT_AFTER_QUOTE},
    {{BYTES("\"b\" ,d\n")}, "!line 1" TEXT_AFTER_QUOTE},
    {{BYTES("\"b\n\"c\n")}, "!line 2" TEXT_AFTER_QUOTE},
    {{BYTES("\"b\"\xC3\xA9")}, "!line 1" TEXT_AFTER_QUOTE},
    {{BYTES("a\nb\"c\n")}, "1:[a]\n!line 2" STRAY_QUOTE},
    {{BYTES("a\" \n")}, "!line 1" STRAY_QUOTE},
    {{BYTES("a, \"b\"\n")}, "!line 1" STRAY_QUOTE},
    {{BYTES("a\nb\0c\n")}, "1:[a]\n!line 2" NUL_BYTE},
    {{BYTES("\0")}, "!line 1" NUL_BYTE},
    {{BYTES("\"a\n\0\"\n")}, "!line 2" NUL_BYTE},
    {{BYTES("a\0")}, "!line 1" NUL_BYTE},
    {{BYTES("a\nb\rc\n")}, "1:[a]\n!line 2" STRAY_CR},
    {{BYTES("a\r\"b\n\"\n")}, "!line 1" STRAY_CR},
    {{BYTES("a\r")}, "!line 1" STRAY_CR},
    {{BYTES("\"a\"\r")}, "!line 1" STRAY_CR},
    {{BYTES("\"a\"\rb\r\n")}, "!line 1" STRAY_CR},
    {{BYTES("a\r\r\nb\n")}, "!line 1" STRAY_CR},
    {{BYTES("\r")}, "!line 1" STRAY_CR},
    {{BYTES("a\n\n\rb\n")}, "1:[a]\n!line 3" STRAY_CR},
    {{BYTES("\r\r\n")}, "!line 1" STRAY_CR},
    {{BYTES("a,\r")}, "!line 1" STRAY_CR},
};

static void reads_records(const void *row)
{
    const struct read_case *c = row;

    for (size_t i = 0; i < ARRAY_SIZE(splits); i++) {
        struct buffer found = {0};

        split = splits[i];
        dice = (unsigned) i;
        read_all(c->text, &found);
        assert_string_equal(buffer_text(&found), c->expected);
        buffer_free(&found);
    }
}

/* Appends a random field to the text, and what the reader must make of it to `expected`. */
static void add_random_field(struct buffer *text, struct buffer *expected, int64_t *line)
{
    static const char *const pieces[] = {"a", "bc", "\"", ",", "\n", "\r", "\r\n", " ", "\t", "\xC3\xA9", "'", "=", ""};
    bool quoted = roll(2) == 0, is_empty = true;

    buffer_append_text(text, quoted ? "\"" : "");
    if (quoted)
        buffer_append_text(expected, "[");
    for (unsigned count = roll(6); count > 0; count--) {
        const char *piece = pieces[roll(ARRAY_SIZE(pieces))];

        if (!quoted && strpbrk(piece, "\",\r\n") != NULL)
            continue;
        if (!quoted && is_empty && *piece != '\0')
            buffer_append_text(expected, "[");
        is_empty = is_empty && *piece == '\0';
        *line += strchr(piece, '\n') != NULL;
        buffer_append_text(text, strcmp(piece, "\"") == 0 ? "\"\"" : piece);
        buffer_append_text(expected, piece);
    }
    buffer_append_text(text, quoted ? "\"" : "");
    buffer_append_text(expected, quoted || !is_empty ? "]" : "NULL");
}

/* Writes records at random, reads them in random pieces, and compares. */
static void reads_what_was_written(void)
{
    for (unsigned seed = 0; seed < 500; seed++) {
        struct buffer text = {0}, expected = {0}, found = {0};
        int64_t line = 1;

        dice = seed;
        for (unsigned records = roll(20); records > 0; records--) {
            buffer_printf(&expected, "%lld:", (long long) line);
            add_random_field(&text, &expected, &line);
            for (unsigned fields = 1 + roll(5); fields > 0; fields--) {
                buffer_append_text(&text, ",");
                add_random_field(&text, &expected, &line);
            }
            buffer_append_text(&expected, "\n");
            for (unsigned ends = 1 + roll(3) / 2; ends > 0; ends--) {
                buffer_append_text(&text, roll(2) == 0 ? "\n" : "\r\n");
                line++;
            }
        }
        for (size_t i = 0; i < ARRAY_SIZE(splits); i++) {
            buffer_clear(&found);
            split = splits[i];
            read_all((struct text) {buffer_text(&text), text.length}, &found);
            assert_string_equal(buffer_text(&found), buffer_text(&expected));
        }
        buffer_free(&text);
        buffer_free(&expected);
        buffer_free(&found);
    }
}

/* Builds "head\n", and a record of this length without its line end, of which the first byte is a quote or not. */
static void long_record(struct buffer *out, size_t length, bool is_quoted, bool is_closed)
{
    buffer_append_text(out, "head\n");
    buffer_append_text(out, is_quoted ? "\"" : "x");
    for (size_t at = 1; at + 1 < length; at++)
        buffer_append(out, is_quoted && at % 100 == 0 ? "\n" : "y", 1);
    buffer_append_text(out, is_closed ? "\"" : "y");
}

static const struct limit_case {
    const char *name;
    size_t length;
    bool is_quoted, is_closed;
    const char *end;
    const char *failure; /* NULL: there is none */
} limit_cases[] = {
    {"longest", CSV_READER_MAX_RECORD - 1, false, false, "\n", NULL},
    {"longest without an end", CSV_READER_MAX_RECORD, false, false, "", NULL},
    {"longest in quotes", CSV_READER_MAX_RECORD - 2, true, true, "\r\n", NULL},
    {"too long", CSV_READER_MAX_RECORD, false, false, "\n", "line 2: the record is longer than 1 MiB"},
    {"too long without an end", CSV_READER_MAX_RECORD + 1, false, false, "", "line 2: the record is longer than 1 MiB"},
    {"too long in quotes", CSV_READER_MAX_RECORD - 1, true, true, "\r\n", "line 2: the record is longer than 1 MiB"},
    {"open quote", 3 * CSV_READER_MAX_RECORD, true, false, "\n", "line 2: the record is longer than 1 MiB"},
};

static void record_length_has_a_limit(const void *row)
{
    const struct limit_case *c = row;
    struct buffer text = {0};
    struct csv_reader *reader;
    struct csv_record record;
    struct input *input;
    struct error err;

    split = WHOLE;
    long_record(&text, c->length, c->is_quoted, c->is_closed);
    buffer_append_text(&text, c->end);
    input = open_text((struct text) {text.data, text.length});
    reader = csv_reader_new(input);
    assert_int_equal(csv_reader_next(reader, &record, &err), CSV_READER_RECORD);
    if (c->failure == NULL) {
        assert_int_equal(csv_reader_next(reader, &record, &err), CSV_READER_RECORD);
        assert_int_equal(record.count, 1);
        assert_int_equal(record.fields[0].length, c->length - (c->is_quoted ? 2 : 0));
        assert_int_equal(csv_reader_next(reader, &record, &err), CSV_READER_END);
    } else {
        assert_int_equal(csv_reader_next(reader, &record, &err), CSV_READER_FAILED);
        check_refusal(&err, ERROR_BODY, c->failure);
    }
    csv_reader_free(reader);
    input_close(input);
    buffer_free(&text);
}

static void field_count_has_a_limit(void)
{
    struct buffer text = {0}, found = {0};
    struct csv_reader *reader;
    struct csv_record record;
    struct input *input;
    struct error err;

    split = WHOLE;
    for (int i = 1; i < CSV_READER_MAX_FIELDS; i++)
        buffer_append_text(&text, i % 2 == 0 ? "," : "\"a\",");
    buffer_append_text(&text, "last\n");
    input = open_text((struct text) {text.data, text.length});
    reader = csv_reader_new(input);
    assert_int_equal(csv_reader_next(reader, &record, &err), CSV_READER_RECORD);
    assert_int_equal(record.count, CSV_READER_MAX_FIELDS);
    assert_null(record.fields[1].data);
    assert_memory_equal(record.fields[CSV_READER_MAX_FIELDS - 1].data, "last", 4);
    csv_reader_free(reader);
    input_close(input);

    text.length--;
    buffer_append_text(&text, ",\n");
    read_all((struct text) {text.data, text.length}, &found);
    assert_string_equal(buffer_text(&found), "!line 1: the record has more than 1000 fields");
    buffer_free(&found);
    buffer_free(&text);
}

static void failed_input(void)
{
    for (int reads = 0; reads <= 1; reads++) {
        struct input *input = open_text((struct text) {BYTES("a\nb\n")});
        struct csv_reader *reader = csv_reader_new(input);
        struct csv_record record;
        struct error err;

        if (reads > 0)
            assert_int_equal(csv_reader_next(reader, &record, &err), CSV_READER_RECORD);
        peek_fails = true;
        assert_int_equal(csv_reader_next(reader, &record, &err), CSV_READER_FAILED);
        peek_fails = false;
        check_refusal(&err, ERROR_PARAMETER, "the input cannot be read");
        csv_reader_free(reader);
        input_close(input);
    }
}

static void freeing_nothing_is_fine(void)
{
    csv_reader_free(NULL);
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(read_cases); i++) {
        static char labels[ARRAY_SIZE(read_cases)][8];

        snprintf(labels[i], sizeof(labels[i]), "%zu", i);
        check_add("reads_records", labels[i], reads_records, &read_cases[i]);
    }
    CHECK(reads_what_was_written);
    CHECK_EACH(record_length_has_a_limit, limit_cases, name);
    CHECK(field_count_has_a_limit);
    CHECK(failed_input);
    CHECK(freeing_nothing_is_fine);
    return check_run("inventory/csv_reader");
}
