#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static enum log_level threshold = LOG_INFO;
static enum log_format format = LOG_FORMAT_TEXT;

void log_configure(enum log_level level, enum log_format wanted_format)
{
    threshold = level;
    format = wanted_format;
}

/* Returns the number of free bytes, except for those reserved for the ends of a value and of the line. */
static size_t room_in(const struct log_line *line)
{
    size_t end = sizeof(line->text) - strlen("\"}\n");

    return line->length < end ? end - line->length : 0;
}

/* Appends all bytes or none, so that no escape and no character is cut. Returns false if there is no room. */
static bool put(struct log_line *line, const char *data, size_t length)
{
    if (length > room_in(line))
        return false;
    memcpy(line->text + line->length, data, length);
    line->length += length;
    return true;
}

static bool put_text(struct log_line *line, const char *text)
{
    return put(line, text, strlen(text));
}

/* Returns the length of the next character of the value if it may appear in the log; 0 if it must be escaped. */
static size_t plain_size(const char *value, size_t length)
{
    uint32_t code_point = 0;
    size_t size = text_utf8_decode(value, length, &code_point);

    return size > 0 && !text_is_control(code_point) ? size : 0;
}

static bool needs_quotes(const char *value, size_t length)
{
    if (format == LOG_FORMAT_JSON || length == 0)
        return true;
    for (size_t at = 0; at < length;) {
        size_t size = plain_size(value + at, length - at);

        if (size == 0 || memchr(" \"=\\", value[at], 4) != NULL)
            return true;
        at += size;
    }
    return false;
}

/* Writes the escape of the next character. Returns the number of bytes of the value that it replaces. */
static size_t escape(char out[8], const char *value, size_t length)
{
    uint32_t code_point = 0;
    size_t size = text_utf8_decode(value, length, &code_point);

    if (format == LOG_FORMAT_TEXT) {
        snprintf(out, 8, "\\x%02x", (unsigned char) *value);
        return 1;
    }
    snprintf(out, 8, "\\u%04x", (unsigned) (size == 0 ? 0xFFFD : code_point)); /* control characters are below U+00A0 */
    return size == 0 ? 1 : size;
}

/* Appends the next character of the value in its quoted form. Returns false if there is no room. */
static bool put_quoted(struct log_line *line, const char *value, size_t length, size_t *ret_size)
{
    char escaped[8] = {'\\', *value, '\0'};

    *ret_size = plain_size(value, length);
    if (*ret_size == 0)
        *ret_size = escape(escaped, value, length);
    else if (*value != '"' && *value != '\\')
        return put(line, value, *ret_size);
    return put_text(line, escaped);
}

/* Appends a value. A value that is too long is cut. */
static void put_value(struct log_line *line, const char *value)
{
    size_t length = strlen(value);
    size_t size;

    if (!needs_quotes(value, length) && put(line, value, length))
        return;
    if (!put(line, "\"", 1))
        return;
    for (size_t at = 0; at < length && put_quoted(line, value + at, length - at, &size);)
        at += size;
    line->text[line->length++] = '"';
}

/* Begins a field. Returns false if the line has no room for it. */
static bool put_key(struct log_line *line, const char *key)
{
    if (room_in(line) < strlen(key) + strlen(",\"\":") + 24)
        return false;
    if (format == LOG_FORMAT_TEXT)
        return put_text(line, " ") && put_text(line, key) && put_text(line, "=");
    return put_text(line, line->length == 0 ? "{\"" : ",\"") && put_text(line, key) && put_text(line, "\":");
}

void log_begin(struct log_line *line, enum log_level level, const char *event)
{
    char now[CLOCK_ISO8601_SIZE];

    line->wanted = level <= threshold;
    line->length = 0;
    if (!line->wanted)
        return;
    clock_format_iso8601(now, clock_now_ms());
    if (format == LOG_FORMAT_JSON) {
        log_text(line, "time", now);
        log_text(line, "level", level_names[level]);
    } else {
        (void) (put_text(line, now) && put_text(line, " ") && put_text(line, level_names[level]));
    }
    log_text(line, "event", event);
}

void log_text(struct log_line *line, const char *key, const char *value)
{
    if (line->wanted && value != NULL && put_key(line, key))
        put_value(line, value);
}

void log_number(struct log_line *line, const char *key, int64_t value)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%" PRId64, value);
    if (line->wanted && put_key(line, key))
        (void) put_text(line, digits);
}

void log_error(struct log_line *line, const struct error *err)
{
    log_text(line, "error", error_info(err->code)->name);
    log_text(line, "reason", err->message);
    if (err->detail[0] != '\0')
        log_text(line, "detail", err->detail);
}

void log_end(struct log_line *line)
{
    size_t written = 0;

    if (!line->wanted)
        return;
    if (format == LOG_FORMAT_JSON)
        line->text[line->length++] = '}';
    line->text[line->length++] = '\n';
    while (written < line->length) {
        ssize_t n = write(STDERR_FILENO, line->text + written, line->length - written);

        if (n <= 0)
            break; /* the error cannot be reported anywhere */
        written += (size_t) n;
    }
}

void log_event(enum log_level level, const char *event)
{
    struct log_line line;

    log_begin(&line, level, event);
    log_end(&line);
}
