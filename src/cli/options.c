#include "cli/options.h"

#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define FIRST_OPTION 256 /* the value of the first row in getopt_long, above all characters */

static bool is_argument(const struct cli_option *option)
{
    return option->name[0] != '-';
}

static bool is_letter(const struct cli_option *option)
{
    return option->name[0] == '-' && option->name[1] != '-';
}

/* The options in the form that getopt_long reads. */
struct known_options {
    struct option names[CLI_MAX_OPTIONS + 1]; /* without dashes; the value identifies the row */
    char letters[2 * CLI_MAX_OPTIONS + 2];    /* of options with one dash */
};

static void list_options(const struct cli_option *options, struct known_options *known)
{
    struct option *name = known->names;
    char *letter = known->letters;
    int row;

    *letter++ = ':'; /* suppresses the messages of getopt_long */
    for (row = 0; options[row].name != NULL; row++) {
        bool has_value = options[row].flag == NULL;

        assert(row < CLI_MAX_OPTIONS);
        if (is_letter(&options[row])) {
            *letter++ = options[row].name[1];
            if (has_value)
                *letter++ = ':';
        } else if (!is_argument(&options[row])) {
            *name++ = (struct option) {options[row].name + 2, has_value ? required_argument : no_argument, NULL,
                                       FIRST_OPTION + row};
        }
    }
}

/* Returns the row of an option that getopt_long has found. */
static int row_of(const struct cli_option *options, int found)
{
    int row = 0;

    if (found >= FIRST_OPTION)
        return found - FIRST_OPTION;
    while (!is_letter(&options[row]) || options[row].name[1] != found)
        row++;
    return row;
}

static bool reject_word(const char *command, const char *problem, const char *word, size_t length, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    return error_set(err, ERROR_USAGE, "%s: %s %s", command, problem, text_excerpt(excerpt, word, length));
}

/* Reports an option that getopt_long does not know, or a flag with a value. */
static bool reject_option(const char *command, char **argv, const struct cli_option *options, struct error *err)
{
    const char letter[] = {'-', (char) optopt, '\0'};
    const char *word = optopt == 0 ? argv[optind - 1] : letter;

    if (optopt >= FIRST_OPTION)
        return error_set(err, ERROR_USAGE, "%s: %s takes no value", command, options[optopt - FIRST_OPTION].name);
    return reject_word(command, "unknown option", word, optopt == 0 ? strcspn(word, "=") : strlen(word), err);
}

/* Stores the value of an option or argument. It is NULL for a flag. */
static bool store_value(const char *command, const struct cli_option *option, const char *value, struct error *err)
{
    const char *broken = NULL;
    char excerpt[TEXT_EXCERPT_SIZE], range[80];
    int64_t number = -1;

    if (option->flag != NULL) {
        *option->flag = true;
    } else if (option->text != NULL) {
        *option->text = value;
    } else if (option->parse != NULL) {
        broken = option->parse(value, option->target);
    } else if (option->duration != NULL) {
        if (!clock_parse_duration(value, option->duration))
            broken = "must be a duration such as 90s, 15m, 12h, 30d or 4w, and at most 36600d";
    } else if (text_parse_digits(value, 18, &number) && number >= option->min && number <= option->max) {
        *option->integer = number;
    } else {
        snprintf(range, sizeof(range), "must be an integer from %" PRId64 " to %" PRId64, option->min, option->max);
        broken = range;
    }
    if (broken == NULL)
        return true;
    return error_set(err, ERROR_USAGE, "%s: %s %s, got %s", command, option->name, broken,
                     text_excerpt(excerpt, value, strlen(value)));
}

/* Stores the arguments after the options in the rows for arguments. */
static bool store_arguments(const char *command, int argc, char **argv, const struct cli_option *options,
                            bool given[CLI_MAX_OPTIONS], struct error *err)
{
    for (int row = 0; options[row].name != NULL && optind < argc; row++) {
        if (!is_argument(&options[row]))
            continue;
        given[row] = true;
        do {
            if (!store_value(command, &options[row], argv[optind++], err))
                return false;
        } while (options[row].repeated && optind < argc);
    }
    return optind == argc
           || reject_word(command, "unexpected argument", argv[optind], strlen(argv[optind]), err);
}

bool cli_parse_options(const char *command, int argc, char **argv, const struct cli_option *options, struct error *err)
{
    struct known_options known = {0};
    bool given[CLI_MAX_OPTIONS] = {false};
    int found, row;

    list_options(options, &known);
    optind = 0; /* restart getopt_long */
    while ((found = getopt_long(argc, argv, known.letters, known.names, NULL)) != -1) {
        if (found == ':')
            return error_set(err, ERROR_USAGE, "%s: %s requires a value", command, argv[optind - 1]);
        if (found == '?')
            return reject_option(command, argv, options, err);
        row = row_of(options, found);
        given[row] = true;
        if (!store_value(command, &options[row], optarg, err))
            return false;
    }
    if (!store_arguments(command, argc, argv, options, given, err))
        return false;
    for (row = 0; options[row].name != NULL; row++) {
        if (options[row].required && !given[row])
            return error_set(err, ERROR_USAGE, "%s: %s is required", command, options[row].name);
    }
    return true;
}
