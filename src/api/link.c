/* Signed links: those in the status of a task, and the one in the query of a download. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/buffer.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "export/task_json.h"

#define EXPIRES "expires"
#define SIGNATURE "signature"

static char *format_link(const char *project_id, const char *file_id, const struct access_link *link)
{
    struct buffer url = {0};

    buffer_append_text(&url, "/v5/");
    buffer_append_encoded(&url, project_id);
    buffer_printf(&url, "/download/%s?" EXPIRES "=%" PRId64 "&" SIGNATURE "=%s", file_id, link->expires,
                  link->signature);
    return url.data;
}

struct json_object *api_task_json(struct api_call *call, const struct task *task)
{
    struct json_object *status = task_status_json(task);
    struct access_link link;
    char *url;

    if (task->state != TASK_SUCCESS || task->expired
        || !access_make_link(call->api->access, call->project_id, task->file_id, &link))
        return status;
    url = format_link(call->project_id, task->file_id, &link);
    json_add_text(status, "download_url", url);
    call->response->is_secret = true;
    free(url);
    return status;
}

/* Whether the operation takes links: then these are parameters of its route. */
static bool takes_links(const struct api_route *route)
{
    for (size_t i = 0; route->parameters[i] != NULL; i++) {
        if (strcmp(route->parameters[i]->name, SIGNATURE) == 0)
            return true;
    }
    return false;
}

/* Returns a decoded copy of a segment of the path, "" if it cannot be decoded. */
static char *decode_segment(const char *segment)
{
    char *decoded = memory_copy_text(segment);

    if (!text_percent_decode(decoded, false))
        *decoded = '\0';
    return decoded;
}

void api_link_begin(struct api_link *link, const struct http_request *request, const struct http_match *match)
{
    struct error ignored;

    *link = (struct api_link) {0};
    if (!takes_links((const struct api_route *) match->route)
        || !(http_query_mentions(request->query, EXPIRES) || http_query_mentions(request->query, SIGNATURE)))
        return;
    link->project_id = decode_segment(match->captures[0]);
    link->file_id = decode_segment(match->captures[1]);
    link->parts = (struct link) {.project_id = link->project_id, .file_id = link->file_id};
    if (http_query_parse(&link->query, request->query, &ignored) && link->query.count == 2) {
        link->parts.expires = http_query_find(&link->query, EXPIRES);
        link->parts.signature = http_query_find(&link->query, SIGNATURE);
    }
    link->link = &link->parts;
}

void api_link_end(struct api_link *link)
{
    free(link->project_id);
    free(link->file_id);
    http_query_end(&link->query);
}
