/* POST /v5/{project_id}/container/export-task: makes a task, and may wait for it. */
#include <stdlib.h>

#include "api/api.h"
#include "inventory/selection.h"
#include "http/prefer.h"

static bool create_task(struct api_call *call, const struct selection *selection, const char *scope,
                        char task_id[TEXT_UUID_LENGTH + 1], struct error *err)
{
    const struct task_order order = {
        .project_id = call->project_id,
        .enterprise_project_id = call->enterprise_project_id,
        .enterprise_projects = scope,
        .export_size = call->export_size,
        .request = selection->json,
        .request_id = call->request->id,
    };
    struct db *db = api_take_db(call, err);
    bool created;

    if (db == NULL)
        return false;
    created = task_create(db, &order, call->api->config->unfinished_tasks, task_id, err);
    api_give_db(call, db);
    return created;
}

/* create_task, and a thread to run it; *ret_at_once: one is free. */
static bool queue_task(struct api_call *call, const struct selection *selection, const char *scope,
                       bool *ret_at_once, struct error *err)
{
    struct workers *workers = call->api->workers;

    *ret_at_once = workers_announce(workers) || call->api->runs_exports_itself;
    if (!create_task(call, selection, scope, call->task_id, err)) {
        workers_withdraw(workers);
        return false;
    }
    workers_queued(workers);
    return true;
}

/* How long to hold the answer: what the client prefers, else as configured if a thread takes the task at once. */
static int wait_ms(const struct api_call *call, bool at_once)
{
    const struct http_prefer prefer = http_prefer_parse(http_request_header(call->request, "Prefer"));

    if (prefer.wait >= 0)
        return prefer.wait * 1000;
    if (prefer.respond_async || !at_once)
        return 0;
    return call->api->config->wait_ms;
}

/* The task is committed: whatever happens from here on, its id is answered. */
static void run_or_wait(struct api_call *call, bool at_once)
{
    int ms = wait_ms(call, at_once);
    struct task task;
    struct error ignored;

    if (ms > 0 || call->api->runs_exports_itself)
        (void) !api_await_task(call, call->task_id, ms, &task, &ignored);
}

bool api_create(struct api_call *call, struct error *err)
{
    struct buffer *body = &call->request->body;
    struct selection *selection = selection_parse(body->data, body->length, err);
    struct json_object *answer;
    char *scope;
    bool queued, at_once;

    buffer_free(body); /* the request may wait a minute for its task */
    if (selection == NULL)
        return false;
    scope = identity_scope(&call->identity, api_enterprise_project(call));
    queued = queue_task(call, selection, scope, &at_once, err);
    free(scope);
    selection_free(selection);
    if (!queued)
        return false;

    run_or_wait(call, at_once);
    answer = json_object_new_object();
    json_object_object_add(answer, "task_id", json_object_new_string(call->task_id));
    http_response_json(call->response, 200, answer);
    return true;
}
