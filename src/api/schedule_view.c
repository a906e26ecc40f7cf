#include "api/schedule_view.h"

#include <stdlib.h>

#include "base/json.h"

static bool read_database_clock(struct api_call *call, int64_t *ret_now, struct error *err)
{
    struct db *db = api_acquire_db(call, err);
    bool known;

    if (db == NULL)
        return false;
    known = schedule_now(db, ret_now, err);
    api_release_db(call, db);
    return known;
}

/* No connection is held meanwhile, because the check of a rule may take long. */
static struct schedule_definition *read_definition_of(struct api_call *call, int64_t now, struct error *err)
{
    const struct config *config = call->api->config;
    const struct webhook_policy policy = {.hosts = config->notify_hosts, .allow_http = config->notify_allow_http};
    const struct buffer *body = &call->request->body;
    struct schedule_definition *definition = schedule_definition_parse(body->data, body->length, now, &policy, err);

    http_request_discard_body(call->request);
    return definition;
}

bool schedule_draft_begin(struct api_call *call, struct schedule_draft *draft, struct error *err)
{
    struct schedule_definition *definition;
    int64_t now = 0;

    if (!read_database_clock(call, &now, err))
        return false;
    definition = read_definition_of(call, now, err);
    if (definition == NULL)
        return false;
    if (!api_check_enterprise_project(call, definition->enterprise_project_id, err)) {
        schedule_definition_free(definition);
        return false;
    }
    draft->definition = definition;
    draft->scope = identity_scope(&call->identity, api_limit_of(definition->enterprise_project_id));
    draft->owner = (struct schedule_owner) {
        .project_id = call->project_id,
        .credential_id = call->identity.credential_id,
        .enterprise_projects = draft->scope,
        .ring = access_key_ring(call->api->access),
    };
    return true;
}

void schedule_draft_end(struct schedule_draft *draft)
{
    schedule_definition_free(draft->definition);
    free(draft->scope);
}

static void add_instant(struct json_object *object, const char *key, int64_t instant)
{
    json_object_object_add(object, key, json_object_new_int64(instant));
}

static void add_definition(struct json_object *object, const struct schedule_definition *definition)
{
    json_add_text(object, "name", definition->name);
    json_add_text(object, "rule", definition->rule);
    json_add_text(object, "time_zone", definition->time_zone);
    add_instant(object, "start_time", definition->start_time);
    json_object_object_add(object, "enabled", json_object_new_boolean(definition->enabled));
    json_object_object_add(object, "keep", json_object_new_int(definition->keep));
    json_add_text(object, "enterprise_project_id", definition->enterprise_project_id);
    json_object_object_add(object, "export_size", json_object_new_int(definition->export_size));
    json_object_object_add(object, "request", json_tokener_parse(definition->request));
    json_object_object_add(object, "notify_url", NULL);
    if (definition->notify_url != NULL)
        json_add_text(object, "notify_url", definition->notify_url);
}

static struct json_object *last_run_json(const struct schedule *schedule)
{
    struct json_object *run = json_object_new_object();

    add_instant(run, "occurrence_time", schedule->last_occurrence_time);
    json_add_text(run, "task_id", schedule->last_task_id);
    json_add_text(run, "task_status", schedule->last_state);
    return run;
}

struct json_object *schedule_json(const struct schedule *schedule, const char *secret)
{
    struct json_object *object = json_object_new_object();

    json_add_text(object, "schedule_id", schedule->schedule_id);
    add_definition(object, &schedule->definition);
    add_instant(object, "create_time", schedule->create_time);
    json_object_object_add(object, "next_run_time", NULL);
    if (schedule->next_run_time != 0)
        add_instant(object, "next_run_time", schedule->next_run_time);
    json_object_object_add(object, "last_run", schedule->has_last_run ? last_run_json(schedule) : NULL);
    if (schedule->pause_reason != NULL)
        json_add_text(object, "pause_reason", schedule->pause_reason);
    if (*secret != '\0')
        json_add_text(object, "notify_secret", secret);
    return object;
}

bool schedule_respond(struct api_call *call, const struct api_view *view, const char *schedule_id, const char *secret,
                      struct error *err)
{
    struct schedule schedule;

    if (!schedule_find(view->db, &view->viewer, schedule_id, &schedule, err))
        return false;
    http_response_json(call->response, 200, schedule_json(&schedule, secret));
    schedule_clear(&schedule);
    return true;
}
