#include "schedule/request.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/json_fields.h"
#include "base/memory.h"
#include "base/text.h"
#include "inventory/selection.h"
#include "schedule/period.h"

#define MAX_DURATION 64 /* characters */

static const struct json_rules request_rules = {.subject = "request", .max_levels = 8};

/* Whether create_time has nothing but `last`. A null start_time or end_time counts as absent. */
static bool check_last_alone(struct json_object *create_time, struct error *err)
{
    json_object_object_foreach(create_time, key, member) {
        char excerpt[TEXT_EXCERPT_SIZE];
        bool is_range = strcmp(key, "start_time") == 0 || strcmp(key, "end_time") == 0;

        if (strcmp(key, "last") != 0 && !(is_range && json_object_is_type(member, json_type_null)))
            return error_set(err, ERROR_PARAMETER, "request.create_time must have no other field beside last, got %s",
                             text_excerpt(excerpt, key, strlen(key)));
    }
    return true;
}

/* Replaces {"last": DURATION} by the range that ends at the occurrence. Leaves any other create_time as it is. */
static bool resolve_last(struct json_object *request, const struct time_zone *zone, int64_t occurrence,
                         struct error *err)
{
    static const char field[] = "request.create_time.last";
    struct json_object *create_time = NULL, *last = NULL, *range;
    struct period period;
    const char *text;

    if (!json_object_object_get_ex(request, "create_time", &create_time)
        || !json_object_object_get_ex(create_time, "last", &last))
        return true; /* selection_parse refuses what is no object */
    if (last == NULL) {
        json_object_object_del(create_time, "last");
        return true;
    }
    if (!check_last_alone(create_time, err)
        || !json_field_text(last, field, 1, MAX_DURATION, &text, err)
        || !period_parse(text, field, &period, err))
        return false;
    range = json_object_new_object();
    json_object_object_add(range, "start_time", json_object_new_int64(period_before(&period, zone, occurrence)));
    json_object_object_add(range, "end_time", json_object_new_int64(occurrence));
    json_object_object_add(request, "create_time", range);
    return true;
}

/* Makes a message of selection_parse, which begins with a field or "the body", a message about the request. */
static void name_request(struct error *err)
{
    static const char whole[] = "the body";
    char message[sizeof(err->message)];
    bool is_whole = strncmp(err->message, whole, strlen(whole)) == 0;

    snprintf(message, sizeof(message), "%s", err->message);
    error_set(err, err->code, "request%s%s", is_whole ? "" : ".", message + (is_whole ? strlen(whole) : 0));
}

static char *accept_body(struct json_object *request, struct error *err)
{
    size_t length = 0;
    const char *body = json_object_to_json_string_length(request, JSON_C_TO_STRING_PLAIN, &length);
    struct selection *selection = selection_parse(body, length, err);
    char *accepted = NULL;

    if (selection == NULL)
        name_request(err);
    else
        accepted = memory_copy_text(selection->json);
    selection_free(selection);
    return accepted;
}

char *schedule_request_body(const char *request, const struct time_zone *zone, int64_t occurrence, struct error *err)
{
    struct json_object *json = NULL;
    char *body = NULL;

    if (!json_parse(request, strlen(request), &request_rules, &json, err))
        return NULL;
    if (resolve_last(json, zone, occurrence, err))
        body = accept_body(json, err);
    json_object_put(json);
    return body;
}
