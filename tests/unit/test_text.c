#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "check.h"

static const struct utf8_case {
    const char *label;
    const char *bytes;
    size_t length;
    size_t size; /* 0: refused */
    uint32_t code_point;
} utf8_cases[] = {
    {"nothing", BYTES(""), 0, 0},
    {"U+0000", BYTES("\0"), 1, 0},
    {"U+0061", BYTES("ab"), 1, 'a'},
    {"U+007F", BYTES("\x7F"), 1, 0x7F},
    {"U+0080", BYTES("\xC2\x80"), 2, 0x80},
    {"U+07FF", BYTES("\xDF\xBF"), 2, 0x7FF},
    {"U+0800", BYTES("\xE0\xA0\x80"), 3, 0x800},
    {"U+D7FF", BYTES("\xED\x9F\xBF"), 3, 0xD7FF},
    {"U+E000", BYTES("\xEE\x80\x80"), 3, 0xE000},
    {"U+FFFF", BYTES("\xEF\xBF\xBF"), 3, 0xFFFF},
    {"U+10000", BYTES("\xF0\x90\x80\x80"), 4, 0x10000},
    {"U+10FFFF", BYTES("\xF4\x8F\xBF\xBF"), 4, 0x10FFFF},
    {"only the first character", BYTES("\xE2\x82\xAC\xE2"), 3, 0x20AC},
    {"continuation byte 80", BYTES("\x80"), 0, 0},
    {"continuation byte BF", BYTES("\xBF"), 0, 0},
    {"U+0000 overlong in two", BYTES("\xC0\x80"), 0, 0},
    {"U+002F overlong in two", BYTES("\xC0\xAF"), 0, 0},
    {"U+007F overlong in two", BYTES("\xC1\xBF"), 0, 0},
    {"U+0000 overlong in three", BYTES("\xE0\x80\x80"), 0, 0},
    {"U+07FF overlong in three", BYTES("\xE0\x9F\xBF"), 0, 0},
    {"U+0000 overlong in four", BYTES("\xF0\x80\x80\x80"), 0, 0},
    {"U+FFFF overlong in four", BYTES("\xF0\x8F\xBF\xBF"), 0, 0},
    {"surrogate U+D800", BYTES("\xED\xA0\x80"), 0, 0},
    {"surrogate U+DBFF", BYTES("\xED\xAF\xBF"), 0, 0},
    {"surrogate U+DC00", BYTES("\xED\xB0\x80"), 0, 0},
    {"surrogate U+DFFF", BYTES("\xED\xBF\xBF"), 0, 0},
    {"U+110000", BYTES("\xF4\x90\x80\x80"), 0, 0},
    {"lead byte F5", BYTES("\xF5\x80\x80\x80"), 0, 0},
    {"five bytes", BYTES("\xF8\x88\x80\x80\x80"), 0, 0},
    {"six bytes", BYTES("\xFC\x84\x80\x80\x80\x80"), 0, 0},
    {"FE", BYTES("\xFE"), 0, 0},
    {"FF", BYTES("\xFF"), 0, 0},
    {"one of two", BYTES("\xC3"), 0, 0},
    {"two of three", BYTES("\xE2\x82"), 0, 0},
    {"three of four", BYTES("\xF0\x9F\x98"), 0, 0},
    {"second of two is none", BYTES("\xC3\x28"), 0, 0},
    {"second of two begins another", BYTES("\xC3\xC3"), 0, 0},
    {"second of three is none", BYTES("\xE2\x28\xA1"), 0, 0},
    {"third of three is none", BYTES("\xE2\x82\x28"), 0, 0},
    {"second of four is none", BYTES("\xF0\x28\x8C\xBC"), 0, 0},
    {"third of four is none", BYTES("\xF0\x90\x28\xBC"), 0, 0},
    {"fourth of four is none", BYTES("\xF0\x90\x8C\x28"), 0, 0},
};

static void utf8_decodes(const void *row)
{
    const struct utf8_case *c = row;
    uint32_t code_point = 0;

    assert_int_equal(text_utf8_decode(c->bytes, c->length, &code_point), c->size);
    assert_int_equal(text_utf8_decode(c->bytes, c->length, NULL), c->size);
    if (c->size > 0)
        assert_int_equal(code_point, c->code_point);
}

/* Encodes by the table of RFC 3629. */
static size_t encode(char out[4], uint32_t code_point)
{
    size_t size = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};

    for (size_t i = size - 1; i > 0; i--, code_point >>= 6)
        out[i] = (char) (0x80 | (code_point & 0x3F));
    out[0] = (char) (leads[size] | code_point);
    return size;
}

static void utf8_decodes_every_code_point(void)
{
    for (uint32_t wanted = 0; wanted <= 0x10FFFF; wanted++) {
        bool surrogate = wanted >= 0xD800 && wanted <= 0xDFFF;
        uint32_t got = 0;
        char bytes[4];
        size_t size = encode(bytes, wanted);

        if (text_utf8_decode(bytes, size, &got) != (surrogate ? 0 : size) || got != (surrogate ? 0 : wanted))
            check_fail("U+%04X", wanted);
        if (text_utf8_decode(bytes, size - 1, NULL) != 0)
            check_fail("U+%04X without its last byte", wanted);
    }
}

static const struct count_case {
    const char *label;
    const char *bytes;
    size_t length;
    bool good;
    size_t count;
} count_cases[] = {
    {"nothing", BYTES(""), true, 0},
    {"ASCII", BYTES("abc"), true, 3},
    {"a NUL is a character", BYTES("a\0b"), true, 3},
    {"1 to 4 bytes each", BYTES("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), true, 4},
    {"a combining mark counts", BYTES("e\xCC\x81"), true, 2},
    {"broken at the start", BYTES("\xFF" "abc"), false, 0},
    {"broken at the end", BYTES("abc\xE2\x82"), false, 0},
};

static void utf8_counts(const void *row)
{
    const struct count_case *c = row;
    size_t count = 4711;

    assert_int_equal(text_utf8_count(c->bytes, c->length, &count), c->good);
    assert_int_equal(count, c->good ? c->count : 4711);
}

static const struct control_case {
    const char *label;
    uint32_t code_point;
    bool control;
} control_cases[] = {
    {"U+0000", 0, true}, {"U+000A", 0x0A, true}, {"U+001F", 0x1F, true}, {"U+0020", 0x20, false},
    {"U+007E", 0x7E, false}, {"U+007F", 0x7F, true}, {"U+0080", 0x80, true}, {"U+0085", 0x85, true},
    {"U+009F", 0x9F, true}, {"U+00A0", 0xA0, false}, {"U+2028", 0x2028, false}, {"U+10FFFF", 0x10FFFF, false},
};

static void controls(const void *row)
{
    const struct control_case *c = row;

    assert_int_equal(text_is_control(c->code_point), c->control);
}

static const struct find_case {
    const char *text;
    uint32_t code_point; /* 0: there is none */
} find_cases[] = {
    {"", 0}, {"abc", 0}, {"\xC3\xA9\xF0\x9F\x98\x80 ~", 0}, {"\n", 0x0A}, {"abc\x7F", 0x7F}, {"\x01\x02", 1},
    {"\xE9\x95\xB7\xC2\x80z", 0x80}, {"\xC2\x9F", 0x9F}, {"\xC2\xA0", 0}, {"a\xFF", 0},
};

static void finds_control(const void *row)
{
    const struct find_case *c = row;
    uint32_t code_point = 0;

    assert_int_equal(text_find_control(c->text, &code_point), c->code_point != 0);
    assert_int_equal(code_point, c->code_point);
}

static const struct trim_case {
    const char *text, *trimmed;
} trim_cases[] = {
    {"", ""},
    {"abc", "abc"},
    {"ab\xC3\xA9", "ab\xC3\xA9"},
    {"ab\xE2\x82\xAC", "ab\xE2\x82\xAC"},
    {"ab\xF0\x9F\x98\x80", "ab\xF0\x9F\x98\x80"},
    {"ab\xC3", "ab"},
    {"ab\xE2", "ab"},
    {"ab\xE2\x82", "ab"},
    {"ab\xF0", "ab"},
    {"ab\xF0\x9F", "ab"},
    {"ab\xF0\x9F\x98", "ab"},
    {"\xC3\xA9\xC3", "\xC3\xA9"},
    {"\xF0\x9F\x98\x80\xF0\x9F\x98", "\xF0\x9F\x98\x80"},
    {"\xC3", ""},
    {"\xF0\x9F\x98", ""},
};

static void trims(const void *row)
{
    const struct trim_case *c = row;
    char text[32];

    strcpy(text, c->text);
    text_trim_partial_utf8(text);
    assert_string_equal(text, c->trimmed);
}

static const struct excerpt_case {
    const char *label;
    const char *bytes;
    size_t length;
    const char *excerpt;
} excerpt_cases[] = {
    {"nothing", BYTES(""), "\"\""},
    {"plain", BYTES("Running"), "\"Running\""},
    {"spaces and punctuation", BYTES(" %s 'x' $1 ; --"), "\" %s 'x' $1 ; --\""},
    {"UTF-8", BYTES("caf\xC3\xA9 \xF0\x9F\x98\x80"), "\"caf\xC3\xA9 \xF0\x9F\x98\x80\""},
    {"quote and backslash", BYTES("a\"b\\c"), "\"a\\x22b\\x5cc\""},
    {"NUL", BYTES("a\0b"), "\"a\\x00b\""},
    {"C0 and DEL", BYTES("\t\r\n\x1F\x7F"), "\"\\x09\\x0d\\x0a\\x1f\\x7f\""},
    {"C1", BYTES("\xC2\x85"), "\"\\xc2\\x85\""},
    {"U+00A0 is no C1", BYTES("\xC2\xA0"), "\"\xC2\xA0\""},
    {"no UTF-8", BYTES("\xFF\xC3(\xE2\x82"), "\"\\xff\\xc3(\\xe2\\x82\""},
};

static void excerpts(const void *row)
{
    const struct excerpt_case *c = row;
    char out[TEXT_EXCERPT_SIZE];

    assert_ptr_equal(text_excerpt(out, c->bytes, c->length), out);
    assert_string_equal(out, c->excerpt);
}

/* Any text, cut anywhere: quoted at both ends, valid UTF-8, only printable characters, within the size. */
static const struct long_case {
    const char *label;
    const char *unit;
} long_cases[] = {
    {"ASCII", "a"}, {"quotes", "\""}, {"C0", "\n"}, {"C1", "\xC2\x85"}, {"two bytes", "\xC3\xA9"},
    {"three bytes", "\xE2\x82\xAC"}, {"four bytes", "\xF0\x9F\x98\x80"}, {"no UTF-8", "\xFF"},
};

static void check_excerpt(const char *text, size_t length)
{
    char out[TEXT_EXCERPT_SIZE];
    size_t count, used;

    memset(out, 'x', sizeof(out));
    text_excerpt(out, text, length);
    used = strnlen(out, sizeof(out));
    if (used < 2 || used == sizeof(out) || out[0] != '"' || out[used - 1] != '"')
        check_fail("%zu bytes: not within quotes: %.*s", length, (int) used, out);
    if (!text_utf8_count(out, used, &count))
        check_fail("%zu bytes: cut within a character: %s", length, out);
    if (length >= TEXT_EXCERPT_SIZE && strcmp(out + used - 4, "...\"") != 0)
        check_fail("%zu bytes: does not say that it is cut: %s", length, out);
}

static void long_excerpts(const void *row)
{
    const struct long_case *c = row;

    for (size_t padding = 0; padding < TEXT_EXCERPT_SIZE + 4; padding++) {
        struct buffer text = {0};

        for (size_t i = 0; i < padding; i++)
            buffer_append_text(&text, "p");
        while (text.length < 2 * TEXT_EXCERPT_SIZE) {
            check_excerpt(buffer_text(&text), text.length);
            buffer_append_text(&text, c->unit);
        }
        buffer_free(&text);
    }
}

static const struct percent_case {
    const char *text;
    bool plus_is_blank;
    const char *decoded; /* NULL: refused */
} percent_cases[] = {
    {"", true, ""},
    {"plain", true, "plain"},
    {"%41%62", true, "Ab"},
    {"%e2%82%AC", true, "\xE2\x82\xAC"},
    {"\xE2\x82\xAC", true, "\xE2\x82\xAC"},
    {"a+b%2Bc", true, "a b+c"},
    {"a+b%2Bc", false, "a+b+c"},
    {"%25%32%35", true, "%25"},
    {"%0a%7F%01", true, "\n\x7F\x01"},
    {"%10%01", true, "\x10\x01"},
    {"100%", true, NULL},
    {"%", true, NULL},
    {"%4", true, NULL},
    {"%4g", true, NULL},
    {"%g4", true, NULL},
    {"% 4", true, NULL},
    {"%%41", true, NULL},
    {"%+4", true, NULL},
    {"%-1", true, NULL},
    {"%0x", true, NULL},
    {"%u0041", true, NULL},
    {"%00", true, NULL},
    {"a%00b", true, NULL},
    {"%FF", true, NULL},
    {"%C0%AF", true, NULL},
    {"%ED%A0%80", true, NULL},
    {"%E2%82", true, NULL},
    {"\xFF", true, NULL},
    {"%F4%90%80%80", true, NULL},
};

static void percent_decodes(const void *row)
{
    const struct percent_case *c = row;
    char text[64];

    strcpy(text, c->text);
    assert_int_equal(text_percent_decode(text, c->plus_is_blank), c->decoded != NULL);
    if (c->decoded != NULL)
        assert_string_equal(text, c->decoded);
}

static const struct uuid_case {
    const char *text;
    bool good;
} uuid_cases[] = {
    {"00000000-0000-0000-0000-000000000000", true},
    {"01234567-89ab-4cde-8f01-23456789abcd", true},
    {"ffffffff-ffff-ffff-ffff-ffffffffffff", true},
    {"", false},
    {"01234567-89AB-4cde-8f01-23456789abcd", false},
    {"01234567-89ab-4cde-8f01-23456789abc", false},
    {"01234567-89ab-4cde-8f01-23456789abcde", false},
    {"01234567-89ab-4cde-8f01-23456789abcg", false},
    {"0123456789ab4cde8f0123456789abcd", false},
    {"0123456789ab-4cde-8f01-2345-6789abcd", false},
    {"01234567_89ab_4cde_8f01_23456789abcd", false},
    {"{1234567-89ab-4cde-8f01-23456789abc}", false},
    {" 1234567-89ab-4cde-8f01-23456789abcd", false},
    {"01234567-89ab-4cde-8f01-23456789abcd\n", false},
    {"../../../../etc/passwd", false},
};

static void uuids(const void *row)
{
    const struct uuid_case *c = row;

    assert_int_equal(text_is_uuid(c->text), c->good);
}

static const struct digits_case {
    const char *text;
    size_t max_digits;
    bool good;
    int64_t number;
} digits_cases[] = {
    {"0", 1, true, 0},
    {"9", 1, true, 9},
    {"10", 1, false, 0},
    {"000001", 6, true, 1},
    {"0000001", 6, false, 0},
    {"100000", 6, true, 100000},
    {"999999999999999999", 18, true, INT64_C(999999999999999999)},
    {"1000000000000000000", 18, false, 0},
    {"", 6, false, 0},
    {"-1", 6, false, 0},
    {"+1", 6, false, 0},
    {" 1", 6, false, 0},
    {"1 ", 6, false, 0},
    {"1\n", 6, false, 0},
    {"1.0", 6, false, 0},
    {"1e3", 6, false, 0},
    {"0x10", 6, false, 0},
    {"\xD9\xA1", 6, false, 0}, /* ARABIC-INDIC DIGIT ONE */
};

static void digits(const void *row)
{
    const struct digits_case *c = row;
    int64_t number = 4711;

    assert_int_equal(text_parse_digits(c->text, c->max_digits, &number), c->good);
    assert_true(number == (c->good ? c->number : 4711));
}

static void hex(void)
{
    const unsigned char data[] = {0x00, 0x01, 0x7F, 0x80, 0xAB, 0xFF};
    char out[16];

    text_hex(out, data, sizeof(data));
    assert_string_equal(out, "00017f80abff");
    text_hex(out, data, 0);
    assert_string_equal(out, "");
}

static const struct pairs_case {
    const char *text;
    const char *pairs; /* name, =, value and ; for each; ! in place of one that cannot be decoded */
} pairs_cases[] = {
    {"", ""},
    {"&", ""},
    {"a=b", "a=b;"},
    {"a=b&c=d", "a=b;c=d;"},
    {"&&a=b&&c=d&", "a=b;c=d;"},
    {"a", "a=;"},
    {"a=", "a=;"},
    {"=b", "=b;"},
    {"=", "=;"},
    {"a=b=c", "a=b=c;"},
    {"a+b=c+d%2B", "a b=c d+;"},
    {"%26=%3D", "&==;"},
    {"%=a&b=%00&c=d", "!!c=d;"},
};

static void pairs(const void *row)
{
    const struct pairs_case *c = row;
    char *text = memory_copy_text(c->text);
    char *rest = text, *name, *value;
    char found[64] = "";

    while ((name = text_next_pair(&rest)) != NULL) {
        size_t used = strlen(found);

        if (text_decode_pair(name, &value))
            snprintf(found + used, sizeof(found) - used, "%s=%s;", name, value);
        else
            strcat(found, "!");
    }
    assert_null(text_next_pair(&rest));
    assert_string_equal(found, c->pairs);
    free(text);
}

static void equal_ignoring_case(void)
{
    assert_true(text_equal_ignoring_case("", ""));
    assert_true(text_equal_ignoring_case("On", "oN"));
    assert_false(text_equal_ignoring_case("on", "onn"));
    assert_false(text_equal_ignoring_case("on", "o"));
    assert_false(text_equal_ignoring_case("on", "no"));
    assert_false(text_equal_ignoring_case("[", "{")); /* 0x20 apart, but not letters */
}

int main(void)
{
    CHECK_EACH(utf8_decodes, utf8_cases, label);
    CHECK(utf8_decodes_every_code_point);
    CHECK_EACH(utf8_counts, count_cases, label);
    CHECK_EACH(controls, control_cases, label);
    CHECK_EACH(finds_control, find_cases, text);
    CHECK_EACH(trims, trim_cases, text);
    CHECK_EACH(excerpts, excerpt_cases, label);
    CHECK_EACH(long_excerpts, long_cases, label);
    CHECK_EACH(percent_decodes, percent_cases, text);
    CHECK_EACH(pairs, pairs_cases, text);
    CHECK_EACH(uuids, uuid_cases, text);
    CHECK_EACH(digits, digits_cases, text);
    CHECK(hex);
    CHECK(equal_ignoring_case);
    return check_run("base/text");
}
