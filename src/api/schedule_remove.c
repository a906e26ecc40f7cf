/* DELETE /v5/{project_id}/container/export-schedules/{schedule_id}: removes a schedule; its tasks stay. */
#include "api/api.h"
#include "schedule/schedule.h"

bool api_schedule_remove(struct api_call *call, struct error *err)
{
    struct api_view view;
    bool removed;

    if (!api_view_begin(call, &view, err))
        return false;
    removed = schedule_remove(view.db, &view.viewer, call->id, call->api->config->retention_hours, err);
    api_view_end(call, &view);
    if (removed)
        call->response->status = 204;
    return removed;
}
