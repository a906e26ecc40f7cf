/* POST /v5/{project_id}/container/export-task: creates a task, and may wait until it has ended. */
#include <stdlib.h>

#include "api/api.h"
#include "base/json.h"
#include "export/idempotency.h"
#include "http/idempotency_key.h"
#include "http/prefer.h"
#include "inventory/selection.h"

/* Creates the task, or finds the task of an equal request with the same key. `key` is "" without Idempotency-Key. */
static bool create_task(struct api_call *call, const char *key, const struct selection *selection, const char *scope,
                        struct error *err)
{
    int limit = call->api->config->unfinished_tasks;
    const struct task_spec spec = {
        .project_id = call->project_id,
        .enterprise_project_id = call->enterprise_project_id,
        .enterprise_projects = scope,
        .export_size = call->export_size,
        .request = selection->json,
        .request_id = call->request->id,
    };
    struct db *db = api_acquire_db(call, err);
    bool created;

    if (db == NULL)
        return false;
    created = *key == '\0' ? task_create(db, &spec, limit, call->task_id, err)
                           : idempotency_create_task(db, key, &spec, limit, call->task_id, err);
    api_release_db(call, db);
    return created;
}

/* Reads the header, or "" if it is absent. */
static bool read_idempotency_key(const struct api_call *call, char ret_key[HTTP_IDEMPOTENCY_KEY_SIZE],
                                 struct error *err)
{
    const char *value = http_request_header(call->request, "Idempotency-Key");

    ret_key[0] = '\0';
    return value == NULL || http_idempotency_key_parse(value, ret_key, err);
}

/* Returns how long to delay the response: as Prefer requests, or as configured while a thread can run the task. */
static struct api_wait choose_wait(const struct api_call *call)
{
    const struct http_prefer prefer = http_prefer_parse(http_request_header(call->request, "Prefer"));

    if (prefer.wait >= 0)
        return (struct api_wait) {.ms = prefer.wait * 1000};
    if (prefer.respond_async)
        return (struct api_wait) {0};
    if (!call->api->runs_exports_itself && !workers_may_run(call->api->workers, call->task_id))
        return (struct api_wait) {0};
    return (struct api_wait) {.ms = call->api->config->wait_ms, .until_busy = true};
}

void api_respond_created(struct api_call *call, struct api_wait wait)
{
    struct json_object *result;
    struct error ignored;
    struct task task;

    if (wait.ms > 0 || call->api->runs_exports_itself)
        (void) !api_await_task(call, call->task_id, wait, &task, &ignored);
    result = json_object_new_object();
    json_add_text(result, "task_id", call->task_id);
    http_response_json(call->response, 200, result);
}

bool api_create(struct api_call *call, struct error *err)
{
    const struct buffer *body = &call->request->body;
    char key[HTTP_IDEMPOTENCY_KEY_SIZE];
    struct selection *selection;
    char *scope;
    bool created;

    if (!read_idempotency_key(call, key, err))
        return false;
    selection = selection_parse(body->data, body->length, err);
    http_request_discard_body(call->request); /* frees the memory before the wait */
    if (selection == NULL)
        return false;
    scope = identity_scope(&call->identity, api_enterprise_project(call));
    created = create_task(call, key, selection, scope, err);
    free(scope);
    selection_free(selection);
    if (!created)
        return false;

    workers_wake(call->api->workers);
    api_respond_created(call, choose_wait(call));
    return true;
}
