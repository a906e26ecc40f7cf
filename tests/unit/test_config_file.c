/* How a configuration file is read. test_config.c tests the values of its options. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/config.h"
#include "check.h"
#include "scratch.h"

static const struct line_case {
    const char *label;
    const char *text;
    int line; /* 0: the file is good */
    const char *fragment;
} line_cases[] = {
    {"an empty file", "", 0, NULL},
    {"no newline at the end", "[csv]\nbom = on", 0, NULL},
    {"CRLF line ends", "[csv]\r\nbom = on\r\n", 0, NULL},
    {"comments and empty lines", "# a ; b\n; b = c\n\n[csv]\n  # c\n\t; d\n \t\n# [x]\nbom = on\n", 0, NULL},
    {"no spaces around =", "[csv]\nbom=on\n", 0, NULL},
    {"sections in any order, twice", "[log]\nlevel = info\n[csv]\nbom = on\n[log]\nlevel = info\n", 0, NULL},
    {"unknown option", "[csv]\n\n# x\nbomb = on\n", 4, "bomb"},
    {"unknown section", "[cvs]\nbom = on\n", 2, "cvs"},
    {"option of another section", "[server]\nbom = on\n", 2, "bom"},
    {"option before a section", "bom = on\n[csv]\n", 1, "bom"},
    {"upper case", "[csv]\nBOM = on\n", 2, "BOM"},
    {"empty name", "[csv]\n= on\n", 2, ""},
    {"no =", "[csv]\nbom\n", 2, ""},
    {"section without its end", "[csv\nbom = on\n", 1, ""},
    {"line of text", "[csv]\nbom = off\nsee the manual\n", 3, ""},
    {"bad value in the last line", "[csv]\nbom = maybe", 2, "maybe"},
    {"first of several", "[csv]\nbom = maybe\nguard = x\n[x]\n", 2, "maybe"},
    {"first of several, no option", "[csv]\nnonsense\nbom = maybe\n", 2, ""},
    {"indented option", "[csv]\n bom = on\n", 2, "whitespace"},
    {"indented by a tab", "[csv]\nbom = off\n\tformula_guard = on\n", 3, "whitespace"},
    {"comment after a value", "[csv]\nbom = on ; for Excel\n", 2, "comment"},
    {"value with a ; after a space", "[database]\nconninfo = password='x ;y'\n", 2, "comment"},
    {"value with a ; after a tab", "[database]\nconninfo = a\t;b\n", 2, "comment"},
    {"continued line", "[csv]\ntime_zone = UTC\n  x\n", 3, "whitespace"},
    {"continued line of an option above another", "[database]\nconninfo = a\npool_size = 2\n  b\n", 4, "whitespace"},
    {"continued line after a section", "[database]\nconninfo = host=a\n[csv]\n  dbname=b\n", 4, "whitespace"},
    {"continued line before an option", "[database]\n  dbname=b\nconninfo = a\n", 2, "whitespace"},
};

/* Reads a file of these bytes. If ret_path is not NULL, the caller frees *ret_path. */
static struct config *read_text(const char *text, size_t length, char **ret_path, struct error *err)
{
    char *path = scratch_write("test.conf", text, length);
    struct config *config = config_read(path, err);

    if (ret_path != NULL)
        *ret_path = path;
    else
        free(path);
    return config;
}

static void lines(const void *row)
{
    const struct line_case *c = row;
    struct buffer place = {0};
    struct config *config;
    struct error err;
    char *path;

    config = read_text(c->text, strlen(c->text), &path, &err);
    if (c->line == 0) {
        check_good(config != NULL, &err);
        assert_int_equal(config->bom, strstr(c->text, "bom") != NULL);
    } else {
        assert_null(config);
        buffer_printf(&place, "%s:%d: ", path, c->line);
        check_refusal(&err, ERROR_CONFIG, place.data);
        check_refusal(&err, ERROR_CONFIG, c->fragment);
    }
    config_free(config);
    buffer_free(&place);
    free(path);
}

static const struct conninfo_case {
    const char *name;
    const char *text;
    const char *conninfo;
} conninfo_cases[] = {
    {"one line", "conninfo = host=a\n", "host=a"},
    {"two lines", "conninfo = host=a\n  dbname=b\n", "host=a dbname=b"},
    {"three lines", "conninfo = host=a\n\tdbname=b \n user=c", "host=a dbname=b user=c"},
    {"nothing in the first", "conninfo =\n  host=a\n", " host=a"},
    {"a comment between", "conninfo = host=a\n# b\n  # c\n\n  dbname=b\n", "host=a dbname=b"},
    {"an = in it", "conninfo = host=a\n  options='-c x=1'\n", "host=a options='-c x=1'"},
    {"given twice", "conninfo = host=a\n  dbname=b\nconninfo = host=c\n", "host=c"},
    {"of another option", "conninfo = host=a\nowner_conninfo = host=b\n  dbname=b\n", "host=a"},
};

static void conninfo_in_lines(const void *row)
{
    const struct conninfo_case *c = row;
    struct buffer text = {0};
    struct config *config;
    struct error err;

    buffer_printf(&text, "[database]\n%s", c->text);
    config = read_text(text.data, text.length, NULL, &err);
    check_good(config != NULL, &err);
    assert_string_equal(config->conninfo, c->conninfo);
    config_free(config);
    buffer_free(&text);
}

/* Reads a file whose second line has `length` characters. */
static struct config *read_long_line(size_t length, const char *end, struct error *err)
{
    struct buffer text = {0};
    struct config *config;

    buffer_append_text(&text, "[database]\nconninfo = ");
    while (text.length < strlen("[database]\n") + length)
        buffer_append_text(&text, "x");
    buffer_append_text(&text, end);
    config = read_text(text.data, text.length, NULL, err);
    buffer_free(&text);
    return config;
}

/* The message names the longest line allowed: a line of that length is read whole, a longer one is refused. */
static void long_lines(void)
{
    const char *ends[] = {"\n", "", "\n[csv]\n"};
    struct config *config;
    struct error err;
    size_t longest;

    assert_null(read_long_line(100000, "\n", &err));
    check_refusal(&err, ERROR_CONFIG, ":2: the line is longer than ");
    longest = strtoul(strstr(err.message, "longer than ") + strlen("longer than "), NULL, 10);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        config = read_long_line(longest, ends[i], &err);
        check_good(config != NULL, &err);
        assert_int_equal(strlen(config->conninfo), longest - strlen("conninfo = "));
        config_free(config);
        assert_null(read_long_line(longest + 1, ends[i], &err));
        check_refusal(&err, ERROR_CONFIG, ":2: ");
    }
}

static void unreadable_files(void)
{
    char *missing = scratch_path("missing.conf");
    struct error err;

    assert_null(config_read(missing, &err));
    check_refusal(&err, ERROR_CONFIG, missing);
    check_refusal(&err, ERROR_CONFIG, "No such file");
    assert_null(config_read(scratch_directory(), &err));
    check_refusal(&err, ERROR_CONFIG, scratch_directory());
    free(missing);
}

static void which_file(void)
{
    char *path = scratch_write("named.conf", BYTES("[server]\ngrace = 11\n"));
    char *other = scratch_write("other.conf", BYTES("[server]\ngrace = 12\n"));
    struct config *config;
    struct error err;

    setenv("WAYBILL_CONFIG", path, 1);
    config = config_read(NULL, &err);
    check_good(config != NULL, &err);
    assert_int_equal(config->grace, 11);
    config_free(config);
    config = config_read(other, &err);
    check_good(config != NULL, &err);
    assert_int_equal(config->grace, 12);
    config_free(config);
    unsetenv("WAYBILL_CONFIG");
    if (access(CONFIG_DEFAULT_PATH, F_OK) != 0) {
        assert_null(config_read(NULL, &err));
        check_refusal(&err, ERROR_CONFIG, CONFIG_DEFAULT_PATH ": ");
    }
    free(path);
    free(other);
}

static void freeing_nothing_is_fine(void)
{
    config_free(NULL);
}

int main(void)
{
    unsetenv("WAYBILL_CONFIG");
    CHECK_EACH(conninfo_in_lines, conninfo_cases, name);
    CHECK_EACH(lines, line_cases, label);
    CHECK(long_lines);
    CHECK(unreadable_files);
    CHECK(which_file);
    CHECK(freeing_nothing_is_fine);
    return check_run("base/config, the file");
}
