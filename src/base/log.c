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

static bool needs_quotes(const char *value)
{
    if (*value == '\0')
        return true;
    for (; *value != '\0'; value++) {
        if ((unsigned char) *value <= ' ' || *value == '"' || *value == '=' || *value == '\\' || *value == 0x7F)
            return true;
    }
    return false;
}

static void put_value(struct log_line *line, const char *value)
{
    if (!needs_quotes(value)) {
        put_text(line, value);
        return;
    }
    put(line, "\"", 1);
    for (; *value != '\0'; value++) {
        char escape[8];

        if ((unsigned char) *value < ' ' || *value == 0x7F) {
            snprintf(escape, sizeof(escape), "\\x%02x", (unsigned char) *value);
            put_text(line, escape);
            continue;
        }
        if (*value == '"' || *value == '\\')
            put(line, "\\", 1);
        put(line, value, 1);
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
