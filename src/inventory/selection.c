#include "inventory/selection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/json_fields.h"
#include "base/memory.h"
#include "base/text.h"

#define MAX_HEADER_NAME 255 /* characters */

static const struct json_rules body_rules = {.subject = "the body", .max_levels = 8};

static bool read_choice(struct json_object *value, const struct filter *filter, char **ret_text, struct error *err)
{
    const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    struct buffer rule = {0};

    buffer_append_text(&rule, "must be one of");
    for (size_t i = 0; filter->choices[i] != NULL; i++) {
        if (strcmp(text, filter->choices[i]) == 0) {
            buffer_free(&rule);
            *ret_text = memory_copy_text(text);
            return true;
        }
        buffer_printf(&rule, "%s %s", i == 0 ? "" : ",", filter->choices[i]);
    }
    json_field_reject(err, filter->name, buffer_text(&rule), value);
    buffer_free(&rule);
    return false;
}

/* Reads {"start_time": ms, "end_time": ms}, each optional. Without either, there is no filter. */
static bool read_time_range(struct json_object *value, const struct filter *filter, struct filter_value *ret,
                            struct error *err)
{
    char field[64];

    if (!json_object_is_type(value, json_type_object))
        return json_field_reject(err, filter->name, "must be an object with start_time and end_time", value);

    ret->start_time = ret->end_time = -1;
    json_object_object_foreach(value, key, member) {
        bool is_start = strcmp(key, "start_time") == 0;
        char excerpt[TEXT_EXCERPT_SIZE];

        if (!is_start && strcmp(key, "end_time") != 0)
            return error_set(err, ERROR_PARAMETER, "%s may contain only start_time and end_time, got unknown field %s",
                             filter->name, text_excerpt(excerpt, key, strlen(key)));
        if (json_object_is_type(member, json_type_null))
            continue;
        snprintf(field, sizeof(field), "%s.%s", filter->name, key);
        if (!json_field_instant(member, field, is_start ? &ret->start_time : &ret->end_time, err))
            return false;
    }
    if (ret->start_time >= 0 && ret->end_time >= 0 && ret->start_time > ret->end_time)
        return error_set(err, ERROR_PARAMETER,
                         "%s.start_time must not be after end_time, got %" PRId64 " and %" PRId64, filter->name,
                         ret->start_time, ret->end_time);
    ret->is_set = ret->start_time >= 0 || ret->end_time >= 0;
    return true;
}

/* Reads a text of min to max characters. "" is no filter. */
static bool read_text(struct json_object *value, const struct filter *filter, size_t min, size_t max,
                      struct filter_value *ret, struct error *err)
{
    const char *text;

    if (!json_field_text(value, filter->name, min, max, &text, err))
        return false;
    ret->is_set = *text != '\0';
    if (ret->is_set)
        ret->text = memory_copy_text(text);
    return true;
}

static bool read_filter(struct json_object *value, const struct filter *filter, struct filter_value *ret,
                        struct error *err)
{
    if (json_object_is_type(value, json_type_null))
        return true;
    switch (filter->kind) {
    case FILTER_BOOLEAN:
        ret->is_set = json_field_boolean(value, filter->name, &ret->boolean, err);
        return ret->is_set;
    case FILTER_CHOICE:
        ret->is_set = read_choice(value, filter, &ret->text, err);
        return ret->is_set;
    case FILTER_TIME_RANGE:
        return read_time_range(value, filter, ret, err);
    case FILTER_NAME:
    case FILTER_QUANTITY:
        return read_text(value, filter, filter->kind == FILTER_NAME ? 1 : 0, filter->max_length, ret, err);
    }
    return false;
}

/* Reads the key of pair `index`, and rejects a key that an earlier pair has. */
static bool read_header_key(struct json_object *value, size_t index, struct selection *selection, struct error *err)
{
    struct selection_header *header = &selection->headers[index];
    char excerpt[TEXT_EXCERPT_SIZE];
    char field[48];
    const char *text;

    snprintf(field, sizeof(field), "export_headers[%zu][0]", index);
    if (!json_object_is_type(value, json_type_string))
        return json_field_reject(err, field, "must be a string that is the key of a column", value);
    text = json_object_get_string(value);
    header->column = column_find(text);
    if (header->column == NULL) {
        struct buffer keys = {0};

        for (size_t i = 0; i < COLUMN_COUNT; i++)
            buffer_printf(&keys, "%s%s", i == 0 ? "" : ", ", columns[i].key);
        error_set(err, ERROR_PARAMETER, "%s must be one of %s, got %s", field, buffer_text(&keys),
                  text_excerpt(excerpt, text, strlen(text)));
        buffer_free(&keys);
        return false;
    }
    for (size_t i = 0; i < index; i++) {
        if (selection->headers[i].column == header->column)
            return error_set(err, ERROR_PARAMETER, "%s must not repeat a key, got \"%s\" twice", field, text);
    }
    return true;
}

/* Reads the header name of pair `index`. */
static bool read_header_name(struct json_object *value, size_t index, struct selection *selection, struct error *err)
{
    char field[48];
    const char *text;

    snprintf(field, sizeof(field), "export_headers[%zu][1]", index);
    if (!json_field_line(value, field, 1, MAX_HEADER_NAME, &text, err))
        return false;
    selection->headers[index].name = memory_copy_text(text);
    return true;
}

/* Reads a pair [key, header name] of export_headers. `index` counts from 0, as in messages. */
static bool read_header_pair(struct json_object *pair, size_t index, struct selection *selection, struct error *err)
{
    char field[48];

    snprintf(field, sizeof(field), "export_headers[%zu]", index);
    if (!json_object_is_type(pair, json_type_array))
        return json_field_reject(err, field, "must be an array [key, header name]", pair);
    if (json_object_array_length(pair) != 2)
        return error_set(err, ERROR_PARAMETER,
                         "%s must be an array of two strings [key, header name], got %zu elements", field,
                         json_object_array_length(pair));
    if (!read_header_key(json_object_array_get_idx(pair, 0), index, selection, err)
        || !read_header_name(json_object_array_get_idx(pair, 1), index, selection, err))
        return false;
    selection->header_count = index + 1;
    return true;
}

static bool read_header_pairs(struct json_object *body, struct selection *selection, struct error *err)
{
    static const char field[] = "export_headers";
    struct json_object *value = NULL;
    size_t count;

    if (!json_object_object_get_ex(body, field, &value))
        return error_set(err, ERROR_PARAMETER, "%s is required: an array of 1 to %d pairs [key, header name], got none",
                         field, COLUMN_COUNT);
    if (!json_object_is_type(value, json_type_array))
        return json_field_reject(err, field, "must be an array of pairs [key, header name]", value);
    count = json_object_array_length(value);
    if (count < 1 || count > COLUMN_COUNT)
        return error_set(err, ERROR_PARAMETER, "%s must have 1 to %d pairs [key, header name], got %zu", field,
                         COLUMN_COUNT, count);
    for (size_t i = 0; i < count; i++) {
        if (!read_header_pair(json_object_array_get_idx(value, i), i, selection, err))
            return false;
    }
    return true;
}

static bool read_selection(struct json_object *body, struct selection *selection, struct error *err)
{
    if (!json_object_is_type(body, json_type_object))
        return json_field_reject(err, "the body", "must be a JSON object", body);

    json_object_object_foreach(body, key, value) {
        const struct filter *filter = filter_find(key);

        if (filter != NULL) {
            if (!read_filter(value, filter, &selection->filters[filter - filters], err))
                return false;
        } else if (strcmp(key, "export_headers") != 0) {
            return json_field_reject_unknown(err, body_rules.subject, key);
        }
    }
    return read_header_pairs(body, selection, err);
}

struct selection *selection_parse(const char *body, size_t length, struct error *err)
{
    struct selection *selection;
    struct json_object *json = NULL;

    if (!json_parse(body, length, &body_rules, &json, err))
        return NULL;
    selection = memory_zeroed(1, sizeof(*selection));
    if (read_selection(json, selection, err)) {
        selection->json = memory_copy_text(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
    } else {
        selection_free(selection);
        selection = NULL;
    }
    json_object_put(json);
    return selection;
}

struct selection *selection_of_all_columns(void)
{
    struct selection *selection = memory_zeroed(1, sizeof(*selection));

    for (; selection->header_count < COLUMN_COUNT; selection->header_count++) {
        const struct column *column = &columns[selection->header_count];

        selection->headers[selection->header_count] = (struct selection_header) {column, memory_copy_text(column->key)};
    }
    return selection;
}

bool selection_set_filter(struct selection *selection, const char *name, const char *text, size_t max_length,
                          struct error *err)
{
    const struct filter *filter = filter_find(name);
    struct filter_value *value = &selection->filters[filter - filters];
    struct json_object *string = json_object_new_string(text);
    bool set = filter->kind == FILTER_NAME ? read_text(string, filter, 0, max_length, value, err)
                                           : read_filter(string, filter, value, err);

    json_object_put(string);
    return set;
}

void selection_free(struct selection *selection)
{
    if (selection == NULL)
        return;
    for (size_t i = 0; i < FILTER_COUNT; i++)
        free(selection->filters[i].text);
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        free(selection->headers[i].name);
    free(selection->json);
    free(selection);
}
