/* GET /v5/{project_id}/container/export-schedules/{schedule_id}: returns a schedule. */
#include "api/schedule_view.h"

bool api_schedule_show(struct api_call *call, struct error *err)
{
    struct api_view view;
    bool found;

    if (!api_view_begin(call, &view, err))
        return false;
    found = schedule_respond(call, &view, call->id, "", err);
    api_view_end(call, &view);
    return found;
}
