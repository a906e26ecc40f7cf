/* JSON as RFC 8259 has it and nothing beyond: json-c alone is more lenient, even in its strict mode. */
#ifndef WAYBILL_BASE_JSON_H
#define WAYBILL_BASE_JSON_H

#include <json-c/json.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"

/* What a kind of document may be, and what messages call it. */
struct json_rules {
    const char *subject; /* begins the message: "the body" */
    int max_levels;      /* of arrays and objects in each other */
};

/*
 * Parses `length` bytes as one JSON text. Refused, with the byte offset in the message (ERROR_BODY):
 * what RFC 8259 does not allow, bytes after the text, a byte order mark, invalid UTF-8, a lone
 * surrogate, U+0000, an integer beyond a signed 64-bit number, more levels than the rules allow.
 * Of a name given twice in an object the last counts.
 * On success *ret_value (NULL for the text `null`) is freed with json_object_put.
 */
MUST_CHECK bool json_parse(const char *text, size_t length, const struct json_rules *rules,
                           struct json_object **ret_value, struct error *err);

/* What a message calls the type of a value: "a string", "null", ... */
const char *json_type_of(struct json_object *value);

#endif
