/* GET /v5/{project_id}/export-task/{task_id}: how far a task is. Also where others wait for one. */
#include <stdlib.h>

#include "api/api.h"
#include "base/clock.h"
#include "http/prefer.h"

#define LOOK_MS 250 /* between looks at a task that another process may run */

static bool find(struct api_call *call, const struct task_viewer *viewer, const char *task_id, struct task *ret_task,
                 struct error *err)
{
    struct db *db = db_pool_take(call->api->pool, err);
    bool found;

    if (db == NULL)
        return false;
    found = task_find(db, viewer, task_id, ret_task, err);
    db_pool_give(call->api->pool, db);
    return found;
}

static bool has_ended(const struct task *task)
{
    return task->state == TASK_SUCCESS || task->state == TASK_FAILURE;
}

bool api_await_task(struct api_call *call, const struct task_viewer *viewer, const char *task_id, int wait_ms,
                    struct task *ret_task, struct error *err)
{
    struct workers *workers = call->api->workers;
    int64_t deadline = clock_monotonic_ms() + wait_ms;
    struct workers_watch watch;
    bool go_on = true;
    bool found;

    if (wait_ms == 0)
        return find(call, viewer, task_id, ret_task, err);
    workers_watch_begin(workers, &watch, task_id);
    fastcgi_pause(call->request->exchange);
    for (;;) {
        int left = clock_remaining_ms(deadline);

        found = find(call, viewer, task_id, ret_task, err);
        if (!found || has_ended(ret_task) || left == 0 || !go_on)
            break;
        go_on = workers_watch_wait(workers, &watch, left < LOOK_MS ? left : LOOK_MS);
    }
    fastcgi_resume(call->request->exchange);
    workers_watch_end(workers, &watch);
    return found;
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
    json_object_object_add(object, key, json_object_new_string(text));
}

static void add_number(struct json_object *object, const char *key, int64_t number)
{
    json_object_object_add(object, key, json_object_new_int64(number));
}

/* Answers 200 with the task's status. */
static void answer(struct api_call *call, const struct task *task)
{
    static const char *const names[] = {
        [TASK_QUEUED] = "running", /* the API knows no other name for it */
        [TASK_RUNNING] = "running",
        [TASK_SUCCESS] = "success",
        [TASK_FAILURE] = "failure",
    };
    struct json_object *status = json_object_new_object();
    char name[TASK_NAME_SIZE];

    task_name(task, name);
    add_text(status, "task_id", task->task_id);
    add_text(status, "task_name", name);
    add_text(status, "task_status", names[task->state]);
    if (task->state == TASK_SUCCESS) {
        task_file_name(task, name);
        add_text(status, "file_id", task->file_id);
        add_text(status, "file_name", name);
    }
    add_number(status, "progress", task->progress);
    add_number(status, "exported_rows", task->exported_rows);
    json_object_object_add(status, "truncated", json_object_new_boolean(task->truncated));
    if (task->state == TASK_SUCCESS) {
        add_number(status, "file_size", task->file_size);
        add_text(status, "sha256", task->sha256);
    }
    add_number(status, "create_time", task->create_time);
    if (has_ended(task))
        add_number(status, "finish_time", task->finish_time);
    if (task->state == TASK_SUCCESS)
        add_number(status, "expire_time", task->expire_time);
    if (task->state == TASK_FAILURE) {
        add_text(status, "error_code", task->error_code);
        add_text(status, "error_msg", task->error_msg);
    }
    http_response_json(call->response, 200, status);
}

bool api_status(struct api_call *call, struct error *err)
{
    const struct http_prefer prefer = http_prefer_parse(http_request_header(call->request, "Prefer"));
    struct task_viewer viewer;
    struct task task;
    char *scope;
    bool found;

    viewer = api_viewer(call, &scope);
    found = api_await_task(call, &viewer, call->id, prefer.wait > 0 ? prefer.wait * 1000 : 0, &task, err);
    free(scope);
    if (found)
        answer(call, &task);
    return found;
}
