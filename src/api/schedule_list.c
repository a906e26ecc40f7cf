/* GET /v5/{project_id}/container/export-schedules: lists the schedules of the caller, by name. */
#include "api/schedule_view.h"

static bool find_schedules(struct api_call *call, struct schedule_page *ret_page, struct error *err)
{
    struct api_view view;
    bool found;

    if (!api_view_begin(call, &view, err))
        return false;
    found = schedule_list(view.db, &view.viewer, call->limit, call->offset, ret_page, err);
    api_view_end(call, &view);
    return found;
}

bool api_schedule_list(struct api_call *call, struct error *err)
{
    struct schedule_page page;
    struct json_object *list;

    if (!find_schedules(call, &page, err))
        return false;
    list = json_object_new_array();
    for (size_t i = 0; i < page.count; i++)
        json_object_array_add(list, schedule_json(&page.schedules[i], ""));
    api_respond_page(call, page.total, list);
    schedule_page_free(&page);
    return true;
}
