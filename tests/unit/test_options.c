/* The table of a subcommand's options: each kind of value, and each message. */
#include "cli/options.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "check.h"
#include "scratch.h"

#define MAX_WORDS 10

/* What the table below fills in. */
static struct {
    const char *text, *id, *second;
    int64_t number, small, duration;
    bool flag, letter_flag;
    struct buffer collected;
} got;

/* Collects the values, but refuses the empty one. */
static const char *collect(const char *value, void *target)
{
    if (*value == '\0')
        return "must have a character";
    buffer_printf(target, "[%s]", value);
    return NULL;
}

static const struct cli_option table[] = {
    {"--text", .text = &got.text},
    {"ID", .text = &got.id, .required = true},
    {"--number", .integer = &got.number, .min = 3, .max = INT64_C(999999999999999999)},
    {"SECOND", .text = &got.second},
    {"--small", .integer = &got.small, .max = 7},
    {"--duration", .duration = &got.duration},
    {"--column", .parse = collect, .target = &got.collected},
    {"--flag", .flag = &got.flag},
    {0},
};

/* Reads these words, behind that of the action itself, by the table; nothing may appear on standard error. */
static bool parse(const char *const words[MAX_WORDS], const struct cli_option *options, struct error *err)
{
    char *argv[MAX_WORDS + 2] = {(char[]) {"act"}};
    char *path = scratch_write("stderr", BYTES(""));
    int file = open(path, O_WRONLY | O_CLOEXEC), saved = dup(STDERR_FILENO);
    struct buffer printed = {0};
    int argc = 1;
    bool good;

    while (argc <= MAX_WORDS && words[argc - 1] != NULL) {
        argv[argc] = (char *) (uintptr_t) words[argc - 1];
        argc++;
    }
    dup2(file, STDERR_FILENO);
    good = cli_parse_options("verb act", argc, argv, options, err);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(file);
    scratch_read(path, &printed);
    assert_string_equal(buffer_text(&printed), "");
    buffer_free(&printed);
    free(path);
    return good;
}

static void begin(void)
{
    buffer_free(&got.collected);
    memset(&got, 0, sizeof(got));
    got.text = got.id = got.second = "default";
    got.number = got.small = got.duration = -1;
}

static const struct good_case {
    const char *label;
    const char *words[MAX_WORDS];
    const char *expected; /* text, ID, SECOND, number, small, duration, columns, flag */
} good_cases[] = {
    {"defaults", {"x"}, "default x default -1 -1 -1 "},
    {"two arguments", {"x", "y"}, "default x y -1 -1 -1 "},
    {"text", {"x", "--text", "a b"}, "a b x default -1 -1 -1 "},
    {"text with =", {"x", "--text=a=b"}, "a=b x default -1 -1 -1 "},
    {"empty text", {"x", "--text="}, " x default -1 -1 -1 "},
    {"text like an option", {"x", "--text", "--number"}, "--number x default -1 -1 -1 "},
    {"the last of two", {"x", "--text", "a", "--text", "b"}, "b x default -1 -1 -1 "},
    {"lowest number", {"x", "--number", "3"}, "default x default 3 -1 -1 "},
    {"highest number", {"x", "--number", "999999999999999999"}, "default x default 999999999999999999 -1 -1 "},
    {"zero", {"x", "--small=0"}, "default x default -1 0 -1 "},
    {"zeros", {"x", "--small", "007"}, "default x default -1 7 -1 "},
    {"duration", {"x", "--duration", "15m"}, "default x default -1 -1 900000 "},
    {"one of several values", {"x", "--column", "a"}, "default x default -1 -1 -1 [a]"},
    {"several values in their order", {"--column", "b", "x", "--column=a", "--column", "b"},
     "default x default -1 -1 -1 [b][a][b]"},
    {"flag", {"x", "--flag"}, "default x default -1 -1 -1 flag"},
    {"flag before an argument", {"--flag", "x"}, "default x default -1 -1 -1 flag"},
    {"flag twice", {"x", "--flag", "--flag"}, "default x default -1 -1 -1 flag"},
    {"options behind and between arguments", {"x", "--small", "1", "y", "--text", "t"}, "t x y -1 1 -1 "},
    {"arguments like options", {"--", "--text", "-s"}, "default --text -s -1 -1 -1 "},
    {"a dash", {"-"}, "default - default -1 -1 -1 "},
    {"the beginning of a name", {"x", "--dur", "1s"}, "default x default -1 -1 1000 "},
};

static void reads(const void *row)
{
    const struct good_case *c = row;
    struct buffer found = {0};
    struct error err;

    begin();
    check_good(parse(c->words, table, &err), &err);
    buffer_printf(&found, "%s %s %s %lld %lld %lld %s%s", got.text, got.id, got.second, (long long) got.number,
                  (long long) got.small, (long long) got.duration, buffer_text(&got.collected),
                  got.flag ? "flag" : "");
    assert_string_equal(buffer_text(&found), c->expected);
    buffer_free(&found);
}

static const struct bad_case {
    const char *label;
    const char *words[MAX_WORDS];
    const char *message; /* all of it */
} bad_cases[] = {
    {"no argument", {NULL}, "verb act: ID is required"},
    {"no argument but an option", {"--text", "x"}, "verb act: ID is required"},
    {"three arguments", {"x", "y", "z", "--text", "t"}, "verb act: unexpected argument \"z\""},
    {"an argument that is no text", {"x", "y", "\x1B[31m"}, "verb act: unexpected argument \"\\x1b[31m\""},
    {"unknown", {"x", "--nothing"}, "verb act: unknown option \"--nothing\""},
    {"unknown, with a value", {"x", "--nothing=secret"}, "verb act: unknown option \"--nothing\""},
    {"unknown, in front", {"--nothing", "x"}, "verb act: unknown option \"--nothing\""},
    {"unknown and no text", {"x", "--a\nb"}, "verb act: unknown option \"--a\\x0ab\""},
    {"letter", {"x", "-n"}, "verb act: unknown option \"-n\""},
    {"letters", {"x", "-nm", "y"}, "verb act: unknown option \"-n\""},
    {"longer than a name", {"x", "--texts", "t"}, "verb act: unknown option \"--texts\""},
    {"an argument's name as an option", {"x", "--ID", "y"}, "verb act: unknown option \"--ID\""},
    {"no value", {"x", "--text"}, "verb act: --text requires a value"},
    {"flag with a value", {"x", "--flag=on"}, "verb act: --flag takes no value"},
    {"flag with an empty value", {"x", "--flag="}, "verb act: --flag takes no value"},
    {"no number", {"x", "--number", "many"},
     "verb act: --number must be an integer from 3 to 999999999999999999, got \"many\""},
    {"an empty number", {"x", "--small="}, "verb act: --small must be an integer from 0 to 7, got \"\""},
    {"too low", {"x", "--number", "2"},
     "verb act: --number must be an integer from 3 to 999999999999999999, got \"2\""},
    {"too high", {"x", "--small", "8"}, "verb act: --small must be an integer from 0 to 7, got \"8\""},
    {"negative", {"x", "--small", "-1"}, "verb act: --small must be an integer from 0 to 7, got \"-1\""},
    {"beyond 64 bits", {"x", "--small", "18446744073709551617"},
     "verb act: --small must be an integer from 0 to 7, got \"18446744073709551617\""},
    {"no duration", {"x", "--duration", "0s"},
     "verb act: --duration must be a duration such as 90s, 15m, 12h, 30d or 4w, and at most 36600d, got \"0s\""},
    {"a value that its parser refuses", {"x", "--column", "a", "--column", ""},
     "verb act: --column must have a character, got \"\""},
};

static void refuses(const void *row)
{
    const struct bad_case *c = row;
    struct error err;

    begin();
    assert_false(parse(c->words, table, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_string_equal(err.message, c->message);
    assert_int_equal(got.number, -1);
    assert_int_equal(got.small, -1);
    assert_int_equal(got.duration, -1);
}

/* The bounds of a duration are those of the message. */
static void names_the_longest_duration(void)
{
    static const char *const longest[MAX_WORDS] = {"x", "--duration", "36600d"};
    static const char *const longer[MAX_WORDS] = {"x", "--duration", "36601d"};
    struct error err;

    begin();
    check_good(parse(longest, table, &err), &err);
    assert_false(parse(longer, table, &err));
}

static const struct letter_case {
    const char *label;
    const char *words[MAX_WORDS];
    const char *expected; /* text, -f, ID */
} letter_cases[] = {
    {"apart", {"-o", "file", "x"}, "file no x"},
    {"joined", {"-ofile", "x"}, "file no x"},
    {"a dash", {"x", "-o", "-"}, "- no x"},
    {"empty", {"x", "-o", ""}, " no x"},
    {"like an option", {"x", "-o", "-f"}, "-f no x"},
    {"flag", {"x", "-f"}, "default yes x"},
    {"joined with a flag", {"-fo", "file", "x"}, "file yes x"},
    {"last of two", {"-o", "a", "x", "-o", "b"}, "b no x"},
};

static const struct cli_option letters[] = {
    {"--flag", .flag = &got.flag},
    {"-o", .text = &got.text},
    {"ID", .text = &got.id, .required = true},
    {"-f", .flag = &got.letter_flag},
    {0},
};

static void reads_letters(const void *row)
{
    const struct letter_case *c = row;
    struct buffer found = {0};
    struct error err;

    begin();
    check_good(parse(c->words, letters, &err), &err);
    buffer_printf(&found, "%s %s %s", got.text, got.letter_flag ? "yes" : "no", got.id);
    assert_string_equal(buffer_text(&found), c->expected);
    assert_false(got.flag);
    buffer_free(&found);
}

static const struct bad_case bad_letter_cases[] = {
    {"no value", {"x", "-o"}, "verb act: -o requires a value"},
    {"another letter", {"x", "-p", "y"}, "verb act: unknown option \"-p\""},
    {"another letter behind a flag", {"x", "-fp"}, "verb act: unknown option \"-p\""},
    {"a letter with two dashes", {"x", "--o", "y"}, "verb act: unknown option \"--o\""},
};

static void refuses_letters(const void *row)
{
    const struct bad_case *c = row;
    struct error err;

    begin();
    assert_false(parse(c->words, letters, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_string_equal(err.message, c->message);
}

static void options_can_be_required(void)
{
    static const char *const none[MAX_WORDS] = {"x"};
    static const char *const given[MAX_WORDS] = {"--text", "t"};
    const struct cli_option options[] = {{"ID", .text = &got.id}, {"--text", .text = &got.text, .required = true}, {0}};
    struct error err;

    begin();
    assert_false(parse(none, options, &err));
    assert_string_equal(err.message, "verb act: --text is required");
    check_good(parse(given, options, &err), &err);
    assert_string_equal(got.text, "t");
}

static void a_table_can_be_empty(void)
{
    static const char *const none[MAX_WORDS] = {NULL};
    static const char *const argument[MAX_WORDS] = {"x"};
    const struct cli_option options[] = {{0}};
    struct error err;

    check_good(parse(none, options, &err), &err);
    assert_false(parse(argument, options, &err));
    assert_string_equal(err.message, "verb act: unexpected argument \"x\"");
}

static void a_table_can_be_full(void)
{
    static const char *const words[MAX_WORDS] = {"--p", "1", "--a", "2"};
    const char *const names[CLI_MAX_OPTIONS] = {"--a", "--b", "--c", "--d", "--e", "--f", "--g", "--h",
                                                "--i", "--j", "--k", "--l", "--m", "--n", "--o", "--p"};
    struct cli_option options[CLI_MAX_OPTIONS + 1] = {0};
    const char *values[CLI_MAX_OPTIONS] = {NULL};
    struct error err;

    for (int i = 0; i < CLI_MAX_OPTIONS; i++)
        options[i] = (struct cli_option) {names[i], .text = &values[i]};
    check_good(parse(words, options, &err), &err);
    assert_string_equal(values[0], "2");
    assert_string_equal(values[CLI_MAX_OPTIONS - 1], "1");
}

int main(void)
{
    int status;

    CHECK_EACH(reads, good_cases, label);
    CHECK_EACH(refuses, bad_cases, label);
    CHECK_EACH(reads_letters, letter_cases, label);
    CHECK_EACH(refuses_letters, bad_letter_cases, label);
    CHECK(names_the_longest_duration);
    CHECK(options_can_be_required);
    CHECK(a_table_can_be_empty);
    CHECK(a_table_can_be_full);
    status = check_run("cli/options");
    begin();
    return status;
}
