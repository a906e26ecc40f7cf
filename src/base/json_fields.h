/* Reads the fields of a JSON object. Errors are ERROR_PARAMETER and name the field, the rule and the value. */
#ifndef WAYBILL_BASE_JSON_FIELDS_H
#define WAYBILL_BASE_JSON_FIELDS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

/*
 * Sets an error with the field, the rule and the value, as in "got 7" or "got an array": a string (shortened), an
 * integer or a boolean as in the body, any other value by its type. Returns false.
 */
bool json_field_reject(struct error *err, const char *field, const char *rule, struct json_object *got);

/* Sets the error of a field that does not exist. `subject` is the object: "the body". Returns false. */
bool json_field_reject_unknown(struct error *err, const char *subject, const char *key);

/* Reads a string of min to max characters. *ret_text belongs to the value. */
MUST_CHECK bool json_field_text(struct json_object *value, const char *field, size_t min, size_t max,
                                const char **ret_text, struct error *err);

/* The same, without control characters. */
MUST_CHECK bool json_field_line(struct json_object *value, const char *field, size_t min, size_t max,
                                const char **ret_text, struct error *err);

/* Reads a boolean, or one of the strings "true" and "false". */
MUST_CHECK bool json_field_boolean(struct json_object *value, const char *field, bool *ret_boolean, struct error *err);

/* Reads an integer from min to max. */
MUST_CHECK bool json_field_integer(struct json_object *value, const char *field, int min, int max, int *ret_integer,
                                   struct error *err);

/* Reads an integer of at least 0, in milliseconds since 1970. */
MUST_CHECK bool json_field_instant(struct json_object *value, const char *field, int64_t *ret_instant,
                                   struct error *err);

#endif
