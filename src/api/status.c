/*
 * GET /v5/{project_id}/export-task/{task_id}, and GET /v5/{project_id}/export-task?task_id= (ShowLatestExportTaskByType
 * of HSS v5): returns the status of a task.
 */
#include <string.h>

#include "api/api.h"
#include "http/prefer.h"

bool api_status(struct api_call *call, struct error *err)
{
    const struct http_prefer prefer = http_prefer_parse(http_request_header(call->request, "Prefer"));
    const struct api_wait wait = {.ms = prefer.wait > 0 ? prefer.wait * 1000 : 0};
    struct task task;

    if (!api_await_task(call, call->id, wait, &task, err))
        return false;
    memcpy(call->task_id, task.task_id, sizeof(call->task_id));
    http_response_json(call->response, 200, api_task_json(call, &task));
    return true;
}
