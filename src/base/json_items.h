/*
 * Splits a stream of JSON into items, so that only one of them is in memory at a time, however long the stream is.
 *
 * The stream is one JSON text, or several that follow each other, with or without whitespace between them (such as one
 * on a line). The items of a text are:
 *
 * - if it is an array: its elements;
 * - if it is an object that has an array under one of the names in `lists`: the elements of each such array;
 * - last, in each case, the text itself. In it, arrays whose elements were items before are empty.
 *
 * Only the boundaries of items are checked here: brackets match, strings end, the text is complete. Parse an item with
 * json_parse for everything else.
 */
#ifndef WAYBILL_BASE_JSON_ITEMS_H
#define WAYBILL_BASE_JSON_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/input.h"

#define JSON_ITEM_MAX_LENGTH (64 * 1024 * 1024) /* bytes */

struct json_item {
    const char *text; /* valid until the next call */
    size_t length;    /* in bytes */
    bool is_element;  /* an element of a list or an array; false: the text around them */
    bool in_array;    /* of an element: the text is an array. Of a text: it is an array */
    int64_t number;   /* its position among the items of the stream, from 1 */
    int64_t line;     /* where it begins in the stream, from 1 */
};

enum json_items_state {
    JSON_ITEMS_ITEM,   /* an item was filled in */
    JSON_ITEMS_END,    /* the stream ended after a complete text, or is empty */
    JSON_ITEMS_FAILED, /* see err */
};

struct json_items;

/* `lists` is an array of names that ends with NULL. The input and the names must outlive the reader. */
struct json_items *json_items_new(struct input *input, const char *const *lists);
void json_items_free(struct json_items *items); /* NULL is allowed */

/*
 * Reads the next item. Fails with ERROR_BODY and the line if the stream is not a sequence of JSON texts, ends within a
 * text, is nested too deeply for the boundaries to be found, or has an item longer than JSON_ITEM_MAX_LENGTH; with the
 * error of input_peek if the input cannot be read.
 */
MUST_CHECK enum json_items_state json_items_next(struct json_items *items, struct json_item *ret_item,
                                                 struct error *err);

#endif
