/*
 * The formats that can be loaded, one row in the table for each. A format has a file of its own, format_NAME.c, with a
 * table of the fields that fill the columns.
 */
#ifndef WAYBILL_INVENTORY_FORMATS_H
#define WAYBILL_INVENTORY_FORMATS_H

#include <json-c/json.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/input.h"
#include "base/json_items.h"
#include "inventory/loader.h"

struct load_format {
    const char *name; /* of --format, and in messages */

    /*
     * Of a format in JSON: whether a JSON value is of this format, be it an item or the text around items
     * (base/json_items.h). The first value of a file that a format recognizes decides.
     */
    bool (*recognizes)(struct json_object *value);

    /*
     * Of a format in JSON: loads one item. A record that cannot be stored goes to the sink; false is a failure of the
     * whole file, or of the sink.
     */
    bool (*load_item)(struct loader *loader, const struct json_item *item, struct json_object *value,
                      struct error *err);

    bool is_csv;     /* not JSON */
    bool is_reports; /* it has reports on images, and no containers */
};

extern const struct load_format load_formats[]; /* terminated by a row without a name */

/* Returns the format with this name, or NULL. */
const struct load_format *load_format_find(const char *name);

/*
 * Loads a file. If `format` is NULL, the content decides: JSON of the first format that recognizes a value, or csv.
 * *ret_format is the format of the file, or NULL if all of it was refused before the format was known.
 * Fails with ERROR_PARAMETER or ERROR_BODY if the input is empty, is not of the format, or is damaged, and with the
 * errors of the sink. Messages name the file, and the item and line if they are known.
 */
MUST_CHECK bool load_file(struct input *input, const struct load_format *format, const struct loader_options *options,
                          const struct loader_sink *sink, const struct load_format **ret_format, struct error *err);

/* The rows of the table, in files of their own. */
bool kubernetes_recognizes(struct json_object *value);
bool kubernetes_load_item(struct loader *loader, const struct json_item *item, struct json_object *value,
                          struct error *err);
bool docker_recognizes(struct json_object *value);
bool docker_load_item(struct loader *loader, const struct json_item *item, struct json_object *value,
                      struct error *err);
bool trivy_recognizes(struct json_object *value);
bool trivy_load_item(struct loader *loader, const struct json_item *item, struct json_object *value,
                     struct error *err);
bool csv_load(struct loader *loader, struct input *input, struct error *err);

#endif
