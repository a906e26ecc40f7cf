/* GET /v5/{project_id}/export-task/{task_id}: how far a task is. Also where others wait for one. */
#include <string.h>
#include <time.h>

#include "api/api.h"
#include "base/clock.h"
#include "http/prefer.h"

#define LOOK_MS 10000     /* between looks at a task of which nothing is heard, in case a notification was lost */
#define DEAF_LOOK_MS 1000 /* the same while no notifications are heard */
#define GONE_MS 250       /* between looks whether the client is still there */

static bool find(struct api_call *call, const char *task_id, struct task *ret_task, struct error *err)
{
    struct api_view view;
    bool found;

    if (!api_view_begin(call, &view, err))
        return false;
    found = task_find(view.db, &view.viewer, task_id, ret_task, err);
    api_view_end(call, &view);
    return found;
}

static bool has_ended(const struct task *task)
{
    return task->state == TASK_SUCCESS || task->state == TASK_FAILURE;
}

/* Waits for news of the task, no longer than to the deadline. False if waiting on is of no use. */
static bool wait_for_news(struct api_call *call, struct workers_watch *watch, int64_t deadline)
{
    struct workers *workers = call->api->workers;
    int64_t began = clock_monotonic_ms();
    enum workers_news news;
    int64_t next_look;
    int left;

    do {
        if (fastcgi_is_gone(call->request->exchange))
            return false;
        next_look = began + (workers_is_hearing(workers) ? LOOK_MS : DEAF_LOOK_MS);
        if (next_look > deadline)
            next_look = deadline;
        left = clock_remaining_ms(next_look);
        news = workers_watch_wait(workers, watch, left < GONE_MS ? left : GONE_MS);
    } while (news == WORKERS_NO_NEWS && left > 0);
    return news != WORKERS_DRAINING;
}

/* Waits for a task where threads run it. A wait that is broken off ends with what the last look found. */
static bool await(struct api_call *call, const char *task_id, int64_t deadline, struct task *ret_task,
                  struct error *err)
{
    struct workers *workers = call->api->workers;
    struct workers_watch watch;
    bool paused = fastcgi_pause(call->request->exchange, FASTCGI_WAIT);
    bool found;

    workers_watch_begin(workers, &watch, task_id);
    for (;;) {
        found = find(call, task_id, ret_task, err);
        if (!found || has_ended(ret_task) || clock_remaining_ms(deadline) == 0)
            break;
        if (!paused || !wait_for_news(call, &watch, deadline))
            break; /* not paused: as many requests wait as may */
    }
    if (paused)
        fastcgi_resume(call->request->exchange, FASTCGI_WAIT);
    workers_watch_end(workers, &watch);
    return found;
}

/* What waits for a task in a process that has no threads for it: it runs the task itself, unless another does. */
static bool run_and_await(struct api_call *call, const char *task_id, int64_t deadline, struct task *ret_task,
                          struct error *err)
{
    struct workers *workers = call->api->workers;
    const struct timespec pause = {.tv_nsec = GONE_MS * 1000000L};

    while (find(call, task_id, ret_task, err)) {
        if (has_ended(ret_task))
            return true;
        if (workers_run(workers, task_id))
            continue;
        if (clock_remaining_ms(deadline) == 0)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

bool api_await_task(struct api_call *call, const char *task_id, int wait_ms, struct task *ret_task, struct error *err)
{
    int64_t deadline = clock_monotonic_ms() + wait_ms;

    if (call->api->runs_exports_itself)
        return run_and_await(call, task_id, deadline, ret_task, err);
    if (wait_ms == 0)
        return find(call, task_id, ret_task, err);
    return await(call, task_id, deadline, ret_task, err);
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
    json_object_object_add(object, key, json_object_new_string(text));
}

static void add_number(struct json_object *object, const char *key, int64_t number)
{
    json_object_object_add(object, key, json_object_new_int64(number));
}

struct json_object *api_status_json(const struct task *task)
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
    return status;
}

bool api_status(struct api_call *call, struct error *err)
{
    const struct http_prefer prefer = http_prefer_parse(http_request_header(call->request, "Prefer"));
    struct task task;

    if (!api_await_task(call, call->id, prefer.wait > 0 ? prefer.wait * 1000 : 0, &task, err))
        return false;
    memcpy(call->task_id, task.task_id, sizeof(call->task_id));
    http_response_json(call->response, 200, api_status_json(&task));
    return true;
}
