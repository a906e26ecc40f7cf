/*
 * The options --column KEY[=HEADER] and --filter KEY=VALUE, which select from the inventory. Together they form the
 * body of a task. Each value is validated when the option is parsed.
 *
 *     struct selection_options selection = {0};
 *     ...
 *         {"--column", .parse = selection_options_column, .target = &selection},
 *         {"--filter", .parse = selection_options_filter, .target = &selection},
 */
#ifndef WAYBILL_CLI_SELECTION_OPTIONS_H
#define WAYBILL_CLI_SELECTION_OPTIONS_H

#include <json-c/json.h>
#include <stdbool.h>

#include "base/compiler.h"

struct selection_options {
    bool allow_period;           /* create_time may be a duration before the occurrence of a schedule, such as P7D */
    struct json_object *columns; /* the pairs of export_headers; NULL: no --column */
    struct json_object *filters; /* NULL: no --filter */
    char rule[512];              /* the result of the parsers */
};

/* Parsers of cli_option for a struct selection_options. */
const char *selection_options_column(const char *value, void *target);
const char *selection_options_filter(const char *value, void *target);

/* Whether one of the options was given. */
bool selection_options_are_given(const struct selection_options *options);

/*
 * Returns the body of a task, without the other fields of a schedule. Without --column, it has all columns, with their
 * keys as header names. Free it with json_object_put.
 */
MUST_CHECK struct json_object *selection_options_body(const struct selection_options *options);

/* Frees the members. */
void selection_options_clear(struct selection_options *options);

#endif
