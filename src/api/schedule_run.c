/* POST /v5/{project_id}/container/export-schedules/{schedule_id}/run: runs a schedule now, besides its rule. */
#include "api/api.h"
#include "http/prefer.h"
#include "schedule/run.h"

static bool create_run(struct api_call *call, struct error *err)
{
    struct api_view view;
    bool created;

    if (!api_view_begin(call, &view, err))
        return false;
    created = schedule_run_now(view.db, &view.viewer, call->id, call->request->id, call->api->config->unfinished_tasks,
                               call->task_id, err);
    api_view_end(call, &view);
    return created;
}

bool api_schedule_run(struct api_call *call, struct error *err)
{
    const struct http_prefer prefer = http_prefer_parse(http_request_header(call->request, "Prefer"));

    if (!create_run(call, err))
        return false;
    workers_wake(call->api->workers, 1);
    api_respond_created(call, (struct api_wait) {.ms = prefer.wait > 0 ? prefer.wait * 1000 : 0});
    return true;
}
