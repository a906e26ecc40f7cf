#include "inventory/formats.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"

/* An item whose bytes are JSON is a record. Kubernetes nests deepest, about 30 levels. */
static const struct json_rules item_rules = {.subject = "the item", .max_levels = 100};

const struct load_format load_formats[] = {
    {.name = "kubernetes", .recognizes = kubernetes_recognizes, .load_item = kubernetes_load_item},
    {.name = "docker", .recognizes = docker_recognizes, .load_item = docker_load_item},
    {.name = "trivy", .recognizes = trivy_recognizes, .load_item = trivy_load_item, .is_reports = true},
    {.name = "csv", .is_csv = true},
    {0},
};

/* The lists whose elements are items: the pods of a List, the targets of a report. */
static const char *const json_lists[] = {"items", "Results", NULL};

#define MAX_MEMBERS 3

/* Output of other commands, which is recognized by its members, and what to load instead. The first match counts. */
static const struct {
    const char *members[MAX_MEMBERS];
    const char *name;
    const char *instead;
} other_formats[] = {
    {{"ClusterName"}, "a report of trivy on a cluster", "reports of trivy image"},
    {{"Names", "State", "Exited"}, "the output of podman ps", "that of podman inspect"},
    {{"Names", "State", "ID"}, "the output of docker ps", "that of docker inspect"},
    {{"Names", "State", "Id"}, "a list of containers of the Engine API", "the output of docker inspect"},
    {{"RepoTags", "RepoDigests", "Id"}, "the output of docker image inspect", "that of docker inspect"},
    {{"bomFormat"}, "a CycloneDX document", "the JSON report of trivy"},
    {{"spdxVersion"}, "an SPDX document", "the JSON report of trivy"},
    {{"runs", "version"}, "a SARIF log", "the JSON report of trivy"},
    {{"matches", "descriptor"}, "a report of grype", "that of trivy"},
};

const struct load_format *load_format_find(const char *name)
{
    for (const struct load_format *format = load_formats; format->name != NULL; format++) {
        if (strcmp(format->name, name) == 0)
            return format;
    }
    return NULL;
}

/* Returns the format of a JSON value, or NULL. */
static const struct load_format *recognize(struct json_object *value)
{
    for (const struct load_format *format = load_formats; format->name != NULL; format++) {
        if (format->recognizes != NULL && format->recognizes(value))
            return format;
    }
    return NULL;
}

static bool has_members(struct json_object *value, const char *const members[MAX_MEMBERS])
{
    size_t i = 0;

    while (i < MAX_MEMBERS && members[i] != NULL && json_object_object_get_ex(value, members[i], NULL))
        i++;
    return i == MAX_MEMBERS || members[i] == NULL;
}

static bool is_nothing(struct json_object *value)
{
    return value == NULL || (json_object_is_type(value, json_type_array) && json_object_array_length(value) == 0);
}

/* Sets the error of a value that is of no format. Returns false. */
static bool reject_value_of_no_format(struct json_object *value, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(other_formats); i++) {
        if (has_members(value, other_formats[i].members))
            return error_set(err, ERROR_PARAMETER, "the content is %s: load %s", other_formats[i].name,
                             other_formats[i].instead);
    }
    return error_set(err, ERROR_PARAMETER, "%s is in none of the formats that waybill(1) describes",
                     json_type_of(value));
}

/* A JSON file that is being loaded. */
struct json_file {
    struct loader loader;
    struct json_items *items;
    const struct load_format *format; /* NULL: not known yet */
};

/* Puts the name of the file, and the position if it is known, before the message. */
static bool add_position(const struct loader_position *position, struct error *err)
{
    char message[sizeof(err->message)];

    memcpy(message, err->message, sizeof(message));
    if (position->item > 0)
        error_set(err, err->code, "%s: item %" PRId64 " (line %" PRId64 "): %s", position->file, position->item,
                  position->line, message);
    else
        error_set(err, err->code, "%s: %s", position->file, message);
    return false;
}

/* An empty array, and null, are reports without targets if an option names the image. */
static const struct load_format *format_of_nothing(const struct json_file *file, struct json_object *value)
{
    return is_nothing(value) && file->loader.options->image != NULL ? load_format_find("trivy") : NULL;
}

/* Checks that the value is of the format of the file, or determines the format. */
static bool check_format(struct json_file *file, struct json_object *value, struct error *err)
{
    const struct load_format *format = recognize(value);
    const struct loader_position *position = &file->loader.position;

    if (file->format == NULL)
        file->format = format != NULL ? format : format_of_nothing(file, value);
    if (file->format == NULL) {
        if (is_nothing(value))
            error_set(err, ERROR_PARAMETER, "the format of an empty list is unknown: --format is required");
        else
            reject_value_of_no_format(value, err);
        return add_position(position, err);
    }
    if (format != NULL && format != file->format) {
        error_set(err, ERROR_PARAMETER, "the content is %s, not %s", format->name, file->format->name);
        return add_position(position, err);
    }
    return true;
}

/* An element of which the format is not known yet is a record that cannot be stored. Later items decide the format. */
static bool load_value(struct json_file *file, const struct json_item *item, struct json_object *value,
                       struct error *err)
{
    if (item->is_element && file->format == NULL && recognize(value) == NULL) {
        reject_value_of_no_format(value, err);
        return loader_refuse(&file->loader, NULL, err);
    }
    return check_format(file, value, err) && file->format->load_item(&file->loader, item, value, err);
}

static bool load_json_item(struct json_file *file, const struct json_item *item, struct error *err)
{
    struct loader *loader = &file->loader;
    struct json_object *value = NULL;
    bool loaded;

    loader->position.item = item->number;
    loader->position.line = item->line;
    if (!json_parse(item->text, item->length, &item_rules, &value, err))
        return loader_refuse(loader, NULL, err);
    loaded = load_value(file, item, value, err);
    json_object_put(value);
    return loaded;
}

/* Forgets what the elements of a text have left for it. */
static void end_text(struct loader *loader)
{
    loader->risks = (struct image_risks) {0};
    loader->lacks_elements = false;
}

static bool load_json_items(struct json_file *file, struct input *input, struct error *err)
{
    const struct loader_sink *sink = file->loader.sink;
    bool is_empty = true;
    struct json_item item;

    for (;;) {
        switch (json_items_next(file->items, &item, err)) {
        case JSON_ITEMS_FAILED:
            file->loader.position.item = 0;
            return add_position(&file->loader.position, err);
        case JSON_ITEMS_END:
            return !is_empty || error_set(err, ERROR_PARAMETER, "%s is empty", input_name(input));
        case JSON_ITEMS_ITEM:
            break;
        }
        is_empty = false;
        if (!load_json_item(file, &item, err) || !sink->progress(sink->context, input_position(input), err))
            return false;
        if (!item.is_element)
            end_text(&file->loader);
    }
}

static bool load_json(struct input *input, const struct load_format *format, const struct loader *loader,
                      const struct load_format **ret_format, struct error *err)
{
    struct json_file file = {.loader = *loader, .format = format};
    bool loaded;

    file.items = json_items_new(input, json_lists);
    loaded = load_json_items(&file, input, err);
    json_items_free(file.items);
    *ret_format = file.format;
    return loaded;
}

/* Whether the content begins JSON: an object, an array, or null, which old reports of trivy are. */
static bool begins_json(const char *content, size_t length)
{
    if (length >= 4 && memcmp(content, "null", 4) == 0)
        return length == 4 || memchr(" \t\r\n", content[4], 4) != NULL;
    return content[0] == '{' || content[0] == '[';
}

/* Skips one byte order mark. *ret_json is whether the content is JSON. */
static bool find_content(struct input *input, bool *ret_json, struct error *err)
{
    const char *data;
    size_t length;

    if (!input_peek(input, 3, &data, &length, err))
        return false;
    if (length >= 2 && (memcmp(data, "\xFF\xFE", 2) == 0 || memcmp(data, "\xFE\xFF", 2) == 0))
        return error_set(err, ERROR_PARAMETER, "%s is UTF-16: convert it to UTF-8", input_name(input));
    if (length >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0)
        input_consume(input, 3);
    if (!input_peek(input, INPUT_MAX_PEEK, &data, &length, err))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (memchr(" \t\r\n", data[i], 4) == NULL) {
            *ret_json = begins_json(data + i, length - i);
            return true;
        }
    }
    if (length >= INPUT_MAX_PEEK)
        return error_set(err, ERROR_PARAMETER, "%s begins with too much whitespace", input_name(input));
    return error_set(err, ERROR_PARAMETER, "%s is empty", input_name(input));
}

bool load_file(struct input *input, const struct load_format *format, const struct loader_options *options,
               const struct loader_sink *sink, const struct load_format **ret_format, struct error *err)
{
    struct loader loader = {.options = options, .sink = sink, .position.file = input_name(input)};
    bool is_json = false;

    if (!find_content(input, &is_json, err))
        return false;
    if (is_json && format != NULL && format->is_csv)
        return error_set(err, ERROR_PARAMETER, "%s: the content is JSON, not %s", input_name(input), format->name);
    if (!is_json && format != NULL && !format->is_csv)
        return error_set(err, ERROR_PARAMETER, "%s: the content is not JSON, as %s requires", input_name(input),
                         format->name);
    if (is_json)
        return load_json(input, format, &loader, ret_format, err);
    *ret_format = load_format_find("csv");
    return csv_load(&loader, input, err);
}
