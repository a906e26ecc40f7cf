/* Sends the file of a task, whole or in part, or lets the web server send it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/text.h"
#include "export/export_file.h"
#include "http/encoding.h"
#include "http/range.h"

/* The variant of a file that the client receives. */
struct variant {
    enum export_file_form form;
    int64_t size;
    char etag[sizeof(((struct task *) 0)->sha256) + sizeof("\"-gzip\"")]; /* strong: each variant has its own */
};

static struct variant choose_variant(const struct task *task, const char *accept_encoding)
{
    struct variant variant = {.form = EXPORT_FILE_PLAIN, .size = task->file_size};

    if (task->gzip_size > 0 && http_prefers_gzip(accept_encoding))
        variant = (struct variant) {.form = EXPORT_FILE_GZIP, .size = task->gzip_size};
    snprintf(variant.etag, sizeof(variant.etag), "\"%s%s\"", task->sha256,
             variant.form == EXPORT_FILE_GZIP ? "-gzip" : "");
    return variant;
}

/* Adds the headers that every response for the file has, including a 304 (RFC 9110 section 15.4.5). */
static void add_file_headers(struct http_response *response, const struct task *task, const struct variant *variant,
                             const char *cache_control)
{
    char name[TASK_NAME_SIZE];
    char date[CLOCK_HTTP_DATE_SIZE];

    task_file_name(task, name);
    clock_format_http_date(date, task->finish_time);
    http_response_header(response, "Content-Type", "text/csv; charset=utf-8");
    http_response_header(response, "Content-Disposition", "attachment; filename=\"%s\"", name);
    if (variant->form == EXPORT_FILE_GZIP)
        http_response_header(response, "Content-Encoding", "gzip");
    if (task->gzip_size > 0)
        http_response_header(response, "Vary", "Accept-Encoding");
    http_response_header(response, "ETag", "%s", variant->etag);
    http_response_header(response, "Last-Modified", "%s", date);
    http_response_header(response, "Accept-Ranges", "bytes");
    http_response_header(response, "Cache-Control", "%s", cache_control);
    http_response_header(response, "X-Content-Type-Options", "nosniff");
}

static struct http_conditions read_conditions(const struct http_request *request)
{
    return (struct http_conditions) {
        .if_none_match = http_request_header(request, "If-None-Match"),
        .if_modified_since = http_request_header(request, "If-Modified-Since"),
        .if_range = http_request_header(request, "If-Range"),
        .range = request->method == HTTP_GET ? http_request_header(request, "Range") : NULL,
    };
}

/* Whether the web server would send exactly the selected part of the file. */
static bool can_offload(const struct api_call *call, enum http_selection selection)
{
    const struct http_request *request = call->request;

    if (call->api->config->offload == CONFIG_OFFLOAD_NONE || request->method != HTTP_GET)
        return false;
    /*
     * With conf/apache-common.conf, Apache evaluates Range itself, and does not see the headers that Waybill ignores.
     */
    if (http_request_is_from_server(request, "Apache"))
        return true;
    /* Other servers send whole files, and could evaluate the conditions that Waybill ignores. */
    return selection == HTTP_SEND_ALL && http_request_header(request, "If-Match") == NULL
           && http_request_header(request, "If-Unmodified-Since") == NULL;
}

/* Lets the web server send the file. */
static void offload(struct api_call *call, const struct task *task, const struct variant *variant)
{
    const struct config *config = call->api->config;
    char name[EXPORT_FILE_NAME_SIZE];

    export_file_name(name, task->file_id, variant->form);
    switch (config->offload) {
    case CONFIG_OFFLOAD_X_SENDFILE:
        http_response_offload(call->response, "X-Sendfile", config->directory, name);
        break;
    case CONFIG_OFFLOAD_X_ACCEL_REDIRECT:
        http_response_offload(call->response, "X-Accel-Redirect", config->accel_location, name);
        break;
    case CONFIG_OFFLOAD_NONE:
        break;
    }
}

/* Rejects a Range that the file cannot satisfy. Content-Range contains the size of the file. */
static void reject_range(struct api_call *call, const char *range, int64_t size, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    error_set(err, ERROR_RANGE, "Range must begin within the %" PRId64 " bytes of the file, got %s", size,
              text_excerpt(excerpt, range, strlen(range)));
    http_response_error(call->response, err, call->request);
    http_response_header(call->response, "Content-Range", "bytes */%" PRId64, size);
}

/* Sends a part of the open file, from `first` to `last`. */
static void send_part(struct http_response *response, int fd, int64_t first, int64_t last, int64_t size)
{
    http_response_header(response, "Content-Range", "bytes %" PRId64 "-%" PRId64 "/%" PRId64, first, last, size);
    http_response_file(response, 206, fd, first, last - first + 1);
}

bool api_send_file(struct api_call *call, const struct task *task, const char *cache_control, struct error *err)
{
    struct http_response *response = call->response;
    const struct http_conditions conditions = read_conditions(call->request);
    struct http_representation file;
    enum http_selection selection;
    int64_t first = 0, last = 0;
    struct variant variant;
    int fd;

    memcpy(call->task_id, task->task_id, sizeof(call->task_id));
    if (task->expired)
        return error_set(err, ERROR_GONE, "the file has expired; create the export again");
    variant = choose_variant(task, http_request_header(call->request, "Accept-Encoding"));
    fd = export_file_open(call->api->config->directory, task->file_id, variant.form, err);
    if (fd < 0)
        return false;

    file = (struct http_representation) {.etag = variant.etag, .last_modified = task->finish_time,
                                         .size = variant.size};
    selection = http_select(&conditions, &file, &first, &last);
    http_response_file(response, 200, fd, 0, file.size);
    switch (selection) {
    case HTTP_NOT_SATISFIABLE:
        reject_range(call, conditions.range, file.size, err);
        return true;
    case HTTP_NOT_MODIFIED:
        response->status = 304;
        break;
    case HTTP_SEND_PART:
        if (can_offload(call, selection))
            offload(call, task, &variant);
        else
            send_part(response, fd, first, last, file.size);
        break;
    case HTTP_SEND_ALL:
        if (can_offload(call, selection))
            offload(call, task, &variant);
        break;
    }
    add_file_headers(response, task, &variant, cache_control);
    return true;
}
