#include "export/task_json.h"

#include "base/json.h"

static void add_number_member(struct json_object *object, const char *key, int64_t number)
{
    json_object_object_add(object, key, json_object_new_int64(number));
}

struct json_object *task_status_json(const struct task *task)
{
    static const char *const names[] = {
        [TASK_QUEUED] = "running", /* the API has no separate name for it */
        [TASK_RUNNING] = "running",
        [TASK_SUCCESS] = "success",
        [TASK_FAILURE] = "failure",
    };
    struct json_object *status = json_object_new_object();
    char name[TASK_NAME_SIZE];

    task_name(task, name);
    json_add_text(status, "task_id", task->task_id);
    json_add_text(status, "task_name", name);
    json_add_text(status, "task_status", names[task->state]);
    if (task->state == TASK_SUCCESS) {
        task_file_name(task, name);
        json_add_text(status, "file_id", task->file_id);
        json_add_text(status, "file_name", name);
    }
    add_number_member(status, "progress", task->progress);
    add_number_member(status, "exported_rows", task->exported_rows);
    json_object_object_add(status, "truncated", json_object_new_boolean(task->truncated));
    if (task->state == TASK_SUCCESS) {
        add_number_member(status, "file_size", task->file_size);
        json_add_text(status, "sha256", task->sha256);
    }
    add_number_member(status, "create_time", task->create_time);
    if (task_has_ended(task))
        add_number_member(status, "finish_time", task->finish_time);
    if (task->state == TASK_SUCCESS && task->expire_time != 0)
        add_number_member(status, "expire_time", task->expire_time);
    if (task->state == TASK_FAILURE) {
        json_add_text(status, "error_code", task->error_code);
        json_add_text(status, "error_msg", task->error_msg);
    }
    return status;
}
