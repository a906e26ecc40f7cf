/* GET and HEAD /v5/{project_id}/download/{file_id}: sends the file, whole or in part. */
#include "api/api.h"

static bool find_file(struct api_call *call, struct task *ret_task, struct error *err)
{
    struct api_view view;
    bool found;

    if (!api_view_begin(call, &view, err))
        return false;
    found = task_find_by_file(view.db, &view.viewer, call->id, ret_task, err);
    api_view_end(call, &view);
    return found;
}

bool api_download(struct api_call *call, struct error *err)
{
    struct task task;

    return find_file(call, &task, err) && api_send_file(call, &task, "private", err);
}
