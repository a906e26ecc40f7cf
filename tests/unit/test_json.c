#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "check.h"

static const struct json_rules rules = {.subject = "the body", .max_levels = 8};

struct text_case {
    const char *text;
    size_t length;
};

static const struct text_case accepted[] = {
    {BYTES("null")}, {BYTES("true")}, {BYTES("false")}, {BYTES("\"\"")}, {BYTES("{}")}, {BYTES("[]")},
    {BYTES("0")}, {BYTES("-0")}, {BYTES("7")}, {BYTES("-7")}, {BYTES("10")}, {BYTES("0.5")}, {BYTES("-0.0")},
    {BYTES("1.25e2")}, {BYTES("1E5")}, {BYTES("1e+5")}, {BYTES("1e-5")}, {BYTES("0e0")}, {BYTES("0.1E007")},
    {BYTES("9223372036854775807")}, {BYTES("-9223372036854775808")},
    {BYTES("9223372036854775808.0")}, {BYTES("1e19")}, {BYTES("0.30000000000000000000000000000000004")},
    {BYTES("[1,\"a\",null,true,{},[]]")}, {BYTES("{\"a\":{\"b\":[1,2,3]},\"c\":-1.5}")},
    {BYTES("{\"\":0}")}, {BYTES("{\"a b\":0}")},
    {BYTES(" \t\r\n1 \t\r\n")}, {BYTES("[\n]")}, {BYTES("{\t}")},
    {BYTES(" [ 1 , 2 ] ")}, {BYTES("\n{ \"a\" : 1 ,\r\n \"b\" : [ ] } ")},
    {BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"")}, {BYTES("\"\\u0041\\u00e9\\u20AC\"")}, {BYTES("\"\\ud83d\\ude00\"")},
    {BYTES("\"\\uD800\\uDC00\"")}, {BYTES("\"\\uDBFF\\uDFFF\"")}, {BYTES("\"\\u0001\"")}, {BYTES("\"\\uFFFF\"")},
    {BYTES("\"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"")}, {BYTES("\"\x7F\xC2\x85\xE2\x80\xA8\"")},
    {BYTES("\"/* no comment */ // \"")}, {BYTES("\"\xEF\xBB\xBF\"")},
    {BYTES("[[[[[[[[]]]]]]]]")}, {BYTES("[[[[[[[[1]]]]]]]]")}, {BYTES("[[[[[[[[\"a\",null]]]]]]]]")},
    {BYTES("{\"a\":[{\"a\":[{\"a\":[{\"a\":[0]}]}]}]}")}, {BYTES("[[[[[[[[]]]]]]],[[[[[[[]]]]]]]]")},
    {BYTES("{\"a\":1,\"a\":2}")},
};

static const struct refused_case {
    const char *text;
    size_t length;
    size_t offset;
} refused[] = {
    /* truncated text */
    {BYTES(""), 0}, {BYTES("   "), 3}, {BYTES("["), 1}, {BYTES("{"), 1}, {BYTES("[1"), 2}, {BYTES("[1,"), 3},
    {BYTES("{\"a\""), 4}, {BYTES("{\"a\":"), 5}, {BYTES("{\"a\":1"), 6}, {BYTES("{\"a\":1,"), 7}, {BYTES("\"a"), 2},
    {BYTES("-"), 1}, {BYTES("1."), 2}, {BYTES("1e"), 2}, {BYTES("1e+"), 3},
    /* bytes after the value */
    {BYTES("1 2"), 2}, {BYTES("{}{}"), 2}, {BYTES("[1] [2]"), 4}, {BYTES("[]]"), 2}, {BYTES("{}}"), 2},
    {BYTES("{} x"), 3}, {BYTES("null,"), 4}, {BYTES("1\0"), 1}, {BYTES("{}\0"), 2}, {BYTES("{} \0 "), 3},
    {BYTES("\"a\"b"), 3},
    /* not a value */
    {BYTES("]"), 0}, {BYTES("}"), 0}, {BYTES(","), 0}, {BYTES("a"), 0}, {BYTES("\0"), 0}, {BYTES("nul"), 0},
    {BYTES("nulL"), 0}, {BYTES("Null"), 0}, {BYTES("NULL"), 0}, {BYTES("True"), 0}, {BYTES("TRUE"), 0},
    {BYTES("tru"), 0}, {BYTES("truE"), 0}, {BYTES("False"), 0}, {BYTES("undefined"), 0}, {BYTES("NaN"), 0},
    {BYTES("nan"), 0}, {BYTES("Infinity"), 0}, {BYTES("-Infinity"), 1}, {BYTES("inf"), 0}, {BYTES("-NaN"), 1},
    {BYTES("\xFF"), 0}, {BYTES("nullnull"), 4}, {BYTES("truefalse"), 4},
    /* numbers */
    {BYTES("+1"), 0}, {BYTES("01"), 1}, {BYTES("00"), 1}, {BYTES("-01"), 2}, {BYTES("[01]"), 2}, {BYTES(".5"), 0},
    {BYTES("-.5"), 1}, {BYTES("[1.]"), 3}, {BYTES("1.e5"), 2}, {BYTES("1.5.5"), 3}, {BYTES("1e5.5"), 3},
    {BYTES("[1e]"), 3}, {BYTES("1e+-5"), 3}, {BYTES("--1"), 1}, {BYTES("- 1"), 1}, {BYTES("0x10"), 1},
    {BYTES("1_000"), 1}, {BYTES("1f"), 1}, {BYTES("\xD9\xA1"), 0}, {BYTES("9223372036854775808"), 0},
    {BYTES("[ 9223372036854775808 ]"), 2}, {BYTES("-9223372036854775809"), 0}, {BYTES("18446744073709551615"), 0},
    {BYTES("100000000000000000000000000000"), 0}, {BYTES("{\"a\":-100000000000000000000000000000}"), 5},
    /* arrays and objects */
    {BYTES("[,]"), 1}, {BYTES("[,1]"), 1}, {BYTES("[1,]"), 3}, {BYTES("[1,,2]"), 3}, {BYTES("[1 2]"), 3},
    {BYTES("[1:2]"), 2}, {BYTES("[1}"), 2}, {BYTES("[1;2]"), 2}, {BYTES("{,}"), 1}, {BYTES("{\"a\":1,}"), 7},
    {BYTES("{\"a\":1,,\"b\":2}"), 7}, {BYTES("{\"a\" 1}"), 5}, {BYTES("{\"a\"=1}"), 4}, {BYTES("{\"a\"::1}"), 5},
    {BYTES("{\"a\":}"), 5}, {BYTES("{\"a\"}"), 4}, {BYTES("{\"a\":1]"), 6}, {BYTES("{\"a\":1 \"b\":2}"), 7},
    {BYTES("{a:1}"), 1}, {BYTES("{1:1}"), 1}, {BYTES("{null:1}"), 1}, {BYTES("{'a':1}"), 1}, {BYTES("'a'"), 0},
    {BYTES("[`a`]"), 1},
    /* comments, and characters that are not JSON whitespace */
    {BYTES("/* c */ 1"), 0}, {BYTES("1 // c"), 2}, {BYTES("1 /* c */"), 2}, {BYTES("[1,/**/2]"), 3},
    {BYTES("# c\n1"), 0}, {BYTES("\v1"), 0}, {BYTES("\f1"), 0}, {BYTES("1\v"), 1}, {BYTES("\xC2\xA0" "1"), 0},
    {BYTES("\xE2\x80\xA8" "1"), 0},
    /* byte order marks */
    {BYTES("\xEF\xBB\xBF{}"), 0}, {BYTES("\xEF\xBB\xBF"), 0}, {BYTES(" \xEF\xBB\xBF{}"), 1},
    {BYTES("{}\xEF\xBB\xBF"), 2}, {BYTES("\xFE\xFF\0{\0}"), 0}, {BYTES("{\0}\0"), 1},
    /* strings */
    {BYTES("\"\n\""), 1}, {BYTES("\"\t\""), 1}, {BYTES("\"\x1F\""), 1}, {BYTES("\"a\0b\""), 2},
    {BYTES("{\"a\0\":1}"), 3}, {BYTES("\"a\\\""), 4}, {BYTES("\"\\"), 1}, {BYTES("\"\\x41\""), 1},
    {BYTES("\"\\'\""), 1}, {BYTES("\"\\0\""), 1}, {BYTES("\"\\a\""), 1}, {BYTES("\"\\v\""), 1}, {BYTES("\"\\\n\""), 1},
    {BYTES("\"\\\0\""), 1}, {BYTES("\"\\U0041\""), 1}, {BYTES("\"\\u12\""), 1}, {BYTES("\"\\u12G4\""), 1},
    {BYTES("\"\\u+123\""), 1}, {BYTES("\"\\u 123\""), 1}, {BYTES("\"\\u"), 1}, {BYTES("\"\\u{41}\""), 1},
    {BYTES("\"\\u0000\""), 1}, {BYTES("\"ab\\u0000\""), 3}, {BYTES("{\"\\u0000\":1}"), 2}, {BYTES("\"\\ud800\""), 1},
    {BYTES("\"\\udbff\""), 1}, {BYTES("\"\\udc00\""), 1}, {BYTES("\"\\udfff\""), 1}, {BYTES("\"\\ud800\\ud800\""), 1},
    {BYTES("\"\\ud800a\""), 1}, {BYTES("\"\\ud800\\n\""), 1}, {BYTES("\"\\ud800\\u0041\""), 1},
    {BYTES("\"\\ud83d\\ude0\""), 1}, {BYTES("\"\\udc00\\ud800\""), 1}, {BYTES("\"\\ud83d\\ude00\\ude00\""), 13},
    {BYTES("\"\\ud83d\xF0\x9F\x98\x80\""), 1}, {BYTES("\"\\ud83d"), 1}, {BYTES("\"\x80\""), 1},
    {BYTES("\"\xC0\xAF\""), 1}, {BYTES("\"a\xE2\x82\""), 2}, {BYTES("\"\xED\xA0\x80\""), 1},
    {BYTES("\"\xF4\x90\x80\x80\""), 1}, {BYTES("\"\xFF\""), 1}, {BYTES("{\"\xFF\":1}"), 2}, {BYTES("\"\xE2\x82"), 1},
    /* too many levels */
    {BYTES("[[[[[[[[[]]]]]]]]]"), 8}, {BYTES("[[[[[[[[{}]]]]]]]]"), 8}, {BYTES("[[[[[[[[0,[]]]]]]]]]"), 10},
    {BYTES("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}"), 40},
    {BYTES("[[[[[[[[[[[[[[[[[[[["), 8},
};

/* Parses the same bytes by json-c. Returns false if it refuses them. */
static bool parse_by_json_c(const char *text, size_t length, struct json_object **ret_value)
{
    struct json_tokener *tokener = json_tokener_new_ex(32);
    char *copy = strndup(text, length); /* the NUL ends a number */
    enum json_tokener_error state;

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    *ret_value = json_tokener_parse_ex(tokener, copy, (int) strlen(copy) + 1);
    state = json_tokener_get_error(tokener);
    json_tokener_free(tokener);
    free(copy);
    return state == json_tokener_success;
}

static void check_against_json_c(const char *text, size_t length, struct json_object *value)
{
    struct json_object *other = NULL;

    if (!parse_by_json_c(text, length, &other))
        check_fail("json-c refuses it: %.*s", (int) length, text);
    if (!json_object_equal(value, other))
        check_fail("json-c reads another value: %.*s", (int) length, text);
    json_object_put(other);
}

static void accepts(const void *row)
{
    const struct text_case *c = row;
    struct json_object *value = NULL;
    struct error err;

    check_good(json_parse(c->text, c->length, &rules, &value, &err), &err);
    check_against_json_c(c->text, c->length, value);
    json_object_put(value);
}

/* Parses an exact copy on the heap, so that the address sanitizer detects a read beyond its end. */
static bool parse_copy(const char *text, size_t length, struct json_object **ret_value, struct error *err)
{
    char *copy = malloc(length == 0 ? 1 : length);
    bool good;

    assert_non_null(copy);
    memcpy(copy, text, length);
    good = json_parse(copy, length, &rules, ret_value, err);
    free(copy);
    return good;
}

static void refuses(const void *row)
{
    const struct refused_case *c = row;
    struct json_object *value = (void *) &value;
    const char *offset;
    struct error err;

    assert_false(parse_copy(c->text, c->length, &value, &err));
    assert_ptr_equal(value, &value);
    check_refusal(&err, ERROR_BODY, "offset ");
    offset = strstr(err.message, "offset ") + strlen("offset ");
    if (strtoul(offset, NULL, 10) != c->offset)
        check_fail("not offset %zu: %s", c->offset, err.message);
}

static const struct string_case {
    const char *text;
    const char *bytes;
} string_cases[] = {
    {"\"\"", ""},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
    {"\"\\u0041\\u00E9\\u20ac\"", "A\xC3\xA9\xE2\x82\xAC"},
    {"\"\\ud83d\\ude00x\"", "\xF0\x9F\x98\x80x"},
    {"\"\\uDBFF\\uDFFF\"", "\xF4\x8F\xBF\xBF"},
    {"\"\xF0\x9F\x98\x80\x7F\"", "\xF0\x9F\x98\x80\x7F"},
};

static void strings(const void *row)
{
    const struct string_case *c = row;
    struct json_object *value = NULL;
    struct error err;

    check_good(json_parse(c->text, strlen(c->text), &rules, &value, &err), &err);
    assert_true(json_object_is_type(value, json_type_string));
    assert_string_equal(json_object_get_string(value), c->bytes);
    assert_int_equal(json_object_get_string_len(value), strlen(c->bytes));
    json_object_put(value);
}

static const struct integer_case {
    const char *text;
    int64_t number;
} integer_cases[] = {
    {"0", 0}, {"-0", 0}, {"-1", -1}, {"2147483648", INT64_C(2147483648)}, {"1775204100123", INT64_C(1775204100123)},
    {"9223372036854775806", INT64_MAX - 1}, {"9223372036854775807", INT64_MAX},
    {"-9223372036854775807", INT64_MIN + 1}, {"-9223372036854775808", INT64_MIN},
};

static void integers(const void *row)
{
    const struct integer_case *c = row;
    struct json_object *value = NULL;
    struct error err;

    check_good(json_parse(c->text, strlen(c->text), &rules, &value, &err), &err);
    assert_true(json_object_is_type(value, json_type_int));
    assert_true(json_object_get_int64(value) == c->number);
    json_object_put(value);
}

static void null_is_a_null_pointer(void)
{
    struct json_object *value = (void *) &value;
    struct error err;

    check_good(json_parse("null", 4, &rules, &value, &err), &err);
    assert_null(value);
}

static const struct last_case {
    const char *text;
    const char *plain;
} last_cases[] = {
    {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
    {"{\"a\":1,\"b\":0,\"a\":null}", "{\"a\":null,\"b\":0}"},
    {"{\"a\":{\"b\":1},\"a\":[]}", "{\"a\":[]}"},
    {"[{\"a\":1,\"a\":\"x\"}]", "[{\"a\":\"x\"}]"},
    {"{\"a\":1,\"\\u0061\":2}", "{\"a\":2}"},
    {"{\"a\":1,\"A\":2}", "{\"a\":1,\"A\":2}"},
};

static void last_of_a_name_counts(const void *row)
{
    const struct last_case *c = row;
    struct json_object *value = NULL;
    struct error err;

    check_good(json_parse(c->text, strlen(c->text), &rules, &value, &err), &err);
    assert_string_equal(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN), c->plain);
    json_object_put(value);
}

static void only_length_bytes_count(void)
{
    struct json_object *value = NULL;
    struct error err;

    check_good(json_parse("12]", 2, &rules, &value, &err), &err);
    assert_int_equal(json_object_get_int64(value), 12);
    json_object_put(value);
    check_good(json_parse("{}\xFF", 2, &rules, &value, &err), &err);
    json_object_put(value);
    assert_false(json_parse("{}", 1, &rules, &value, &err));
}

static void deep_nesting_needs_no_stack(void)
{
    static char text[1000000];
    struct json_object *value = NULL;
    struct error err;

    memset(text, '[', sizeof(text));
    assert_false(json_parse(text, sizeof(text), &rules, &value, &err));
    check_refusal(&err, ERROR_BODY, "offset 8:");
}

static const struct levels_case {
    const char *label;
    struct json_rules rules;
    const char *good, *bad;
    const char *message;
} levels_cases[] = {
    {"one level", {.subject = "the list", .max_levels = 1}, "[1]", "[[1]]",
     "the list is not valid JSON at offset 1: arrays and objects are nested more than 1 levels deep"},
    {"no array at all", {.subject = "a number", .max_levels = 0}, "1", "[]",
     "a number is not valid JSON at offset 0: arrays and objects are nested more than 0 levels deep"},
    {"more than the body may have", {.subject = "the plan", .max_levels = 10}, "[[[[[[[[[[0]]]]]]]]]]",
     "[[[[[[[[[[{\"a\":0}]]]]]]]]]]",
     "the plan is not valid JSON at offset 10: arrays and objects are nested more than 10 levels deep"},
    {"the subject alone", {.subject = "line 7", .max_levels = 10}, "{}", "{", "line 7 is not valid JSON at offset 1: "},
};

static void rules_of_other_documents(const void *row)
{
    const struct levels_case *c = row;
    struct json_object *value = NULL;
    struct error err;

    check_good(json_parse(c->good, strlen(c->good), &c->rules, &value, &err), &err);
    json_object_put(value);
    assert_false(json_parse(c->bad, strlen(c->bad), &c->rules, &value, &err));
    assert_int_equal(err.code, ERROR_BODY);
    assert_memory_equal(err.message, c->message, strlen(c->message));
}

/* A text may nest as deep as its rules allow: json-c has a limit of its own, which follows them. */
static void deep_texts_are_read(void)
{
    static const struct json_rules deep = {.subject = "the text", .max_levels = 1000};
    struct json_object *value = NULL;
    struct buffer text = {0};
    struct error err;

    for (int i = 0; i < 1000; i++)
        buffer_append_text(&text, "[");
    buffer_append_text(&text, "\"a\"");
    for (int i = 0; i < 1000; i++)
        buffer_append_text(&text, "]");
    check_good(json_parse(buffer_text(&text), text.length, &deep, &value, &err), &err);
    assert_int_equal(json_object_array_length(value), 1);
    json_object_put(value);
    buffer_free(&text);
}

static void types(void)
{
    static const struct {
        const char *text;
        const char *type;
    } cases[] = {{"null", "null"}, {"true", "boolean"}, {"1.0", "number"}, {"1", "integer"},
                 {"{}", "object"}, {"[]", "array"}, {"\"\"", "string"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct json_object *value = NULL;
        struct error err;

        check_good(json_parse(cases[i].text, strlen(cases[i].text), &rules, &value, &err), &err);
        assert_non_null(strstr(json_type_of(value), cases[i].type));
        json_object_put(value);
    }
}

/* Bytes of valid texts are replaced, removed and doubled: json-c must accept every text that is accepted. */
static void mutations(const void *row)
{
    static const char bytes[] = "{}[]:,\"\\/u0123456789abcdefDE.+-tn \n\0\x80\xC3\xED\xFF'#";
    const struct text_case *c = row;
    uint32_t random = 1;

    for (int i = 0; i < 4000; i++) {
        struct buffer text = {0};
        struct json_object *value = NULL;
        struct error err;

        buffer_append(&text, c->text, c->length);
        for (int changes = i % 3; changes >= 0 && text.length > 0; changes--) {
            size_t at = (random = random * 1664525 + 1013904223) / 65536 % text.length;

            if (i % 5 == 0) {
                memmove(text.data + at, text.data + at + 1, text.length - at);
                text.length--;
            } else {
                text.data[at] = bytes[(random = random * 1664525 + 1013904223) / 65536 % (sizeof(bytes) - 1)];
            }
        }
        if (parse_copy(buffer_text(&text), text.length, &value, &err)) {
            check_against_json_c(buffer_text(&text), text.length, value);
            json_object_put(value);
        }
        buffer_free(&text);
    }
}

int main(void)
{
    CHECK_EACH(accepts, accepted, text);
    CHECK_EACH(refuses, refused, text);
    CHECK_EACH(strings, string_cases, text);
    CHECK_EACH(integers, integer_cases, text);
    CHECK(null_is_a_null_pointer);
    CHECK_EACH(last_of_a_name_counts, last_cases, text);
    CHECK(only_length_bytes_count);
    CHECK(deep_nesting_needs_no_stack);
    CHECK_EACH(rules_of_other_documents, levels_cases, label);
    CHECK(deep_texts_are_read);
    CHECK(types);
    CHECK_EACH(mutations, accepted, text);
    return check_run("base/json");
}
