/* Text of the outside world: UTF-8, percent-encoding, UUIDs, numbers, and quoting it in messages. */
#ifndef WAYBILL_BASE_TEXT_H
#define WAYBILL_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_UUID_LENGTH 36
#define TEXT_EXCERPT_SIZE 128

/*
 * How many bytes the well-formed UTF-8 character at `text` has (RFC 3629: no surrogates, no overlong
 * forms, at most U+10FFFF), or 0 if there is none within `length` bytes. Its code point goes to
 * *ret_code_point, which may be NULL.
 */
size_t text_utf8_decode(const char *text, size_t length, uint32_t *ret_code_point);

/* Counts the characters of `length` bytes. False if they are not UTF-8: then *ret_count is untouched. */
bool text_utf8_count(const char *text, size_t length, size_t *ret_count);

/* True for C0, DEL and C1. */
bool text_is_control(uint32_t code_point);

/* Removes a character at the end that a cut left incomplete. */
void text_trim_partial_utf8(char *text);

/*
 * Writes `length` bytes to `out` as a message quotes them: in double quotes, control characters, quotes,
 * backslashes and what is not UTF-8 as \xNN, cut with ... when long. Returns out.
 */
const char *text_excerpt(char out[TEXT_EXCERPT_SIZE], const char *text, size_t length);

/*
 * Decodes %NN in place, and '+' to a blank if plus_is_blank. False if a % is not followed by two hex
 * digits, or if the result holds a NUL byte or is not UTF-8: then the text is in no useful state.
 */
bool text_percent_decode(char *text, bool plus_is_blank);

/* True for 36 characters of lower-case 8-4-4-4-12 hex (RFC 9562), as this service makes them. */
bool text_is_uuid(const char *text);

/* Writes 2 * length hex digits, lower case, and a NUL. */
void text_hex(char *out, const unsigned char *data, size_t length);

/*
 * Reads all of `text` as a decimal number of one to `max_digits` digits, no sign, no blanks.
 * False if it is not; then *ret_number is untouched. max_digits is at most 18.
 */
bool text_parse_digits(const char *text, size_t max_digits, int64_t *ret_number);

/* Whether two texts are equal but for ASCII case. */
bool text_equal_ignoring_case(const char *a, const char *b);

#endif
