/*
 * The log: one line per event on standard error, as key=value text or as a JSON object. Each line is written with one
 * call, so that the lines of different threads and processes do not mix. A line is built field by field:
 *
 *     struct log_line line;
 *     log_begin(&line, LOG_INFO, "request served");
 *     log_text(&line, "path", path);
 *     log_number(&line, "status", 200);
 *     log_end(&line);
 *
 * Values are quoted and escaped, so that a value cannot look like a field or a line. In JSON, bytes that are not UTF-8
 * become U+FFFD. Keys are constants of the program: lower case and underscores.
 */
#ifndef WAYBILL_BASE_LOG_H
#define WAYBILL_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum log_level {
    LOG_ERROR,
    LOG_WARNING,
    LOG_INFO,
    LOG_DEBUG,
};

enum log_format {
    LOG_FORMAT_TEXT, /* key=value */
    LOG_FORMAT_JSON, /* an object */
};

struct log_line {
    bool wanted; /* false: the level is not logged, and the other calls do nothing */
    size_t length;
    char text[4096];
};

/* Sets the level and the format. Call it before the first thread starts. The default is LOG_INFO as text. */
void log_configure(enum log_level level, enum log_format format);

void log_begin(struct log_line *line, enum log_level level, const char *event);
void log_text(struct log_line *line, const char *key, const char *value); /* NULL omits the field */
void log_number(struct log_line *line, const char *key, int64_t value);
void log_error(struct log_line *line, const struct error *err); /* adds the name, message and detail of the error */
void log_end(struct log_line *line);

/* Logs a line without fields. */
void log_event(enum log_level level, const char *event);

#endif
