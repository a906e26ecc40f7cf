/* Parses text from outside: UTF-8, percent-encoding, UUIDs, numbers. Quotes it in messages. */
#ifndef WAYBILL_BASE_TEXT_H
#define WAYBILL_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_UUID_LENGTH 36
#define TEXT_EXCERPT_SIZE 128

/*
 * Returns the length of the well-formed UTF-8 character at `text` (RFC 3629: no surrogates, no overlong forms, at most
 * U+10FFFF), or 0 if there is none within `length` bytes. *ret_code_point is its code point; the pointer may be NULL.
 */
size_t text_utf8_decode(const char *text, size_t length, uint32_t *ret_code_point);

/* Counts the characters in `length` bytes. Returns false if they are not UTF-8. */
bool text_utf8_count(const char *text, size_t length, size_t *ret_count);

/* Whether the code point is a control character: C0, DEL or C1. */
bool text_is_control(uint32_t code_point);

/* Finds the first control character of a text, which must be UTF-8. Returns false if it has none. */
bool text_find_control(const char *text, uint32_t *ret_code_point);

/* Removes an incomplete character at the end. */
void text_trim_partial_utf8(char *text);

/*
 * Writes `length` bytes to `out` in the form that messages use: in double quotes; control characters, quotes,
 * backslashes and invalid UTF-8 as \xNN; a long text is cut and ends with "...". Returns out.
 */
const char *text_excerpt(char out[TEXT_EXCERPT_SIZE], const char *text, size_t length);

/*
 * Decodes %NN in place, and '+' to a space if plus_is_space. Returns false if a % is not followed by two hex digits, or
 * if the result has a NUL byte or is not UTF-8; the text is undefined then.
 */
bool text_percent_decode(char *text, bool plus_is_space);

/* Splits the next pair off pairs that are joined by &. Skips empty pairs. Returns NULL if there are no more. */
char *text_next_pair(char **rest);

/*
 * Splits a pair at its first = and decodes the name and the value in place, with + as a space. The value is "" if there
 * is no =. Returns false as text_percent_decode does.
 */
bool text_decode_pair(char *pair, char **ret_value);

/* Whether the text has the form of a UUID in lower case (RFC 9562), which this service generates. */
bool text_is_uuid(const char *text);

/* Writes 2 * length hex digits in lower case, and a NUL. */
void text_hex(char *out, const unsigned char *data, size_t length);

/*
 * Parses the whole text as a decimal number of 1 to `max_digits` digits, without a sign or whitespace. max_digits is at
 * most 18. Returns false if it is invalid.
 */
bool text_parse_digits(const char *text, size_t max_digits, int64_t *ret_number);

/* Whether two texts are equal, ignoring the case of ASCII letters. */
bool text_equal_ignoring_case(const char *a, const char *b);

#endif
