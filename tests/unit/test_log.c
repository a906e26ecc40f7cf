#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "check.h"

/*
 * Standard error becomes a socket that keeps the bounds of each write, so that a test sees how many there were.
 */
static struct capture {
    int sockets[2];
    int saved;
} capture;

static void capture_begin(void)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, capture.sockets), 0);
    capture.saved = dup(STDERR_FILENO);
    dup2(capture.sockets[1], STDERR_FILENO);
}

/* How many writes there were; the last one goes to `line`. */
static int capture_end(char line[8192])
{
    ssize_t length;
    int writes = 0;

    dup2(capture.saved, STDERR_FILENO);
    close(capture.saved);
    close(capture.sockets[1]);
    line[0] = '\0';
    while ((length = recv(capture.sockets[0], line, 8191, MSG_DONTWAIT)) > 0) {
        line[length] = '\0';
        writes++;
    }
    close(capture.sockets[0]);
    return writes;
}

/* Takes a field of a line: key=value or key="value" with \" \\ and \xNN. False if there is none in that form. */
static bool take_field(const char **at, struct buffer *key, struct buffer *value)
{
    size_t length = strcspn(*at, "= \"\n");

    buffer_clear(key);
    buffer_clear(value);
    if (**at != ' ' || (length = strcspn(*at + 1, "= \"\n")) == 0 || (*at)[1 + length] != '=')
        return false;
    buffer_append(key, *at + 1, length);
    *at += length + 2;
    if (**at != '"') {
        length = strcspn(*at, " \"=\\\n");
        buffer_append(value, *at, length);
        *at += length;
        return length > 0;
    }
    for (++*at; **at != '"'; ++*at) {
        char byte = **at;

        if ((unsigned char) byte < ' ' || byte == 0x7F)
            return false;
        if (byte == '\xC2' && ((unsigned char) (*at)[1] & 0xE0) == 0x80)
            return false; /* C1 */
        if (byte == '\\') {
            byte = *++*at;
            if (byte == 'x') {
                byte = (char) strtol((char[]) {(*at)[1], (*at)[2], '\0'}, NULL, 16);
                *at += 2;
            } else if (byte != '"' && byte != '\\') {
                return false;
            }
        }
        buffer_append(value, &byte, 1);
    }
    ++*at;
    return true;
}

/* Skips the time and the level, which must be this one. */
static const char *after_level(const char *line, const char *level)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";

    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        if (form[i] == 'd' ? line[i] < '0' || line[i] > '9' : line[i] != form[i])
            check_fail("no time: %s", line);
    }
    line += sizeof(form) - 1;
    if (strncmp(line, level, strlen(level)) != 0)
        check_fail("not at level %s: %s", level, line);
    return line + strlen(level);
}

static void expect_field(const char **at, const char *key, const char *value)
{
    struct buffer got_key = {0}, got_value = {0};
    const char *start = *at;

    if (!take_field(at, &got_key, &got_value))
        check_fail("no field %s at: %s", key, start);
    if (key != NULL)
        assert_string_equal(buffer_text(&got_key), key);
    assert_string_equal(buffer_text(&got_value), value);
    buffer_free(&got_key);
    buffer_free(&got_value);
}

static const struct {
    const char *value;
} value_cases[] = {
    {"Running"},
    {""},
    {" "},
    {"two words"},
    {"/v5/{project_id}/export-task"},
    {"caf\xC3\xA9 \xF0\x9F\x98\x80"},
    {"a=b"},
    {"\""},
    {"\"\""},
    {"\\"},
    {"\\\""},
    {"ends in \\"},
    {"\\x0a"},
    {"x\" status=200 y=\""},
    {"x status=200"},
    {"a\nb"},
    {"a\r\nb"},
    {"\n2026-04-03T08:15:00.123Z error event=forged"},
    {"C1 \xC2\x85 \xC2\x9B"},
    {"tab\tbell\aescape\x1B[31mdel\x7F"},
    {"not UTF-8 \xFF\xC3"},
};

/* Any value comes back as it was, one line, and the field behind it is still the next. */
static void values(const void *row)
{
    const char *value = *(const char *const *) row;
    struct log_line line;
    char text[8192];
    const char *at;

    capture_begin();
    log_begin(&line, LOG_INFO, value);
    log_text(&line, "value", value);
    log_number(&line, "after", 1);
    log_end(&line);
    assert_int_equal(capture_end(text), 1);

    at = after_level(text, "info");
    expect_field(&at, NULL, value);
    expect_field(&at, "value", value);
    expect_field(&at, "after", "1");
    assert_string_equal(at, "\n");
}

static void plain_values_stay_bare(void)
{
    struct log_line line;
    char text[8192];

    capture_begin();
    log_begin(&line, LOG_INFO, "served");
    log_text(&line, "path", "/healthz");
    log_number(&line, "status", 200);
    log_end(&line);
    capture_end(text);
    assert_non_null(strstr(text, " path=/healthz status=200\n"));
}

static void numbers(void)
{
    static const struct {
        int64_t number;
        const char *text;
    } cases[] = {{0, "0"}, {-1, "-1"}, {INT64_MAX, "9223372036854775807"}, {INT64_MIN, "-9223372036854775808"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct log_line line;
        char text[8192];
        const char *at;

        capture_begin();
        log_begin(&line, LOG_INFO, "x");
        log_number(&line, "n", cases[i].number);
        log_end(&line);
        capture_end(text);
        at = after_level(text, "info");
        expect_field(&at, NULL, "x");
        expect_field(&at, "n", cases[i].text);
    }
}

static void null_leaves_the_field_out(void)
{
    struct log_line line;
    char text[8192];

    capture_begin();
    log_begin(&line, LOG_INFO, "x");
    log_text(&line, "absent", NULL);
    log_end(&line);
    capture_end(text);
    assert_null(strstr(text, "absent"));
}

static void errors(void)
{
    struct log_line line;
    struct error err;
    char text[8192];
    const char *at;

    error_set(&err, ERROR_TIMEOUT, "it took too long");
    capture_begin();
    log_begin(&line, LOG_ERROR, "x");
    log_error(&line, &err);
    log_end(&line);
    capture_end(text);
    at = after_level(text, "error");
    expect_field(&at, NULL, "x");
    expect_field(&at, NULL, "timeout");
    expect_field(&at, NULL, "it took too long");
    assert_string_equal(at, "\n");

    error_detail(&err, "57014: canceling\nstatement");
    capture_begin();
    log_begin(&line, LOG_ERROR, "x");
    log_error(&line, &err);
    log_end(&line);
    capture_end(text);
    at = after_level(text, "error");
    expect_field(&at, NULL, "x");
    expect_field(&at, NULL, "timeout");
    expect_field(&at, NULL, "it took too long");
    expect_field(&at, NULL, "57014: canceling\nstatement");
    assert_string_equal(at, "\n");
}

static const struct level_case {
    const char *name;
    enum log_level level;
} level_cases[] = {{"error", LOG_ERROR}, {"warning", LOG_WARNING}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};

/* What is less severe than the threshold is not written. */
static void levels(const void *row)
{
    const struct level_case *threshold = row;

    for (size_t i = 0; i < ARRAY_SIZE(level_cases); i++) {
        const struct level_case *c = &level_cases[i];
        char text[8192];
        int writes;

        log_set_level(threshold->level);
        capture_begin();
        log_event(c->level, "event");
        writes = capture_end(text);
        log_set_level(LOG_INFO);
        assert_int_equal(writes, c->level <= threshold->level);
        if (writes > 0)
            (void) after_level(text, c->name);
    }
}

static void debug_is_not_logged_unless_asked_for(void)
{
    char text[8192];

    capture_begin();
    log_event(LOG_DEBUG, "x");
    assert_int_equal(capture_end(text), 0);
    capture_begin();
    log_event(LOG_INFO, "x");
    assert_int_equal(capture_end(text), 1);
}

static const struct cut_case {
    const char *label;
    const char *unit;
} cut_cases[] = {{"letters", "a"}, {"blanks", " "}, {"quotes", "\""}, {"backslashes", "\\"}, {"line ends", "\n"},
                 {"fields", "\" forged=1 \""}};

/* A line that is too long is cut: still one line, and no value has become a field. */
static void cuts(const void *row)
{
    const struct cut_case *c = row;

    for (size_t size = 3900; size < 4200; size++) {
        struct buffer value = {0}, key = {0}, got = {0};
        struct log_line line;
        char text[8192];
        const char *at;
        size_t fields = 0;

        while (value.length < size)
            buffer_append(&value, c->unit, strlen(c->unit));
        capture_begin();
        log_begin(&line, LOG_INFO, "x");
        log_text(&line, "value", value.data);
        log_text(&line, "after", "1");
        log_end(&line);
        if (capture_end(text) != 1 || strlen(text) > sizeof(line.text))
            check_fail("%zu bytes: not one line of at most %zu bytes", size, sizeof(line.text));
        if (strchr(text, '\n') != text + strlen(text) - 1)
            check_fail("%zu bytes: not one line", size);
        for (at = after_level(text, "info"); take_field(&at, &key, &got); fields++) {
            if (fields > 0 && strcmp(buffer_text(&key), "value") != 0 && strncmp("after", buffer_text(&key),
                key.length) != 0)
                check_fail("%zu bytes: a field %s", size, buffer_text(&key));
        }
        buffer_free(&value);
        buffer_free(&key);
        buffer_free(&got);
    }
}

int main(void)
{
    CHECK(debug_is_not_logged_unless_asked_for);
    CHECK_EACH(values, value_cases, value);
    CHECK(plain_values_stay_bare);
    CHECK(numbers);
    CHECK(null_leaves_the_field_out);
    CHECK(errors);
    CHECK_EACH(levels, level_cases, name);
    CHECK_EACH(cuts, cut_cases, label);
    return check_run("base/log");
}
