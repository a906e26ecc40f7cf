/* GET /v5/{project_id}/export-tasks: lists the tasks of the caller, newest first. */
#include <stdlib.h>

#include "api/api.h"

static bool find_page(struct api_call *call, struct task_page *ret_page, struct error *err)
{
    struct api_view view;
    bool found;

    if (!api_view_begin(call, &view, err))
        return false;
    found = task_list(view.db, &view.viewer, call->limit, call->offset, ret_page, err);
    api_view_end(call, &view);
    return found;
}

void api_respond_page(struct api_call *call, int64_t total, struct json_object *list)
{
    struct json_object *result = json_object_new_object();

    json_object_object_add(result, "total_num", json_object_new_int64(total));
    json_object_object_add(result, "data_list", list);
    http_response_json(call->response, 200, result);
}

bool api_list(struct api_call *call, struct error *err)
{
    struct json_object *list;
    struct task_page page;

    if (!find_page(call, &page, err))
        return false;
    if (page.read_much)
        housekeeper_wake(call->api->housekeeper);
    list = json_object_new_array();
    for (size_t i = 0; i < page.count; i++)
        json_object_array_add(list, api_task_json(call, &page.tasks[i]));
    free(page.tasks);
    api_respond_page(call, page.total, list);
    return true;
}
