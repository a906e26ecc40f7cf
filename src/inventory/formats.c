#include "inventory/formats.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"

/* An item whose bytes are JSON is a record. Kubernetes nests deepest, about 30 levels. */
static const struct json_rules item_rules = {.subject = "the item", .max_levels = 100};

const struct load_format load_formats[] = {
    {.name = "kubernetes", .recognizes = kubernetes_recognizes, .load_item = kubernetes_load_item},
    {.name = "csv", .is_csv = true},
    {0},
};

static const char *const json_lists[] = {"items", NULL};

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

/* A JSON file that is being loaded. */
struct json_file {
    struct loader loader;
    struct json_items *items;
    const struct load_format *format; /* NULL: not known yet */
    int64_t elements;                 /* number of elements so far, in all lists */
    int64_t texts;                    /* number of texts so far */
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

/* Checks that the value is of the format of the file, or determines the format. */
static bool check_format(struct json_file *file, struct json_object *value, struct error *err)
{
    const struct load_format *format = recognize(value);
    const struct loader_position *position = &file->loader.position;

    if (format == NULL && file->format == NULL) {
        error_set(err, ERROR_PARAMETER, "the content is JSON, but of no format that can be loaded");
        return add_position(position, err);
    }
    if (file->format == NULL)
        file->format = format;
    if (format != NULL && format != file->format) {
        error_set(err, ERROR_PARAMETER, "the content is %s, not %s", format->name, file->format->name);
        return add_position(position, err);
    }
    return true;
}

/* Passes an item that is no record to the sink, which may go on without it. */
static bool refuse_item(struct loader *loader, struct error *err)
{
    return loader->sink->refuse(loader->sink->context, NULL, true, &loader->position, err);
}

/* An element of which the format is not known yet is a record that cannot be stored. Later items decide the format. */
static bool load_value(struct json_file *file, const struct json_item *item, struct json_object *value,
                       struct error *err)
{
    if (item->is_element && file->format == NULL && recognize(value) == NULL) {
        error_set(err, ERROR_PARAMETER, "%s is of no format that can be loaded", json_type_of(value));
        return refuse_item(&file->loader, err);
    }
    return check_format(file, value, err) && file->format->load_item(&file->loader, item, value, err);
}

static bool load_json_item(struct json_file *file, const struct json_item *item, struct error *err)
{
    struct loader *loader = &file->loader;
    struct json_object *value = NULL;
    bool loaded;

    if (item->is_element)
        file->elements++;
    else
        file->texts++;
    loader->position.item = item->is_element ? file->elements : file->elements + file->texts;
    loader->position.line = item->line;
    if (!json_parse(item->text, item->length, &item_rules, &value, err))
        return refuse_item(loader, err);
    loaded = load_value(file, item, value, err);
    json_object_put(value);
    return loaded;
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
    }
}

static bool load_json(struct input *input, const struct load_format *format, const struct loader *loader,
                      struct error *err)
{
    struct json_file file = {.loader = *loader, .format = format};
    bool loaded;

    file.items = json_items_new(input, json_lists);
    loaded = load_json_items(&file, input, err);
    json_items_free(file.items);
    return loaded;
}

/* Skips a byte order mark. *ret_json is whether the content is JSON: an object or an array. */
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
            *ret_json = data[i] == '{' || data[i] == '[';
            return true;
        }
    }
    if (length >= INPUT_MAX_PEEK)
        return error_set(err, ERROR_PARAMETER, "%s begins with too much whitespace", input_name(input));
    return error_set(err, ERROR_PARAMETER, "%s is empty", input_name(input));
}

bool load_file(struct input *input, const struct load_format *format, const struct loader_options *options,
               const struct loader_sink *sink, struct error *err)
{
    struct loader loader = {options, sink, {.file = input_name(input)}};
    bool is_json = false;

    if (!find_content(input, &is_json, err))
        return false;
    if (is_json && format != NULL && format->is_csv)
        return error_set(err, ERROR_PARAMETER, "%s: the content is JSON, not %s", input_name(input), format->name);
    if (!is_json && format != NULL && !format->is_csv)
        return error_set(err, ERROR_PARAMETER, "%s: the content is not JSON, as %s requires", input_name(input),
                         format->name);
    return is_json ? load_json(input, format, &loader, err) : csv_load(&loader, input, err);
}
