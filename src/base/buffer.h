/* A growing buffer of bytes. A NUL follows the bytes; the length does not count it. */
#ifndef WAYBILL_BASE_BUFFER_H
#define WAYBILL_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

#include "base/compiler.h"

struct buffer {
    char *data; /* NULL until the first append */
    size_t length;
    size_t capacity;
};

/* Makes room for `extra` more bytes and the NUL. */
void buffer_reserve(struct buffer *buffer, size_t extra);

void buffer_append(struct buffer *buffer, const char *data, size_t length);
void buffer_append_text(struct buffer *buffer, const char *text);

/* Appends a text in percent-encoding: all but the unreserved characters of RFC 3986 section 2.3. */
void buffer_append_encoded(struct buffer *buffer, const char *text);

void buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
void buffer_vprintf(struct buffer *buffer, const char *format, va_list arguments) PRINTF_LIKE(2, 0);

/*
 * Returns the content as text, "" if nothing has been appended. It is valid until the next call that changes the
 * buffer.
 */
const char *buffer_text(const struct buffer *buffer);

/* Empties the buffer and keeps its memory. */
void buffer_clear(struct buffer *buffer);

/* Frees the memory of the buffer, which is empty afterwards. */
void buffer_free(struct buffer *buffer);

#endif
