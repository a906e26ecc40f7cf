#include "cli/selection_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "inventory/columns.h"
#include "inventory/filters.h"
#include "inventory/selection.h"
#include "schedule/period.h"

#define RANGE_SEPARATOR ".."
#define MS_DIGITS 18

static const char headers_field[] = "export_headers";

static void append_pair(struct json_object *pairs, const char *key, const char *header)
{
    struct json_object *pair = json_object_new_array();

    json_object_array_add(pair, json_object_new_string(key));
    json_object_array_add(pair, json_object_new_string(header));
    json_object_array_add(pairs, pair);
}

static struct json_object *all_columns(void)
{
    struct json_object *pairs = json_object_new_array();

    for (size_t i = 0; i < COLUMN_COUNT; i++)
        append_pair(pairs, columns[i].key, columns[i].key);
    return pairs;
}

/*
 * Validates a body, and takes it over. Returns NULL, or the rule that it breaks. The messages of selection_parse have
 * the form "FIELD RULE, got VALUE". The value is omitted, because cli_parse_options adds that of the option.
 */
static const char *broken_rule(struct selection_options *options, struct json_object *body)
{
    const char *text = json_object_to_json_string(body);
    struct error err;
    struct selection *selection = selection_parse(text, strlen(text), &err);
    const char *got;

    json_object_put(body);
    if (selection != NULL) {
        selection_free(selection);
        return NULL;
    }
    got = strstr(err.message, ", got ");
    snprintf(options->rule, sizeof(options->rule), "%.*s",
             (int) (got == NULL ? strlen(err.message) : (size_t) (got - err.message)), err.message);
    return options->rule;
}

/* Replaces the field at the start of the rule: "export_headers[0][1] must ..." becomes "HEADER must ...". */
static const char *column_rule(struct selection_options *options, const char *rule)
{
    char copy[sizeof(options->rule)];
    const char *predicate = strstr(rule, " must ");

    if (predicate == NULL)
        return rule;
    if (strstr(rule, "][") == NULL)
        return predicate + 1;
    snprintf(copy, sizeof(copy), "%s%s", strncmp(predicate - 3, "[0]", 3) == 0 ? "KEY" : "HEADER", predicate);
    memcpy(options->rule, copy, sizeof(copy));
    return options->rule;
}

static bool is_utf8(const char *value)
{
    size_t count;

    return text_utf8_count(value, strlen(value), &count);
}

const char *selection_options_column(const char *value, void *target)
{
    struct selection_options *options = target;
    const char *equals = strchr(value, '=');
    struct json_object *body;
    const char *rule;
    char *key;

    if (!is_utf8(value))
        return "must be valid UTF-8";
    key = equals == NULL ? memory_copy_text(value) : memory_copy_bytes(value, (size_t) (equals - value));
    if (options->columns == NULL)
        options->columns = json_object_new_array();
    append_pair(options->columns, key, equals == NULL ? value : equals + 1);
    free(key);
    body = json_object_new_object();
    json_object_object_add(body, headers_field, json_object_get(options->columns));
    rule = broken_rule(options, body);
    return rule == NULL ? NULL : column_rule(options, rule);
}

/* Adds a bound of a range of time, in milliseconds or ISO 8601 (in UTC without an offset). Empty text is no bound. */
static bool add_bound(struct json_object *range, const char *key, const char *text)
{
    int64_t instant;
    bool ignored;

    if (*text == '\0')
        return true;
    if (!text_parse_digits(text, MS_DIGITS, &instant) && !clock_parse_iso8601(text, &instant, &ignored))
        return false;
    json_object_object_add(range, key, json_object_new_int64(instant));
    return true;
}

/* Converts START..END to {start_time, end_time}. Returns NULL if it is invalid. */
static struct json_object *time_range(const char *value)
{
    const char *separator = strstr(value, RANGE_SEPARATOR);
    struct json_object *range;
    char *start;
    bool valid;

    if (separator == NULL)
        return NULL;
    range = json_object_new_object();
    start = memory_copy_bytes(value, (size_t) (separator - value));
    valid = add_bound(range, "start_time", start)
            && add_bound(range, "end_time", separator + strlen(RANGE_SEPARATOR));
    free(start);
    if (valid)
        return range;
    json_object_put(range);
    return NULL;
}

/* Converts a duration to {"last": DURATION}. Returns NULL if it is invalid. */
static struct json_object *last_period(const char *value)
{
    struct json_object *last;
    struct period period;
    struct error ignored;

    if (!period_parse(value, "last", &period, &ignored))
        return NULL;
    last = json_object_new_object();
    json_object_object_add(last, "last", json_object_new_string(value));
    return last;
}

/* Adds a filter on a time. */
static const char *add_time_filter(struct selection_options *options, const struct filter *filter, const char *value)
{
    struct json_object *converted = options->allow_period ? last_period(value) : NULL;

    if (converted == NULL)
        converted = time_range(value);
    if (converted == NULL && options->allow_period)
        return "create_time must be START..END, each in ISO 8601, in milliseconds since 1970 or empty, or a duration"
               " such as P7D";
    if (converted == NULL)
        return "create_time must be START..END, each in ISO 8601, in milliseconds since 1970 or empty";
    json_object_object_add(options->filters, filter->name, converted);
    return NULL;
}

/* Returns the filter whose name is before the equals sign of KEY=VALUE, or NULL. */
static const struct filter *filter_of(const char *value)
{
    const char *equals = strchr(value, '=');
    char *key = equals == NULL ? NULL : memory_copy_bytes(value, (size_t) (equals - value));
    const struct filter *filter = key == NULL ? NULL : filter_find(key);

    free(key);
    return filter;
}

static const char *unknown_filter(struct selection_options *options)
{
    struct buffer rule = {0};

    buffer_append_text(&rule, "must be KEY=VALUE, and KEY one of");
    for (size_t i = 0; i < FILTER_COUNT; i++)
        buffer_printf(&rule, "%s %s", i == 0 ? "" : ",", filters[i].name);
    snprintf(options->rule, sizeof(options->rule), "%s", buffer_text(&rule));
    buffer_free(&rule);
    return options->rule;
}

/* Validates a filter by itself. That of a duration has been validated. */
static const char *check_filter(struct selection_options *options, const struct filter *filter)
{
    struct json_object *value = NULL, *body;

    json_object_object_get_ex(options->filters, filter->name, &value);
    if (filter->kind == FILTER_TIME_RANGE && json_object_object_get_ex(value, "last", NULL))
        return NULL;
    body = json_object_new_object();
    json_object_object_add(body, filter->name, json_object_get(value));
    json_object_object_add(body, headers_field, all_columns());
    return broken_rule(options, body);
}

const char *selection_options_filter(const char *value, void *target)
{
    struct selection_options *options = target;
    const struct filter *filter = filter_of(value);
    const char *text, *rule;

    if (!is_utf8(value))
        return "must be valid UTF-8";
    if (filter == NULL)
        return unknown_filter(options);
    text = strchr(value, '=') + 1;
    if (options->filters == NULL)
        options->filters = json_object_new_object();
    if (json_object_object_get_ex(options->filters, filter->name, NULL))
        return "must not repeat a KEY";
    if (filter->kind == FILTER_TIME_RANGE) {
        rule = add_time_filter(options, filter, text);
        if (rule != NULL)
            return rule;
    } else {
        json_object_object_add(options->filters, filter->name, json_object_new_string(text));
    }
    return check_filter(options, filter);
}

bool selection_options_are_given(const struct selection_options *options)
{
    return options->columns != NULL || options->filters != NULL;
}

struct json_object *selection_options_body(const struct selection_options *options)
{
    struct json_object *body = json_object_new_object();

    if (options->filters != NULL) {
        json_object_object_foreach(options->filters, key, value)
            json_object_object_add(body, key, json_object_get(value));
    }
    json_object_object_add(body, headers_field,
                           options->columns == NULL ? all_columns() : json_object_get(options->columns));
    return body;
}

void selection_options_clear(struct selection_options *options)
{
    json_object_put(options->columns);
    json_object_put(options->filters);
    *options = (struct selection_options) {0};
}
