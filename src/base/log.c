#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static enum log_level threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    threshold = level;
}

/* Room is kept for the line end; what doesn't fit is cut. */
static void put(struct log_line *line, const char *data, size_t length)
{
    size_t room = sizeof(line->text) - 1 - line->length;

    if (length > room)
        length = room;
    memcpy(line->text + line->length, data, length);
    line->length += length;
}

static void put_text(struct log_line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* How many bytes of the value's next character can stand in the log; 0 if they must be escaped, one by one. */
static size_t plain_size(const char *value, size_t length)
{
    uint32_t code_point = 0;
    size_t size = text_utf8_decode(value, length, &code_point);

    return size > 0 && !text_is_control(code_point) ? size : 0;
}

static bool needs_quotes(const char *value, size_t length)
{
    if (length == 0)
        return true;
    for (size_t at = 0; at < length;) {
        size_t size = plain_size(value + at, length - at);

        if (size == 0 || memchr(" \"=\\", value[at], 4) != NULL)
            return true;
        at += size;
    }
    return false;
}

static void put_value(struct log_line *line, const char *value)
{
    size_t length = strlen(value);

    if (!needs_quotes(value, length)) {
        put(line, value, length);
        return;
    }
    put(line, "\"", 1);
    for (size_t at = 0; at < length;) {
        size_t size = plain_size(value + at, length - at);
        char escape[8];

        if (size == 0) {
            snprintf(escape, sizeof(escape), "\\x%02x", (unsigned char) value[at++]);
            put_text(line, escape);
            continue;
        }
        if (value[at] == '"' || value[at] == '\\')
            put(line, "\\", 1);
        put(line, value + at, size);
        at += size;
    }
    put(line, "\"", 1);
}

void log_begin(struct log_line *line, enum log_level level, const char *event)
{
    char now[CLOCK_ISO8601_SIZE];

    line->wanted = level <= threshold;
    line->length = 0;
    if (!line->wanted)
        return;
    clock_format_iso8601(now, clock_now_ms());
    put_text(line, now);
    put(line, " ", 1);
    put_text(line, level_names[level]);
    log_text(line, "event", event);
}

void log_text(struct log_line *line, const char *key, const char *value)
{
    if (!line->wanted || value == NULL)
        return;
    put(line, " ", 1);
    put_text(line, key);
    put(line, "=", 1);
    put_value(line, value);
}

void log_number(struct log_line *line, const char *key, int64_t value)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%" PRId64, value);
    log_text(line, key, digits);
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
    line->text[line->length++] = '\n';
    while (written < line->length) {
        ssize_t n = write(STDERR_FILENO, line->text + written, line->length - written);

        if (n <= 0)
            break; /* nowhere to say so */
        written += (size_t) n;
    }
}

void log_event(enum log_level level, const char *event)
{
    struct log_line line;

    log_begin(&line, level, event);
    log_end(&line);
}
