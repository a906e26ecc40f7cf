#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

size_t text_utf8_decode(const char *text, size_t length, uint32_t *ret_code_point)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *) text;
    uint32_t code_point;
    size_t size;

    if (length == 0)
        return 0;
    if (bytes[0] < 0x80) {
        size = 1;
        code_point = bytes[0];
    } else if ((bytes[0] & 0xE0) == 0xC0) {
        size = 2;
        code_point = bytes[0] & 0x1F;
    } else if ((bytes[0] & 0xF0) == 0xE0) {
        size = 3;
        code_point = bytes[0] & 0x0F;
    } else if ((bytes[0] & 0xF8) == 0xF0) {
        size = 4;
        code_point = bytes[0] & 0x07;
    } else {
        return 0;
    }

    if (size > length)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        code_point = code_point << 6 | (bytes[i] & 0x3F);
    }
    if (code_point < smallest[size] || code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
        return 0;

    if (ret_code_point != NULL)
        *ret_code_point = code_point;
    return size;
}

bool text_utf8_count(const char *text, size_t length, size_t *ret_count)
{
    size_t count = 0;

    for (size_t at = 0; at < length; count++) {
        size_t size = text_utf8_decode(text + at, length - at, NULL);

        if (size == 0)
            return false;
        at += size;
    }
    *ret_count = count;
    return true;
}

bool text_is_control(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F);
}

bool text_find_control(const char *text, uint32_t *ret_code_point)
{
    for (size_t at = 0, length = strlen(text); at < length;) {
        uint32_t code_point = 0;
        size_t size = text_utf8_decode(text + at, length - at, &code_point);

        if (size == 0)
            return false;
        if (text_is_control(code_point)) {
            *ret_code_point = code_point;
            return true;
        }
        at += size;
    }
    return false;
}

void text_trim_partial_utf8(char *text)
{
    size_t length = strlen(text);
    size_t start = length;

    /* Go back to the byte that begins the last character: at most three continuation bytes follow it. */
    while (start > 0 && length - start < 3 && ((unsigned char) text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && (unsigned char) text[start - 1] >= 0xC0
        && text_utf8_decode(text + start - 1, length - start + 1, NULL) == 0)
        text[start - 1] = '\0';
}

const char *text_excerpt(char out[TEXT_EXCERPT_SIZE], const char *text, size_t length)
{
    const size_t reserve = sizeof("\\xNN\\xNN...\""); /* the longest escape and the end */
    size_t used = 0;
    size_t at = 0;

    out[used++] = '"';
    while (at < length && used + reserve < TEXT_EXCERPT_SIZE) {
        uint32_t code_point = 0;
        size_t size = text_utf8_decode(text + at, length - at, &code_point);

        if (size == 0 || text_is_control(code_point) || code_point == '"' || code_point == '\\') {
            size = size == 0 ? 1 : size;
            for (size_t i = 0; i < size; i++)
                used += (size_t) snprintf(out + used, TEXT_EXCERPT_SIZE - used, "\\x%02x",
                                          (unsigned char) text[at + i]);
        } else {
            memcpy(out + used, text + at, size);
            used += size;
        }
        at += size;
    }
    snprintf(out + used, TEXT_EXCERPT_SIZE - used, "%s", at < length ? "...\"" : "\"");
    return out;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool text_percent_decode(char *text, bool plus_is_space)
{
    char *to = text;
    size_t count;

    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '%') {
            int high = hex_value(from[1]);
            int low = high < 0 ? -1 : hex_value(from[2]);

            if (low < 0 || (high == 0 && low == 0))
                return false;
            *to++ = (char) (high << 4 | low);
            from += 2;
        } else {
            *to++ = *from == '+' && plus_is_space ? ' ' : *from;
        }
    }
    *to = '\0';
    return text_utf8_count(text, (size_t) (to - text), &count);
}

char *text_next_pair(char **rest)
{
    char *pair;

    do
        pair = strsep(rest, "&");
    while (pair != NULL && *pair == '\0');
    return pair;
}

bool text_decode_pair(char *pair, char **ret_value)
{
    char *value = strchr(pair, '=');

    if (value == NULL)
        value = pair + strlen(pair);
    else
        *value++ = '\0';
    *ret_value = value;
    return text_percent_decode(pair, true) && text_percent_decode(value, true);
}

bool text_is_uuid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    for (size_t i = 0; i < TEXT_UUID_LENGTH; i++) {
        bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');

        if (form[i] == '-' ? text[i] != '-' : !hex)
            return false;
    }
    return text[TEXT_UUID_LENGTH] == '\0';
}

void text_hex(char *out, const unsigned char *data, size_t length)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 0x0F];
    }
    out[2 * length] = '\0';
}

bool text_parse_digits(const char *text, size_t max_digits, int64_t *ret_number)
{
    size_t length = strspn(text, "0123456789");
    int64_t number = 0;

    assert(max_digits <= 18);
    if (length == 0 || length > max_digits || text[length] != '\0')
        return false;
    for (size_t i = 0; i < length; i++)
        number = number * 10 + (text[i] - '0');
    *ret_number = number;
    return true;
}

bool text_equal_ignoring_case(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}
