#include "base/json_fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

bool json_field_reject(struct error *err, const char *field, const char *rule, struct json_object *got)
{
    enum json_type type = json_object_get_type(got);
    char excerpt[TEXT_EXCERPT_SIZE];

    if (type == json_type_string)
        text_excerpt(excerpt, json_object_get_string(got), (size_t) json_object_get_string_len(got));
    if (type == json_type_boolean || type == json_type_int)
        return error_set(err, ERROR_PARAMETER, "%s %s, got %s", field, rule, json_object_get_string(got));
    return error_set(err, ERROR_PARAMETER, "%s %s, got %s", field, rule,
                     type == json_type_string ? excerpt : json_type_of(got));
}

bool json_field_reject_unknown(struct error *err, const char *subject, const char *key)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    return error_set(err, ERROR_PARAMETER, "%s has an unknown field %s", subject,
                     text_excerpt(excerpt, key, strlen(key)));
}

bool json_field_text(struct json_object *value, const char *field, size_t min, size_t max, const char **ret_text,
                     struct error *err)
{
    char rule[64];
    size_t count = 0;

    snprintf(rule, sizeof(rule), "must be a string of %zu to %zu characters", min, max);
    if (!json_object_is_type(value, json_type_string))
        return json_field_reject(err, field, rule, value);
    if (!text_utf8_count(json_object_get_string(value), (size_t) json_object_get_string_len(value), &count))
        return json_field_reject(err, field, "must be UTF-8", value);
    if (count < min || count > max)
        return error_set(err, ERROR_PARAMETER, "%s %s, got %zu characters", field, rule, count);
    *ret_text = json_object_get_string(value);
    return true;
}

bool json_field_line(struct json_object *value, const char *field, size_t min, size_t max, const char **ret_text,
                     struct error *err)
{
    uint32_t code_point;
    const char *text = NULL;

    if (!json_field_text(value, field, min, max, &text, err))
        return false;
    if (text_find_control(text, &code_point))
        return error_set(err, ERROR_PARAMETER, "%s must not contain control characters, got U+%04" PRIX32, field,
                         code_point);
    *ret_text = text;
    return true;
}

bool json_field_boolean(struct json_object *value, const char *field, bool *ret_boolean, struct error *err)
{
    const char *text;

    if (json_object_is_type(value, json_type_boolean)) {
        *ret_boolean = json_object_get_boolean(value);
        return true;
    }
    text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return json_field_reject(err, field, "must be true or false", value);
    *ret_boolean = strcmp(text, "true") == 0;
    return true;
}

bool json_field_integer(struct json_object *value, const char *field, int min, int max, int *ret_integer,
                        struct error *err)
{
    int64_t integer = json_object_get_int64(value);
    char rule[64];

    snprintf(rule, sizeof(rule), "must be an integer from %d to %d", min, max);
    if (!json_object_is_type(value, json_type_int) || integer < min || integer > max)
        return json_field_reject(err, field, rule, value);
    *ret_integer = (int) integer;
    return true;
}

bool json_field_instant(struct json_object *value, const char *field, int64_t *ret_instant, struct error *err)
{
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
        return json_field_reject(err, field, "must be an integer of at least 0 (milliseconds since 1970)", value);
    *ret_instant = json_object_get_int64(value);
    return true;
}
