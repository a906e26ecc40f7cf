#include "schedule/definition.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_fields.h"
#include "base/memory.h"
#include "base/time_zone.h"
#include "export/task.h"
#include "schedule/recurrence.h"
#include "schedule/request.h"

#define MAX_NAME 64               /* characters, like the other limits of texts */
#define MAX_RULE 512
#define MAX_TIME_ZONE 100
#define MAX_ENTERPRISE_PROJECT 256
#define MAX_URL 2048
#define MAX_KEEP 1000             /* files */
#define DEFAULT_KEEP 10
#define MAX_START INT64_C(253402300799000) /* 9999-12-31T23:59:59Z: a year has 4 digits (RFC 5545 section 3.3.4) */

/* The request is one level deeper than the body of a task. */
static const struct json_rules body_rules = {.subject = "the body", .max_levels = 9};

static bool read_name(struct json_object *value, const char *field, struct schedule_definition *definition,
                      struct error *err)
{
    const char *text;

    if (!json_field_line(value, field, 1, MAX_NAME, &text, err))
        return false;
    definition->name = memory_copy_text(text);
    return true;
}

/* Reads a string of 1 to max characters. */
static bool copy_string(struct json_object *value, const char *field, size_t max, char **ret_text, struct error *err)
{
    const char *text;

    if (!json_field_text(value, field, 1, max, &text, err))
        return false;
    *ret_text = memory_copy_text(text);
    return true;
}

static bool read_rule(struct json_object *value, const char *field, struct schedule_definition *definition,
                      struct error *err)
{
    return copy_string(value, field, MAX_RULE, &definition->rule, err);
}

static bool read_time_zone(struct json_object *value, const char *field, struct schedule_definition *definition,
                           struct error *err)
{
    return copy_string(value, field, MAX_TIME_ZONE, &definition->time_zone, err);
}

static bool read_start_time(struct json_object *value, const char *field, struct schedule_definition *definition,
                            struct error *err)
{
    if (!json_field_instant(value, field, &definition->start_time, err))
        return false;
    if (definition->start_time > MAX_START)
        return json_field_reject(err, field, "must not be after 9999-12-31T23:59:59Z (milliseconds since 1970)", value);
    return true;
}

static bool read_enabled(struct json_object *value, const char *field, struct schedule_definition *definition,
                         struct error *err)
{
    return json_field_boolean(value, field, &definition->enabled, err);
}

static bool read_keep(struct json_object *value, const char *field, struct schedule_definition *definition,
                      struct error *err)
{
    return json_field_integer(value, field, 1, MAX_KEEP, &definition->keep, err);
}

static bool read_enterprise_project(struct json_object *value, const char *field,
                                    struct schedule_definition *definition, struct error *err)
{
    return copy_string(value, field, MAX_ENTERPRISE_PROJECT, &definition->enterprise_project_id, err);
}

static bool read_export_size(struct json_object *value, const char *field, struct schedule_definition *definition,
                             struct error *err)
{
    return json_field_integer(value, field, 1, TASK_MAX_EXPORT_SIZE, &definition->export_size, err);
}

static bool read_request(struct json_object *value, const char *field, struct schedule_definition *definition,
                         struct error *err)
{
    if (!json_object_is_type(value, json_type_object))
        return json_field_reject(err, field, "must be an object, the body of a task", value);
    definition->request = memory_copy_text(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
    return true;
}

static bool read_notify_url(struct json_object *value, const char *field, struct schedule_definition *definition,
                            struct error *err)
{
    return copy_string(value, field, MAX_URL, &definition->notify_url, err);
}

static const struct definition_field {
    const char *name;
    bool (*read)(struct json_object *value, const char *field, struct schedule_definition *definition,
                 struct error *err);
    const char *required; /* the rule of a required field; else NULL */
} fields[] = {
    {"name", read_name, "a string of 1 to 64 characters"},
    {"rule", read_rule, "a recurrence rule (RFC 5545) of 1 to 512 characters"},
    {"time_zone", read_time_zone, NULL},
    {"start_time", read_start_time, NULL},
    {"enabled", read_enabled, NULL},
    {"keep", read_keep, NULL},
    {"enterprise_project_id", read_enterprise_project, NULL},
    {"export_size", read_export_size, NULL},
    {"request", read_request, "an object, the body of a task"},
    {"notify_url", read_notify_url, NULL},
};

static bool is_known_field(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (strcmp(key, fields[i].name) == 0)
            return true;
    }
    return false;
}

static bool read_definition(struct json_object *body, struct schedule_definition *definition, struct error *err)
{
    if (!json_object_is_type(body, json_type_object))
        return json_field_reject(err, body_rules.subject, "must be a JSON object", body);
    json_object_object_foreach(body, key, ignored) {
        (void) ignored;
        if (!is_known_field(key))
            return json_field_reject_unknown(err, body_rules.subject, key);
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        struct json_object *value = NULL; /* null counts as absent */

        json_object_object_get_ex(body, fields[i].name, &value);
        if (value != NULL && !fields[i].read(value, fields[i].name, definition, err))
            return false;
        if (value == NULL && fields[i].required != NULL)
            return error_set(err, ERROR_PARAMETER, "%s is required: %s, got none", fields[i].name, fields[i].required);
    }
    return true;
}

static void set_default(char **text, const char *value)
{
    if (*text == NULL)
        *text = memory_copy_text(value);
}

/* Checks the rules that need more than the value of a field. */
static bool check_definition(const struct schedule_definition *definition, const struct webhook_policy *policy,
                             struct error *err)
{
    struct time_zone *zone = time_zone_open(definition->time_zone, err);
    struct recurrence *recurrence = NULL;
    char *body = NULL;

    if (zone != NULL)
        recurrence = recurrence_parse(definition->rule, definition->time_zone, definition->start_time, err);
    if (recurrence != NULL)
        body = schedule_request_body(definition->request, zone, definition->start_time, err);
    recurrence_free(recurrence);
    time_zone_close(zone);
    if (body == NULL)
        return false;
    free(body);
    return definition->notify_url == NULL || webhook_check_url(definition->notify_url, policy, err);
}

struct schedule_definition *schedule_definition_parse(const char *body, size_t length, int64_t now,
                                                      const struct webhook_policy *policy, struct error *err)
{
    struct schedule_definition *definition;
    struct json_object *json = NULL;
    bool good;

    if (!json_parse(body, length, &body_rules, &json, err))
        return NULL;
    definition = memory_zeroed(1, sizeof(*definition));
    definition->start_time = now;
    definition->enabled = true;
    definition->keep = DEFAULT_KEEP;
    definition->export_size = TASK_MAX_EXPORT_SIZE;
    good = read_definition(json, definition, err);
    json_object_put(json);
    if (good) {
        set_default(&definition->time_zone, "UTC");
        set_default(&definition->enterprise_project_id, "0");
        good = check_definition(definition, policy, err);
    }
    if (good)
        return definition;
    schedule_definition_free(definition);
    return NULL;
}

void schedule_definition_clear(struct schedule_definition *definition)
{
    free(definition->name);
    free(definition->rule);
    free(definition->time_zone);
    free(definition->enterprise_project_id);
    free(definition->request);
    free(definition->notify_url);
}

void schedule_definition_free(struct schedule_definition *definition)
{
    if (definition != NULL)
        schedule_definition_clear(definition);
    free(definition);
}

bool schedule_definition_next(const struct schedule_definition *definition, int64_t from, int64_t *ret_next,
                              struct error *err)
{
    struct recurrence *recurrence = recurrence_parse(definition->rule, definition->time_zone, definition->start_time,
                                                     err);
    int64_t next = 0;

    if (recurrence == NULL)
        return false;
    *ret_next = recurrence_next(recurrence, from, &next) ? next : 0;
    recurrence_free(recurrence);
    return true;
}
