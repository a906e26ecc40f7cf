#include "base/json_path.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define MAX_NAME 64

bool json_path_reject(const char *path, const char *type, struct json_object *got, struct error *err)
{
    return error_set(err, ERROR_PARAMETER, "%s must be %s, got %s", path, type, json_type_of(got));
}

bool json_path_value(struct json_object *object, const char *path, struct json_object **ret_value, struct error *err)
{
    struct json_object *value = object;
    const char *rest = path;
    char name[MAX_NAME];

    assert(object == NULL || json_object_is_type(object, json_type_object));
    while (value != NULL && rest != NULL) {
        const char *dot = strchrnul(rest, '.');

        if (!json_object_is_type(value, json_type_object))
            return error_set(err, ERROR_PARAMETER, "%.*s must be an object, got %s", (int) (rest - path) - 1, path,
                             json_type_of(value));
        assert(dot - rest < MAX_NAME);
        snprintf(name, sizeof(name), "%.*s", (int) (dot - rest), rest);
        value = json_object_object_get(value, name);
        rest = *dot == '.' ? dot + 1 : NULL;
    }
    *ret_value = value;
    return true;
}

static bool read_typed(struct json_object *object, const char *path, enum json_type type, const char *type_name,
                       struct json_object **ret_value, struct error *err)
{
    struct json_object *value = NULL;

    if (!json_path_value(object, path, &value, err))
        return false;
    if (value != NULL && !json_object_is_type(value, type))
        return json_path_reject(path, type_name, value, err);
    *ret_value = value;
    return true;
}

bool json_path_object(struct json_object *object, const char *path, struct json_object **ret_value, struct error *err)
{
    return read_typed(object, path, json_type_object, "an object", ret_value, err);
}

bool json_path_array(struct json_object *object, const char *path, struct json_object **ret_value, struct error *err)
{
    return read_typed(object, path, json_type_array, "an array", ret_value, err);
}

bool json_path_string(struct json_object *object, const char *path, const char **ret_text, struct error *err)
{
    struct json_object *value = NULL;

    if (!read_typed(object, path, json_type_string, "a string", &value, err))
        return false;
    *ret_text = value == NULL ? NULL : json_object_get_string(value);
    return true;
}

bool json_path_integer(struct json_object *object, const char *path, int64_t fallback, int64_t *ret_integer,
                       struct error *err)
{
    struct json_object *value = NULL;

    if (!read_typed(object, path, json_type_int, "an integer", &value, err))
        return false;
    *ret_integer = value == NULL ? fallback : json_object_get_int64(value);
    return true;
}

bool json_path_boolean(struct json_object *object, const char *path, bool fallback, bool *ret_boolean,
                       struct error *err)
{
    struct json_object *value = NULL;

    if (!read_typed(object, path, json_type_boolean, "a boolean", &value, err))
        return false;
    *ret_boolean = value == NULL ? fallback : json_object_get_boolean(value);
    return true;
}

const char *json_path_peek(struct json_object *value, const char *name)
{
    struct json_object *member;

    if (!json_object_is_type(value, json_type_object) || !json_object_object_get_ex(value, name, &member)
        || !json_object_is_type(member, json_type_string))
        return NULL;
    return json_object_get_string(member);
}
