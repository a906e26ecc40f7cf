/* GET and HEAD /v5/{project_id}/download/{file_id}: the file, whole or in part. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "export/export_file.h"
#include "http/range.h"

static bool find(struct api_call *call, struct task *ret_task, struct error *err)
{
    struct api_view view;
    bool found;

    if (!api_view_begin(call, &view, err))
        return false;
    found = task_find_by_file(view.db, &view.viewer, call->id, ret_task, err);
    api_view_end(call, &view);
    if (found)
        memcpy(call->task_id, ret_task->task_id, sizeof(call->task_id));
    if (found && ret_task->expired)
        return error_set(err, ERROR_GONE, "the file has expired; create the export anew");
    return found;
}

/* The headers that all answers with this file share, a 304 included (RFC 9110 section 15.4.5). */
static void add_file_headers(struct http_response *response, const struct task *task, const char *etag)
{
    char name[TASK_NAME_SIZE];
    char date[CLOCK_HTTP_DATE_SIZE];

    task_file_name(task, name);
    clock_format_http_date(date, task->finish_time);
    http_response_header(response, "Content-Type", "text/csv; charset=utf-8");
    http_response_header(response, "Content-Disposition", "attachment; filename=\"%s\"", name);
    http_response_header(response, "ETag", "%s", etag);
    http_response_header(response, "Last-Modified", "%s", date);
    http_response_header(response, "Accept-Ranges", "bytes");
    http_response_header(response, "Cache-Control", "private");
    http_response_header(response, "X-Content-Type-Options", "nosniff");
}

/* Lets the web server send a whole file, if it can. */
static void offload(struct api_call *call, const struct task *task)
{
    const struct config *config = call->api->config;

    switch ((enum config_offload) config->offload) {
    case CONFIG_OFFLOAD_X_SENDFILE:
        http_response_offload(call->response, "X-Sendfile", config->directory, task->file_id);
        break;
    case CONFIG_OFFLOAD_X_ACCEL_REDIRECT:
        http_response_offload(call->response, "X-Accel-Redirect", config->accel_location, task->file_id);
        break;
    case CONFIG_OFFLOAD_NONE:
        break;
    }
}

bool api_download(struct api_call *call, struct error *err)
{
    struct http_response *response = call->response;
    const struct http_conditions conditions = {
        .if_none_match = http_request_header(call->request, "If-None-Match"),
        .if_modified_since = http_request_header(call->request, "If-Modified-Since"),
        .if_range = http_request_header(call->request, "If-Range"),
        .range = call->request->method == HTTP_GET ? http_request_header(call->request, "Range") : NULL,
    };
    char etag[sizeof(((struct task *) 0)->sha256) + 2];
    struct http_representation file;
    enum http_selection selection;
    int64_t first = 0, last = 0;
    struct task task;
    int fd;

    if (!find(call, &task, err))
        return false;
    fd = export_file_open(call->api->config->directory, task.file_id, err);
    if (fd < 0)
        return false;

    snprintf(etag, sizeof(etag), "\"%s\"", task.sha256);
    file = (struct http_representation) {.etag = etag, .last_modified = task.finish_time, .size = task.file_size};
    selection = http_select(&conditions, &file, &first, &last);
    http_response_file(response, 200, fd, 0, file.size);
    switch (selection) {
    case HTTP_NOT_SATISFIABLE:
        error_set(err, ERROR_RANGE, "Range must begin within the file's %" PRId64 " bytes", file.size);
        http_response_error(response, err, call->request);
        http_response_header(response, "Content-Range", "bytes */%" PRId64, file.size);
        return true;
    case HTTP_NOT_MODIFIED:
        response->status = 304;
        break;
    case HTTP_SEND_PART:
        http_response_header(response, "Content-Range", "bytes %" PRId64 "-%" PRId64 "/%" PRId64, first, last,
                             file.size);
        http_response_file(response, 206, fd, first, last - first + 1);
        break;
    case HTTP_SEND_ALL:
        if (call->request->method == HTTP_GET)
            offload(call, &task);
        break;
    }
    add_file_headers(response, &task, etag);
    return true;
}
