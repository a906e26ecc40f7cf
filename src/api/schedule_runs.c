/* GET /v5/{project_id}/container/export-schedules/{schedule_id}/runs: lists the runs of a schedule, newest first. */
#include <stdlib.h>

#include "api/api.h"
#include "base/json.h"
#include "schedule/run.h"

static bool find_runs(struct api_call *call, struct schedule_run_page *ret_page, struct error *err)
{
    struct api_view view;
    bool found;

    if (!api_view_begin(call, &view, err))
        return false;
    found = schedule_run_list(view.db, &view.viewer, call->id, call->limit, call->offset, ret_page, err);
    api_view_end(call, &view);
    return found;
}

/* Adds a text, or null if it is empty. */
static void add_text_or_null(struct json_object *object, const char *key, const char *text)
{
    if (*text != '\0')
        json_add_text(object, key, text);
    else
        json_object_object_add(object, key, NULL);
}

static struct json_object *run_json(const struct schedule_run *run)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "occurrence_time", json_object_new_int64(run->occurrence_time));
    json_add_text(object, "state", run->state);
    add_text_or_null(object, "task_id", run->task_id);
    add_text_or_null(object, "reason", run->reason);
    return object;
}

bool api_schedule_runs(struct api_call *call, struct error *err)
{
    struct schedule_run_page page;
    struct json_object *list;

    if (!find_runs(call, &page, err))
        return false;
    list = json_object_new_array();
    for (size_t i = 0; i < page.count; i++)
        json_object_array_add(list, run_json(&page.runs[i]));
    api_respond_page(call, page.total, list);
    free(page.runs);
    return true;
}
