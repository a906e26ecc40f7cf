#include "base/log.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "check.h"

/* Standard error becomes a socket that preserves the bounds of each write, so that a test can count the writes. */
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

/* Returns the number of writes and copies the last one to `line`. */
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

/* How standard error takes lines, as far as the linker lets this file decide it (--wrap). */
static struct {
    size_t most;            /* bytes that one write takes; 0: all */
    bool fails;             /* each write */
    int calls;              /* of write */
    struct buffer received; /* while `most` is set */
} output;

ssize_t __real_write(int fd, const void *data, size_t length);
ssize_t __wrap_write(int fd, const void *data, size_t length);

ssize_t __wrap_write(int fd, const void *data, size_t length)
{
    output.calls++;
    if (output.fails)
        return -1;
    if (output.most == 0)
        return __real_write(fd, data, length);
    length = length < output.most ? length : output.most;
    buffer_append(&output.received, data, length);
    return (ssize_t) length;
}

/* Restores the format that a program starts with. */
static void as_text(void)
{
    log_configure(LOG_INFO, LOG_FORMAT_TEXT);
}

static void as_json(void)
{
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
}

/* Takes a field of a line: key=value or key="value" with \" \\ and \xNN. Returns false if there is none. */
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

/* Skips the time and this level. */
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

static const struct value_case {
    const char *value;
    const char *in_json; /* NULL: the same */
} value_cases[] = {
    {"Running", NULL},
    {"", NULL},
    {" ", NULL},
    {"two words", NULL},
    {"/v5/{project_id}/export-task", NULL},
    {"caf\xC3\xA9 \xF0\x9F\x98\x80", NULL},
    {"a=b", NULL},
    {"\"", NULL},
    {"\"\"", NULL},
    {"\\", NULL},
    {"\\\"", NULL},
    {"ends in \\", NULL},
    {"\\x0a", NULL},
    {"x\" status=200 y=\"", NULL},
    {"x status=200", NULL},
    {"a\nb", NULL},
    {"a\r\nb", NULL},
    {"\n2026-04-03T08:15:00.123Z error event=forged", NULL},
    {"C1 \xC2\x85 \xC2\x9B", NULL},
    {"tab\tbell\aescape\x1B[31mdel\x7F", NULL},
    {"U+FFFD \xEF\xBF\xBD U+2028 \xE2\x80\xA8 U+10FFFF \xF4\x8F\xBF\xBF", NULL},
    {"{\"event\":\"forged\"}", NULL},
    {"\",\"level\":\"error", NULL},
    {"200", NULL},
    {"null", NULL},
    {"not UTF-8 \xFF\xC3", "not UTF-8 \xEF\xBF\xBD\xEF\xBF\xBD"},
    {"\x80", "\xEF\xBF\xBD"},
    {"cut \xE5\xAE", "cut \xEF\xBF\xBD\xEF\xBF\xBD"},
    {"surrogate \xED\xA0\x80.", "surrogate \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD."},
    {"overlong \xC0\xAF.", "overlong \xEF\xBF\xBD\xEF\xBF\xBD."},
    {"too large \xF4\x90\x80\x80\n", "too large \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\n"},
    {"\xC3(\xFE", "\xEF\xBF\xBD(\xEF\xBF\xBD"},
};

/* Any value can be read back unchanged, stays on one line, and does not affect the next field. */
static void values(const void *row)
{
    const char *value = ((const struct value_case *) row)->value;
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

/*
 * Parses a line: one object, without bytes that JSON forbids or that control a terminal. The caller frees it with
 * json_object_put.
 */
static struct json_object *parse(const char *text)
{
    size_t length = strlen(text);
    struct json_tokener *parser = json_tokener_new();
    struct json_object *line;

    json_tokener_set_flags(parser, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    assert_true(length > 0 && text[length - 1] == '\n');
    for (size_t i = 0; i + 1 < length; i++) {
        unsigned char c = (unsigned char) text[i], next = (unsigned char) text[i + 1];

        if (c < ' ' || c == 0x7F || (c == 0xC2 && next >= 0x80 && next < 0xA0))
            check_fail("a control character at %zu of: %s", i, text);
    }
    line = json_tokener_parse_ex(parser, text, (int) length - 1);
    if (!json_object_is_type(line, json_type_object))
        check_fail("no object (%s): %s", json_tokener_error_desc(json_tokener_get_error(parser)), text);
    assert_int_equal(json_tokener_get_parse_end(parser), length - 1);
    json_tokener_free(parser);
    return line;
}

/* Returns NULL if the member is absent. */
static struct json_object *member(struct json_object *line, const char *key)
{
    struct json_object *value = NULL;

    (void) json_object_object_get_ex(line, key, &value);
    return value;
}

static void expect_text(struct json_object *line, const char *key, const char *text)
{
    struct json_object *value = member(line, key);

    if (!json_object_is_type(value, json_type_string))
        check_fail("no text %s in: %s", key, json_object_to_json_string(line));
    assert_int_equal(json_object_get_string_len(value), strlen(text));
    assert_string_equal(json_object_get_string(value), text);
}

static void expect_number(struct json_object *line, const char *key, int64_t number)
{
    struct json_object *value = member(line, key);

    if (!json_object_is_type(value, json_type_int))
        check_fail("no number %s in: %s", key, json_object_to_json_string(line));
    assert_true(json_object_get_int64(value) == number);
}

/* A parser returns any value unchanged, except bytes that JSON cannot hold, and the other fields are unaffected. */
static void json_values(const void *row)
{
    const struct value_case *c = row;
    const char *expected = c->in_json == NULL ? c->value : c->in_json;
    struct json_object *parsed;
    struct log_line line;
    char text[8192];

    as_json();
    capture_begin();
    log_begin(&line, LOG_WARNING, c->value);
    log_text(&line, "value", c->value);
    log_number(&line, "after", 1);
    log_text(&line, "absent", NULL);
    log_end(&line);
    as_text();
    assert_int_equal(capture_end(text), 1);

    parsed = parse(text);
    assert_int_equal(json_object_object_length(parsed), 5);
    expect_text(parsed, "level", "warning");
    expect_text(parsed, "event", expected);
    expect_text(parsed, "value", expected);
    expect_number(parsed, "after", 1);
    json_object_put(parsed);
}

static void json_line_has_its_time_first(void)
{
    static const char form[] = "{\"time\":\"9999-99-99T99:99:99.999Z\",\"level\":\"info\",\"event\":\"served\""
                               ",\"path\":\"/healthz\",\"status\":999}\n";
    struct log_line line;
    char text[8192];

    as_json();
    capture_begin();
    log_begin(&line, LOG_INFO, "served");
    log_text(&line, "path", "/healthz");
    log_number(&line, "status", 200);
    log_end(&line);
    as_text();
    assert_int_equal(capture_end(text), 1);
    assert_int_equal(strlen(text), strlen(form));
    for (size_t i = 0; form[i] != '\0'; i++) {
        if (form[i] == '9' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            check_fail("at %zu: %s", i, text);
    }
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
    } cases[] = {
        {0, "0"}, {200, "200"}, {-1, "-1"}, {INT64_MAX, "9223372036854775807"}, {INT64_MIN, "-9223372036854775808"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct json_object *parsed;
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

        as_json();
        capture_begin();
        log_begin(&line, LOG_INFO, "x");
        log_number(&line, "n", cases[i].number);
        log_end(&line);
        as_text();
        capture_end(text);
        parsed = parse(text);
        expect_number(parsed, "n", cases[i].number);
        json_object_put(parsed);
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

static void errors_in_json(void)
{
    struct json_object *parsed;
    struct log_line line;
    struct error err;
    char text[8192];

    error_set(&err, ERROR_LEASE, "it is \"another's\"");
    as_json();
    capture_begin();
    log_begin(&line, LOG_ERROR, "x");
    log_error(&line, &err);
    log_end(&line);
    capture_end(text);
    parsed = parse(text);
    assert_int_equal(json_object_object_length(parsed), 5);
    expect_text(parsed, "error", "lease");
    expect_text(parsed, "reason", "it is \"another's\"");
    json_object_put(parsed);

    error_detail(&err, "57014: canceling\nstatement");
    capture_begin();
    log_begin(&line, LOG_ERROR, "x");
    log_error(&line, &err);
    log_end(&line);
    as_text();
    capture_end(text);
    parsed = parse(text);
    assert_int_equal(json_object_object_length(parsed), 6);
    expect_text(parsed, "detail", "57014: canceling\nstatement");
    json_object_put(parsed);
}

static const struct level_case {
    const char *name;
    enum log_level level;
} level_cases[] = {{"error", LOG_ERROR}, {"warning", LOG_WARNING}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};

/* A line less severe than the threshold is not written, in either format. */
static void levels(const void *row)
{
    const struct level_case *threshold = row;

    for (size_t i = 0; i < ARRAY_SIZE(level_cases); i++) {
        const struct level_case *c = &level_cases[i];
        struct json_object *parsed;
        char text[8192], json[8192];
        int writes, json_writes;

        log_configure(threshold->level, LOG_FORMAT_TEXT);
        capture_begin();
        log_event(c->level, "event");
        writes = capture_end(text);
        log_configure(threshold->level, LOG_FORMAT_JSON);
        capture_begin();
        log_event(c->level, "event");
        json_writes = capture_end(json);
        as_text();
        assert_int_equal(writes, c->level <= threshold->level);
        assert_int_equal(json_writes, writes);
        if (writes > 0) {
            (void) after_level(text, c->name);
            parsed = parse(json);
            expect_text(parsed, "level", c->name);
            json_object_put(parsed);
        }
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
    const char *in_json;      /* the value after parsing; NULL: the same */
    size_t size, size_in_json; /* of the value in the line */
} cut_cases[] = {
    {"letters", "a", NULL, 1, 1},
    {"spaces", " ", NULL, 1, 1},
    {"quotes", "\"", NULL, 2, 2},
    {"backslashes", "\\", NULL, 2, 2},
    {"line ends", "\n", NULL, 4, 6},
    {"characters of two bytes", "\xC3\xA9", NULL, 2, 2},
    {"characters of three bytes", "\xE5\xAE\xB9", NULL, 3, 3},
    {"characters of four bytes", "\xF0\x9F\x98\x80", NULL, 4, 4},
    {"C1", "\xC2\x85", NULL, 8, 6},
    {"invalid UTF-8", "\xFF", "\xEF\xBF\xBD", 4, 6},
    {"fields", "\" forged=1 \"", NULL, 14, 14},
    {"members", "\",\"forged\":1,\"x\":\"", NULL, 25, 25},
};

/* Logs a line with a value of `count` units, and a field after it. */
static void log_long(const struct cut_case *c, size_t count, char text[8192])
{
    struct buffer value = {0};
    struct log_line line;

    buffer_append_text(&value, "");
    for (size_t i = 0; i < count; i++)
        buffer_append_text(&value, c->unit);
    capture_begin();
    log_begin(&line, LOG_INFO, "x");
    log_text(&line, "value", buffer_text(&value));
    log_text(&line, "after", "1");
    log_end(&line);
    if (capture_end(text) != 1 || strlen(text) > sizeof(line.text))
        check_fail("%zu units: not one line of at most %zu bytes", count, sizeof(line.text));
    if (strchr(text, '\n') != text + strlen(text) - 1)
        check_fail("%zu units: not one line", count);
    buffer_free(&value);
}

/* Checks that the logged value is `count` units or, if the line is full, the beginning of them. */
static void check_cut(const char *value, const char *unit, size_t count, bool may_be_cut)
{
    size_t size = strlen(unit), length = strlen(value);

    for (size_t i = 0; i < length; i++) {
        if (value[i] != unit[i % size])
            check_fail("%zu units: another value from %zu on: %s", count, i, value);
    }
    if (length > count * size || (!may_be_cut && length < count * size))
        check_fail("%zu units: %zu bytes are left", count, length);
}

/* Returns whether a line is full: room is kept for the end of the value and the line, and one character. */
static bool is_full(const char *text)
{
    return strlen(text) + 3 + 8 >= sizeof(((struct log_line *) 0)->text);
}

/* A value that is too long is cut: the line stays one line, and no part of the value becomes a field. */
static void cuts(const void *row)
{
    const struct cut_case *c = row;
    struct buffer key = {0}, value = {0};

    for (size_t count = 3800 / c->size; count < 4300 / c->size + 2; count++) {
        char text[8192];
        const char *at;

        log_long(c, count, text);
        at = after_level(text, "info");
        expect_field(&at, "event", "x");
        if (!take_field(&at, &key, &value) || strcmp(buffer_text(&key), "value") != 0)
            check_fail("%zu units: no value: %s", count, text);
        check_cut(buffer_text(&value), c->unit, count, is_full(text));
        if (*at != '\n')
            expect_field(&at, "after", "1");
        assert_string_equal(at, "\n");
    }
    buffer_free(&key);
    buffer_free(&value);
}

static void cuts_in_json(const void *row)
{
    const struct cut_case *c = row;

    for (size_t count = 3800 / c->size_in_json; count < 4300 / c->size_in_json + 2; count++) {
        struct json_object *parsed;
        char text[8192];

        as_json();
        log_long(c, count, text);
        as_text();
        parsed = parse(text);
        expect_text(parsed, "event", "x");
        if (!json_object_is_type(member(parsed, "value"), json_type_string))
            check_fail("%zu units: no value: %s", count, text);
        check_cut(json_object_get_string(member(parsed, "value")), c->in_json == NULL ? c->unit : c->in_json, count,
                  is_full(text));
        if (member(parsed, "after") != NULL)
            expect_text(parsed, "after", "1");
        assert_int_equal(json_object_object_length(parsed), member(parsed, "after") == NULL ? 4 : 5);
        json_object_put(parsed);
    }
}

/* Logs 500 fields: numbers, or texts of this length. */
static void log_many(size_t length, char text[8192])
{
    static const char value[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    struct log_line line;

    assert_true(length < sizeof(value));
    capture_begin();
    log_begin(&line, LOG_INFO, "x");
    for (int i = 100; i < 600; i++) {
        char key[24];

        snprintf(key, sizeof(key), "field_%d", i);
        if (length == 0)
            log_number(&line, key, INT64_MIN + i);
        else
            log_text(&line, key, value + sizeof(value) - 1 - length);
    }
    log_end(&line);
    if (capture_end(text) != 1 || strlen(text) > sizeof(line.text))
        check_fail("values of %zu: not one line of at most %zu bytes", length, sizeof(line.text));
}

/* A field without room is dropped with its key. All other fields are complete, except the last text. */
static void a_full_line_drops_fields(void)
{
    for (size_t length = 0; length <= 80; length++) {
        struct buffer key = {0}, value = {0};
        char text[8192], expected[24];
        const char *at;
        int count = 0;

        log_many(length, text);
        at = after_level(text, "info");
        expect_field(&at, "event", "x");
        while (take_field(&at, &key, &value)) {
            snprintf(expected, sizeof(expected), "field_%d", 100 + count++);
            assert_string_equal(buffer_text(&key), expected);
            if (length == 0)
                assert_true(strtoll(buffer_text(&value), NULL, 10) == INT64_MIN + 99 + count);
            else if (value.length != length && *at != '\n')
                check_fail("the value of %s is cut: %s", expected, text);
        }
        assert_string_equal(at, "\n");
        assert_in_range(count, 3000 / (12 + (length == 0 ? 20 : length)), 499);
        buffer_free(&key);
        buffer_free(&value);
    }
}

static void a_full_line_drops_members(void)
{
    for (size_t length = 0; length <= 80; length++) {
        struct json_object *parsed;
        char text[8192];
        int count = 0;

        as_json();
        log_many(length, text);
        as_text();
        parsed = parse(text);
        json_object_object_foreach(parsed, key, value) {
            char expected[24];

            if (strncmp(key, "field_", 6) != 0)
                continue;
            snprintf(expected, sizeof(expected), "field_%d", 100 + count++);
            assert_string_equal(key, expected);
            if (length == 0)
                expect_number(parsed, key, INT64_MIN + 99 + count);
            else if ((size_t) json_object_get_string_len(value) != length
                     && count != json_object_object_length(parsed) - 3)
                check_fail("the value of %s is cut: %s", key, text);
        }
        assert_int_equal(json_object_object_length(parsed), 3 + count);
        assert_in_range(count, 3000 / (15 + (length == 0 ? 20 : length)), 499);
        json_object_put(parsed);
    }
}

/* A pipe that is nearly full takes a part of a line at a time. */
static void a_line_is_written_in_parts(void)
{
    output.most = 7;
    log_event(LOG_INFO, "started");
    output.most = 0;
    assert_non_null(strstr(buffer_text(&output.received), " info event=started\n"));
    assert_string_equal(strchr(buffer_text(&output.received), '\n'), "\n");
    buffer_free(&output.received);
}

/* Nothing reads standard error any more: the process goes on. */
static void a_line_that_cannot_be_written_is_dropped(void)
{
    output.calls = 0;
    output.fails = true;
    log_event(LOG_INFO, "started");
    output.fails = false;
    assert_int_equal(output.calls, 1);
}

int main(void)
{
    CHECK(debug_is_not_logged_unless_asked_for);
    CHECK_EACH(values, value_cases, value);
    CHECK_EACH(json_values, value_cases, value);
    CHECK(json_line_has_its_time_first);
    CHECK(plain_values_stay_bare);
    CHECK(numbers);
    CHECK(null_leaves_the_field_out);
    CHECK(errors);
    CHECK(errors_in_json);
    CHECK_EACH(levels, level_cases, name);
    CHECK_EACH(cuts, cut_cases, label);
    CHECK_EACH(cuts_in_json, cut_cases, label);
    CHECK(a_full_line_drops_fields);
    CHECK(a_full_line_drops_members);
    CHECK(a_line_is_written_in_parts);
    CHECK(a_line_that_cannot_be_written_is_dropped);
    return check_run("base/log");
}
