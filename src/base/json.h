/* Strict JSON (RFC 8259). json-c alone accepts more, even in its strict mode. */
#ifndef WAYBILL_BASE_JSON_H
#define WAYBILL_BASE_JSON_H

#include <json-c/json.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"

/* The rules for a kind of document. */
struct json_rules {
    const char *subject; /* how messages name the document: "the body" */
    int max_levels;      /* of nested arrays and objects */
};

/*
 * Parses `length` bytes as one JSON text. Rejects the following with ERROR_BODY and the byte offset in the message:
 * everything that RFC 8259 does not allow, bytes after the text, a byte order mark, invalid UTF-8, an unpaired
 * surrogate, U+0000, an integer that does not fit into signed 64 bits, and more levels than the rules allow. If an
 * object repeats a name, the last value counts. Free *ret_value, which is NULL for the text `null`, with
 * json_object_put.
 */
MUST_CHECK bool json_parse(const char *text, size_t length, const struct json_rules *rules,
                           struct json_object **ret_value, struct error *err);

/* Adds a copy of the text to an object. */
void json_add_text(struct json_object *object, const char *key, const char *text);

/* Returns the type of a value for messages: "a string", "null", ... */
const char *json_type_of(struct json_object *value);

#endif
