/*
 * GET and HEAD /v5/{project_id}/container/export-schedules/{schedule_id}/latest: sends the file of the newest
 * successful run.
 */
#include "api/api.h"
#include "schedule/run.h"

static bool find_latest(struct api_call *call, struct task *ret_task, struct error *err)
{
    struct api_view view;
    bool found;

    if (!api_view_begin(call, &view, err))
        return false;
    found = schedule_run_latest(view.db, &view.viewer, call->id, ret_task, err);
    api_view_end(call, &view);
    return found;
}

bool api_schedule_latest(struct api_call *call, struct error *err)
{
    struct task task;

    if (!find_latest(call, &task, err))
        return false;
    http_response_header(call->response, "X-Task-Id", "%s", task.task_id);
    /* Without no-cache, a cache could keep an older file for some time (RFC 9111 section 4.2.2). */
    return api_send_file(call, &task, "private, no-cache", err);
}
