#include "base/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* The check reads the text once. Each function below reads one production of the grammar. */
struct check {
    const char *text;
    size_t length;
    size_t at;
    const struct json_rules *rules;
    struct error *err;
};

static bool check_value(struct check *check, int level);

static bool reject_json(struct check *check, size_t offset, const char *reason)
{
    return error_set(check->err, ERROR_BODY, "%s is not valid JSON at offset %zu: %s", check->rules->subject, offset,
                     reason);
}

static bool reject_nesting(struct check *check)
{
    char reason[64];

    snprintf(reason, sizeof(reason), "arrays and objects are nested more than %d levels deep",
             check->rules->max_levels);
    return reject_json(check, check->at, reason);
}

/* Returns the next byte, or -1 at the end. */
static int peek(const struct check *check)
{
    return check->at < check->length ? (unsigned char) check->text[check->at] : -1;
}

static bool skip(struct check *check, char wanted)
{
    if (peek(check) != (unsigned char) wanted)
        return false;
    check->at++;
    return true;
}

static void skip_whitespace(struct check *check)
{
    while (check->at < check->length && memchr(" \t\r\n", check->text[check->at], 4) != NULL)
        check->at++;
}

static bool skip_digits(struct check *check)
{
    size_t start = check->at;

    while (peek(check) >= '0' && peek(check) <= '9')
        check->at++;
    return check->at > start;
}

static bool check_literal(struct check *check, const char *literal)
{
    size_t length = strlen(literal);

    if (check->length - check->at < length || memcmp(check->text + check->at, literal, length) != 0)
        return reject_json(check, check->at, "expected a value");
    check->at += length;
    return true;
}

static bool fits_int64(const char *digits, size_t length)
{
    char copy[24];

    if (length >= sizeof(copy))
        return false;
    memcpy(copy, digits, length);
    copy[length] = '\0';
    errno = 0;
    (void) strtoll(copy, NULL, 10);
    return errno != ERANGE;
}

static bool check_number(struct check *check)
{
    size_t start = check->at;
    bool is_integer = true;

    skip(check, '-');
    if (!skip(check, '0') && !skip_digits(check))
        return reject_json(check, check->at, "expected a digit");
    if (skip(check, '.')) {
        is_integer = false;
        if (!skip_digits(check))
            return reject_json(check, check->at, "expected a digit");
    }
    if (skip(check, 'e') || skip(check, 'E')) {
        is_integer = false;
        if (!skip(check, '+'))
            skip(check, '-');
        if (!skip_digits(check))
            return reject_json(check, check->at, "expected a digit");
    }
    if (is_integer && !fits_int64(check->text + start, check->at - start))
        return reject_json(check, start, "the integer does not fit into 64 bits");
    return true;
}

/* Reads the four digits after \u. Reads nothing and returns false if there are none. */
static bool read_hex4(struct check *check, unsigned *ret_unit)
{
    char digits[5] = {0};

    if (check->length - check->at < 4)
        return false;
    memcpy(digits, check->text + check->at, 4);
    for (size_t i = 0; i < 4; i++) {
        if (!isxdigit((unsigned char) digits[i]))
            return false;
    }
    *ret_unit = (unsigned) strtoul(digits, NULL, 16);
    check->at += 4;
    return true;
}

/* Checks an escape after its backslash. */
static bool check_escape(struct check *check)
{
    size_t start = check->at - 1;
    unsigned unit, low;
    int kind = peek(check);

    if (kind == -1 || memchr("\"\\/bfnrtu", kind, 9) == NULL)
        return reject_json(check, start, "invalid escape sequence");
    check->at++;
    if (kind != 'u')
        return true;

    if (!read_hex4(check, &unit))
        return reject_json(check, start, "\\u must be followed by four hexadecimal digits");
    if (unit == 0)
        return reject_json(check, start, "U+0000 is not allowed");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return reject_json(check, start, "unpaired surrogate");
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        if (!skip(check, '\\') || !skip(check, 'u') || !read_hex4(check, &low) || low < 0xDC00 || low > 0xDFFF)
            return reject_json(check, start, "unpaired surrogate");
    }
    return true;
}

static bool check_string(struct check *check)
{
    if (!skip(check, '"'))
        return reject_json(check, check->at, "expected a string");
    for (;;) {
        size_t size;

        if (skip(check, '"'))
            return true;
        if (skip(check, '\\')) {
            if (!check_escape(check))
                return false;
            continue;
        }
        if (peek(check) == -1)
            return reject_json(check, check->at, "unterminated string");
        if (peek(check) < 0x20)
            return reject_json(check, check->at, "control characters in strings must be escaped");
        size = text_utf8_decode(check->text + check->at, check->length - check->at, NULL);
        if (size == 0)
            return reject_json(check, check->at, "invalid UTF-8");
        check->at += size;
    }
}

static bool check_array(struct check *check, int level)
{
    check->at++;
    skip_whitespace(check);
    if (skip(check, ']'))
        return true;
    for (;;) {
        if (!check_value(check, level))
            return false;
        if (skip(check, ']'))
            return true;
        if (!skip(check, ','))
            return reject_json(check, check->at, "expected a comma or ]");
    }
}

static bool check_object(struct check *check, int level)
{
    check->at++;
    skip_whitespace(check);
    if (skip(check, '}'))
        return true;
    for (;;) {
        skip_whitespace(check);
        if (!check_string(check))
            return false;
        skip_whitespace(check);
        if (!skip(check, ':'))
            return reject_json(check, check->at, "expected a colon");
        if (!check_value(check, level))
            return false;
        if (skip(check, '}'))
            return true;
        if (!skip(check, ','))
            return reject_json(check, check->at, "expected a comma or }");
    }
}

/* Checks a value with the whitespace around it. `level` counts the arrays and objects around it. */
static bool check_value(struct check *check, int level)
{
    bool good;

    skip_whitespace(check);
    switch (peek(check)) {
    case '{':
    case '[':
        if (level == check->rules->max_levels)
            return reject_nesting(check);
        good = peek(check) == '{' ? check_object(check, level + 1) : check_array(check, level + 1);
        break;
    case '"':
        good = check_string(check);
        break;
    case 't':
        good = check_literal(check, "true");
        break;
    case 'f':
        good = check_literal(check, "false");
        break;
    case 'n':
        good = check_literal(check, "null");
        break;
    case '-':
    case '0': case '1': case '2': case '3': case '4':
    case '5': case '6': case '7': case '8': case '9':
        good = check_number(check);
        break;
    case -1:
        return reject_json(check, check->at, "expected a value before the end");
    default:
        return reject_json(check, check->at, "expected a value");
    }
    if (good)
        skip_whitespace(check);
    return good;
}

bool json_parse(const char *text, size_t length, const struct json_rules *rules, struct json_object **ret_value,
                struct error *err)
{
    struct check check = {.text = text, .length = length, .rules = rules, .err = err};
    struct json_tokener *tokener;
    struct json_object *value;
    enum json_tokener_error state;

    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        return reject_json(&check, 0, "a byte order mark is not allowed");
    if (!check_value(&check, 0))
        return false;
    if (check.at < length)
        return reject_json(&check, check.at, "unexpected bytes after the JSON text");

    /* json-c counts a scalar as a level. */
    tokener = json_tokener_new_ex(rules->max_levels + 2);
    if (tokener == NULL)
        return error_set(err, ERROR_INTERNAL, "out of memory");
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    value = json_tokener_parse_ex(tokener, text, (int) length);
    state = json_tokener_get_error(tokener);
    if (state == json_tokener_continue) { /* the text ends with a number: json-c needs a NUL after it */
        value = json_tokener_parse_ex(tokener, "", 1);
        state = json_tokener_get_error(tokener);
    }
    json_tokener_free(tokener);
    if (state != json_tokener_success)
        return reject_json(&check, length, json_tokener_error_desc(state));
    *ret_value = value;
    return true;
}

void json_add_text(struct json_object *object, const char *key, const char *text)
{
    json_object_object_add(object, key, json_object_new_string(text));
}

const char *json_type_of(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        return "null";
    case json_type_boolean:
        return "a boolean";
    case json_type_double:
        return "a number that is not an integer";
    case json_type_int:
        return "an integer";
    case json_type_object:
        return "an object";
    case json_type_array:
        return "an array";
    case json_type_string:
        return "a string";
    }
    return "something else";
}
