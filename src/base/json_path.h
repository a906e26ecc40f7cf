/*
 * Reads values of a JSON object by their path, the names on the way separated by dots, as in "State.Status". `object`
 * is an object or NULL. A value is NULL if it is null or missing, or if what contains it is. The functions fail with
 * ERROR_PARAMETER if the value has another type, or is inside of something that is not an object. The message names the
 * path. A name in a path has at most 63 bytes.
 */
#ifndef WAYBILL_BASE_JSON_PATH_H
#define WAYBILL_BASE_JSON_PATH_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

/* What is read belongs to the object. */
MUST_CHECK bool json_path_object(struct json_object *object, const char *path, struct json_object **ret_value,
                                 struct error *err);
MUST_CHECK bool json_path_array(struct json_object *object, const char *path, struct json_object **ret_value,
                                struct error *err);
MUST_CHECK bool json_path_string(struct json_object *object, const char *path, const char **ret_text,
                                 struct error *err);

/* Reads a value of any type. */
MUST_CHECK bool json_path_value(struct json_object *object, const char *path, struct json_object **ret_value,
                                struct error *err);

/* Read `fallback` if the value is missing or null. */
MUST_CHECK bool json_path_integer(struct json_object *object, const char *path, int64_t fallback, int64_t *ret_integer,
                                  struct error *err);
MUST_CHECK bool json_path_boolean(struct json_object *object, const char *path, bool fallback, bool *ret_boolean,
                                  struct error *err);

/* Returns a string of the object, or NULL if the value is not an object that has a string of this name. */
const char *json_path_peek(struct json_object *value, const char *name);

/* Sets an error about the type of a value. Returns false. */
bool json_path_reject(const char *path, const char *type, struct json_object *got, struct error *err);

#endif
