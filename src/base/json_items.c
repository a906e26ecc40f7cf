#include "base/json_items.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

#define MAX_LEVELS 1000
#define MAX_KEY 64 /* bytes of the name of a list */

/* Where the reader is in a list whose elements are items. */
enum list_state {
    LIST_NONE,    /* not in a list */
    LIST_BEGUN,   /* after [ */
    LIST_ELEMENT, /* in an element */
    LIST_AFTER,   /* after an element */
    LIST_COMMA,   /* after , */
};

struct json_items {
    struct input *input;
    const char *const *lists;

    struct buffer text;    /* the current text, without its elements */
    struct buffer element; /* the current element */
    int64_t count;         /* of items so far */
    int64_t line;          /* of the next byte */
    int64_t text_line, element_line;

    char stack[MAX_LEVELS]; /* the open brackets */
    size_t level;
    bool in_string, is_escaped;
    bool in_scalar; /* in a text without brackets */

    enum list_state list_state;
    size_t list_level; /* of the elements */

    bool is_key;           /* the string at the first level of an object is a name */
    char key[MAX_KEY + 1]; /* the last such name; too long a name is cut, and equals no list */
    size_t key_length;
};

struct json_items *json_items_new(struct input *input, const char *const *lists)
{
    struct json_items *items = memory_zeroed(1, sizeof(*items));

    items->input = input;
    items->lists = lists;
    items->line = 1;
    return items;
}

void json_items_free(struct json_items *items)
{
    if (items == NULL)
        return;
    buffer_free(&items->text);
    buffer_free(&items->element);
    free(items);
}

static bool fail_items(const struct json_items *items, const char *reason, struct error *err)
{
    return error_set(err, ERROR_BODY, "line %" PRId64 ": the input is not valid JSON: %s", items->line, reason);
}

/* Whether the last key is the name of a list. */
static bool key_is_list(const struct json_items *items)
{
    for (const char *const *list = items->lists; *list != NULL; list++) {
        if (strlen(*list) == items->key_length && memcmp(*list, items->key, items->key_length) == 0)
            return true;
    }
    return false;
}

/* Begins a list if the bracket that was just opened begins one. */
static void begin_list(struct json_items *items)
{
    if (items->list_state != LIST_NONE || items->stack[items->level - 1] != '[')
        return;
    if (items->level != 1 && (items->level != 2 || items->stack[0] != '{' || !key_is_list(items)))
        return;
    items->list_state = LIST_BEGUN;
    items->list_level = items->level;
}

static bool open_bracket(struct json_items *items, char bracket, struct error *err)
{
    if (items->level == MAX_LEVELS)
        return fail_items(items, "arrays and objects are nested more than 1000 levels deep", err);
    items->stack[items->level++] = bracket;
    items->is_key = items->level == 1 && bracket == '{';
    begin_list(items);
    return true;
}

static bool close_bracket(struct json_items *items, char bracket, struct error *err)
{
    if (items->level == 0 || items->stack[items->level - 1] != (bracket == '}' ? '{' : '['))
        return fail_items(items, bracket == '}' ? "unexpected }" : "unexpected ]", err);
    if (items->list_state != LIST_NONE && items->level == items->list_level)
        items->list_state = LIST_NONE;
    items->level--;
    return true;
}

static void read_string_byte(struct json_items *items, char byte)
{
    if (items->is_escaped) {
        items->is_escaped = false;
    } else if (byte == '\\') {
        items->is_escaped = true;
    } else if (byte == '"') {
        items->in_string = false;
        return;
    }
    if (items->is_key && items->level == 1 && items->key_length < MAX_KEY)
        items->key[items->key_length++] = byte;
}

/* Reads a byte outside of strings that belongs to a text or an element. */
static bool read_structure_byte(struct json_items *items, char byte, struct error *err)
{
    switch (byte) {
    case '"':
        items->in_string = true;
        if (items->is_key && items->level == 1)
            items->key_length = 0;
        return true;
    case '{':
    case '[':
        return open_bracket(items, byte, err);
    case '}':
    case ']':
        return close_bracket(items, byte, err);
    case ',':
        if (items->level == 1)
            items->is_key = items->stack[0] == '{';
        return true;
    case ':':
        if (items->level == 1)
            items->is_key = false;
        return true;
    default:
        return true;
    }
}

static bool is_json_whitespace(char byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* What to do with a byte. */
enum step {
    STEP_TEXT,    /* it belongs to the text */
    STEP_ELEMENT, /* it belongs to the element */
    STEP_NEITHER, /* it separates items */
    STEP_ELEMENT_ENDS, /* the element ended before it */
    STEP_TEXT_ENDS,    /* the text ended before it */
    STEP_FAILED,
};

/* Decides about a byte directly in a list, outside of its elements' brackets and strings. */
static enum step step_in_list(struct json_items *items, char byte, struct error *err)
{
    if (items->list_state == LIST_ELEMENT) {
        if (byte != ',' && byte != ']')
            return STEP_ELEMENT;
        items->list_state = LIST_AFTER;
        return STEP_ELEMENT_ENDS;
    }
    if (is_json_whitespace(byte))
        return STEP_NEITHER;
    if (byte == ']' && items->list_state != LIST_COMMA)
        return STEP_TEXT;
    if (byte == ',' && items->list_state == LIST_AFTER) {
        items->list_state = LIST_COMMA;
        return STEP_NEITHER;
    }
    if (byte == ',' || byte == ']' || items->list_state == LIST_AFTER) {
        fail_items(items, "an element is missing or not separated by a comma", err);
        return STEP_FAILED;
    }
    items->list_state = LIST_ELEMENT;
    items->element_line = items->line;
    buffer_clear(&items->element);
    return STEP_ELEMENT;
}

/* Decides about a byte between texts, or in a text without brackets. */
static enum step step_outside(struct json_items *items, char byte, struct error *err)
{
    if (items->in_scalar)
        return is_json_whitespace(byte) || strchr("{[\"", byte) != NULL ? STEP_TEXT_ENDS : STEP_TEXT;
    if (is_json_whitespace(byte))
        return STEP_NEITHER;
    if (strchr("{[\"-0123456789abcdefghijklmnopqrstuvwxyz", byte) == NULL || byte == '\0') {
        fail_items(items, "a JSON text must begin with an object, an array, a string, a number, true, false or null",
                   err);
        return STEP_FAILED;
    }
    items->text_line = items->line;
    items->in_scalar = byte != '{' && byte != '[' && byte != '"';
    buffer_clear(&items->text);
    return STEP_TEXT;
}

static enum step decide(struct json_items *items, char byte, struct error *err)
{
    if (items->in_string)
        return items->list_state == LIST_ELEMENT ? STEP_ELEMENT : STEP_TEXT;
    if (items->list_state != LIST_NONE && items->level == items->list_level)
        return step_in_list(items, byte, err);
    if (items->list_state != LIST_NONE)
        return STEP_ELEMENT;
    return items->level > 0 ? STEP_TEXT : step_outside(items, byte, err);
}

/* Makes room for bytes at the end of an item. */
static bool reserve_bytes(struct json_items *items, struct buffer *target, size_t length, struct error *err)
{
    if (length > JSON_ITEM_MAX_LENGTH - target->length)
        return fail_items(items, "an item is longer than 64 MiB", err);
    if (target->capacity < target->length + length + 1)
        buffer_reserve(target, target->length + length);
    return true;
}

/* Returns how many of the bytes are the plain inside of a string, whose bytes need no other treatment. */
static size_t plain_length(const struct json_items *items, const char *data, size_t length)
{
    size_t at = 0;

    if (!items->in_string || items->is_escaped || items->is_key)
        return 0;
    while (at < length && data[at] != '"' && data[at] != '\\' && data[at] != '\n')
        at++;
    return at;
}

/* Appends a byte to the text or the element. */
static bool take_byte(struct json_items *items, enum step step, char byte, struct error *err)
{
    struct buffer *target = step == STEP_ELEMENT ? &items->element : &items->text;

    if (!reserve_bytes(items, target, 1, err))
        return false;
    target->data[target->length++] = byte;
    target->data[target->length] = '\0';
    if (items->in_string) {
        read_string_byte(items, byte);
        return true;
    }
    return read_structure_byte(items, byte, err);
}

static void fill_element_item(struct json_items *items, struct json_item *item)
{
    *item = (struct json_item) {
        .text = buffer_text(&items->element),
        .length = items->element.length,
        .is_element = true,
        .in_array = items->list_level == 1,
        .number = ++items->count,
        .line = items->element_line,
    };
}

static void fill_text_item(struct json_items *items, struct json_item *item)
{
    const char *text = buffer_text(&items->text);

    *item = (struct json_item) {
        .text = text,
        .length = items->text.length,
        .in_array = text[0] == '[',
        .number = ++items->count,
        .line = items->text_line,
    };
}

/* Handles the end of the input. */
static enum json_items_state end_items(struct json_items *items, struct json_item *ret_item, struct error *err)
{
    if (items->level > 0 || items->in_string) {
        fail_items(items, "it ends before the JSON is complete", err);
        return JSON_ITEMS_FAILED;
    }
    if (!items->in_scalar)
        return JSON_ITEMS_END;
    items->in_scalar = false;
    fill_text_item(items, ret_item);
    return JSON_ITEMS_ITEM;
}

/* Reads bytes until an item is complete. *ret_used is how many of them were read. */
static enum json_items_state read_bytes(struct json_items *items, const char *data, size_t length, size_t *ret_used,
                                        struct json_item *ret_item, bool *ret_complete, struct error *err)
{
    for (size_t at = 0; at < length; at++) {
        enum step step = decide(items, data[at], err);
        size_t plain = plain_length(items, data + at, length - at);

        *ret_used = at;
        if (plain > 0) {
            struct buffer *target = step == STEP_ELEMENT ? &items->element : &items->text;

            if (!reserve_bytes(items, target, plain, err))
                return JSON_ITEMS_FAILED;
            buffer_append(target, data + at, plain);
            *ret_used = at + plain;
            at += plain - 1;
            continue;
        }
        if (step == STEP_FAILED)
            return JSON_ITEMS_FAILED;
        if (step == STEP_ELEMENT_ENDS) {
            fill_element_item(items, ret_item);
            *ret_complete = true;
            return JSON_ITEMS_ITEM;
        }
        if (step == STEP_TEXT_ENDS) {
            items->in_scalar = false;
            fill_text_item(items, ret_item);
            *ret_complete = true;
            return JSON_ITEMS_ITEM;
        }
        if (data[at] == '\n')
            items->line++;
        *ret_used = at + 1;
        if (step == STEP_NEITHER)
            continue;
        if (!take_byte(items, step, data[at], err))
            return JSON_ITEMS_FAILED;
        if (items->level == 0 && !items->in_string && !items->in_scalar) {
            fill_text_item(items, ret_item);
            *ret_complete = true;
            return JSON_ITEMS_ITEM;
        }
    }
    return JSON_ITEMS_ITEM;
}

enum json_items_state json_items_next(struct json_items *items, struct json_item *ret_item, struct error *err)
{
    for (;;) {
        enum json_items_state state;
        const char *data;
        size_t length, used = 0;
        bool is_complete = false;

        if (!input_peek(items->input, 1, &data, &length, err))
            return JSON_ITEMS_FAILED;
        if (length == 0)
            return end_items(items, ret_item, err);
        state = read_bytes(items, data, length, &used, ret_item, &is_complete, err);
        input_consume(items->input, used);
        if (state == JSON_ITEMS_FAILED || is_complete)
            return state;
    }
}
