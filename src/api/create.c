/* POST /v5/{project_id}/container/export-task: creates a task, and may wait until it has ended. */
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "base/digest.h"
#include "base/json.h"
#include "export/submission.h"
#include "http/idempotency_key.h"
#include "http/prefer.h"
#include "inventory/selection.h"

/*
 * Creates the task with the id `task_id`, or finds the task of an equal request with the same key. `key` is "" without
 * Idempotency-Key.
 */
static bool create_task(struct api_call *call, const char *key, const struct selection *selection, const char *task_id,
                        struct new_task *ret_task, struct error *err)
{
    char *scope = identity_scope(&call->identity, api_enterprise_project(call));
    int limit = call->api->config->unfinished_tasks;
    const struct task_spec spec = {
        .project_id = call->project_id,
        .enterprise_project_id = call->enterprise_project_id,
        .enterprise_projects = scope,
        .export_size = call->export_size,
        .request = selection->json,
        .request_id = call->request->id,
        .task_id = task_id,
    };
    struct db *db = api_acquire_db(call, err);
    bool created = db != NULL && submit_task(db, call->api->workers, key, &spec, limit, ret_task, err);

    if (db != NULL)
        api_release_db(call, db);
    free(scope);
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
    return (struct api_wait) {.ms = call->api->config->wait_ms, .until_busy = true};
}

static void respond_with_id(struct api_call *call)
{
    struct json_object *result = json_object_new_object();

    json_add_text(result, "task_id", call->task_id);
    http_response_json(call->response, 200, result);
}

void api_respond_created(struct api_call *call, struct api_wait wait)
{
    struct error ignored;
    struct task task;

    if (wait.ms > 0 || call->api->runs_exports_itself)
        (void) !api_await_task(call, call->task_id, wait, &task, &ignored);
    respond_with_id(call);
}

/* Waits for the created task as requested, and responds with its id. `watch` has begun before the task was created. */
static void wait_and_respond(struct api_call *call, const struct new_task *task, struct watch *watch,
                             struct api_wait wait)
{
    snprintf(call->task_id, sizeof(call->task_id), "%s", task->task_id);
    if (call->api->runs_exports_itself || !task->is_new) {
        api_respond_created(call, wait);
        return;
    }
    if (wait.ms > 0)
        api_await_new_task(call, watch, wait);
    respond_with_id(call);
}

bool api_create(struct api_call *call, struct error *err)
{
    const struct buffer *body = &call->request->body;
    const struct api_wait wait = choose_wait(call);
    char key[HTTP_IDEMPOTENCY_KEY_SIZE];
    char task_id[TEXT_UUID_LENGTH + 1];
    struct selection *selection;
    struct new_task task;
    struct watch watch;
    bool created;

    if (!read_idempotency_key(call, key, err))
        return false;
    selection = selection_parse(body->data, body->length, err);
    http_request_discard_body(call->request); /* frees the memory before the wait */
    if (selection == NULL)
        return false;
    random_uuid(task_id);
    watch_begin(call->api->watches, &watch, task_id, wait.until_busy);
    created = create_task(call, key, selection, task_id, &task, err);
    selection_free(selection);
    if (created)
        wait_and_respond(call, &task, &watch, wait);
    watch_end(&watch);
    return created;
}
