/*
 * The options and arguments of a subcommand. A table describes them, and one function parses them. The subcommand sets
 * the defaults first.
 *
 *     int64_t limit = 50;
 *     const char *task_id;
 *     const struct cli_option options[] = {
 *         {"--limit", .integer = &limit, .min = 1, .max = 1000},
 *         {"ID", .text = &task_id, .required = true},
 *         {0},
 *     };
 */
#ifndef WAYBILL_CLI_OPTIONS_H
#define WAYBILL_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

#define CLI_MAX_OPTIONS 16 /* rows of a table, without the empty one at its end */

/* A row has exactly one of `flag`, `text`, `integer`, `duration` and `parse`. All but `flag` receive a value. */
struct cli_option {
    const char *name; /* of an option, with its dashes: "--limit", "-o"; of an argument, as in the usage: "ID" */
    bool required;
    bool repeated; /* of the last argument: it takes all further arguments, one after the other */
    bool *flag;         /* set to true; the option takes no value */
    const char **text;  /* points into argv */
    int64_t *integer;
    int64_t min, max;   /* of `integer`; min is at least 0, max has at most 18 digits */
    int64_t *duration;  /* milliseconds */
    /*
     * Parses a value of any other kind into `target`. Returns NULL, or the rule that the value breaks, such as "must be
     * on or off". It is called each time the option is given, so that it can collect several values.
     */
    const char *(*parse)(const char *value, void *target);
    void *target;
};

/*
 * Parses argv from argv[1] on. Every message begins with `command`, such as "token create". Arguments fill the rows
 * without dashes, in their order. Returns false with ERROR_USAGE if an option or argument is unknown, lacks its value,
 * breaks its rule, or is required and missing. Some targets may be set even then.
 */
MUST_CHECK bool cli_parse_options(const char *command, int argc, char **argv, const struct cli_option *options,
                                  struct error *err);

#endif
