/* DELETE /v5/{project_id}/export-task/{task_id}: cancels the task if it is unfinished, and deletes its row and file. */
#include <stdio.h>

#include "api/api.h"
#include "base/log.h"
#include "export/export_file.h"

static bool remove_row(struct api_call *call, char ret_file_id[TEXT_UUID_LENGTH + 1], struct error *err)
{
    struct api_view view;
    bool removed;

    if (!api_view_begin(call, &view, err))
        return false;
    removed = task_remove(view.db, &view.viewer, call->id, ret_file_id, err);
    api_view_end(call, &view);
    return removed;
}

/* Removes the file of the deleted task. On failure, housekeeping retries: the database has recorded the file. */
static void remove_task_file(struct api_call *call, const char *file_id)
{
    struct log_line line;
    struct error err;
    bool removed;

    if (export_file_remove(call->api->config->directory, file_id, &removed, &err))
        return;
    log_begin(&line, LOG_WARNING, "the file of a removed task could not be removed yet");
    log_text(&line, "request_id", call->request->id);
    log_text(&line, "task_id", call->task_id);
    log_error(&line, &err);
    log_end(&line);
}

bool api_remove(struct api_call *call, struct error *err)
{
    char file_id[TEXT_UUID_LENGTH + 1];

    if (!remove_row(call, file_id, err))
        return false;
    snprintf(call->task_id, sizeof(call->task_id), "%s", call->id);
    watches_notify(call->api->watches, call->task_id);
    if (*file_id != '\0')
        remove_task_file(call, file_id);
    housekeeper_wake(call->api->housekeeper);
    call->response->status = 204;
    return true;
}
