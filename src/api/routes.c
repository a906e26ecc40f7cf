/* The table of routes, and their query parameters. */
#include <string.h>

#include "api/api.h"
#include "base/text.h"
#include "export/task.h"

#define MAX_NAME_FILTER 128 /* characters, as in the original API */

const char api_required[] = "";

static bool check_text_length(const char *name, const char *value, size_t max, struct error *err)
{
    size_t count = 0;

    if (text_utf8_count(value, strlen(value), &count) && count >= 1 && count <= max)
        return true;
    return error_set(err, ERROR_PARAMETER, "%s must be 1 to %zu characters long, got %zu", name, max, count);
}

/* The original API allows 1 to 256 characters. */
static bool parse_enterprise_project_id(struct api_call *call, const char *name, const char *value, struct error *err)
{
    call->enterprise_project_id = value;
    return check_text_length(name, value, 256, err);
}

/* An invalid ID within the length needs no check, as in the path: it finds no task. */
static bool parse_task_id(struct api_call *call, const char *name, const char *value, struct error *err)
{
    call->id = value;
    return check_text_length(name, value, 64, err);
}

/* The type of a task is in the original API. All tasks here have the same type, so the value has no effect. */
static bool parse_export_task_type(struct api_call *call, const char *name, const char *value, struct error *err)
{
    (void) call;
    return check_text_length(name, value, 256, err);
}

static bool parse_export_size(struct api_call *call, const char *name, const char *value, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];
    int64_t size = 0;

    if (!text_parse_digits(value, 6, &size) || size < 1 || size > TASK_MAX_EXPORT_SIZE)
        return error_set(err, ERROR_PARAMETER, "%s must be an integer from 1 to %d, with at most 6 digits, got %s",
                         name, TASK_MAX_EXPORT_SIZE, text_excerpt(excerpt, value, strlen(value)));
    call->export_size = (int) size;
    return true;
}

/* Accepts only digits that form a number within the bounds. */
static bool parse_number(const char *name, const char *value, int min, int max, int *ret_number, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];
    int64_t number = 0;

    if (!text_parse_digits(value, 9, &number) || number < min || number > max)
        return error_set(err, ERROR_PARAMETER, "%s must be an integer from %d to %d, got %s", name, min, max,
                         text_excerpt(excerpt, value, strlen(value)));
    *ret_number = (int) number;
    return true;
}

static bool parse_limit(struct api_call *call, const char *name, const char *value, struct error *err)
{
    return parse_number(name, value, 1, 200, &call->limit, err);
}

/* The limit of the original API. */
static bool parse_container_limit(struct api_call *call, const char *name, const char *value, struct error *err)
{
    return parse_number(name, value, 10, 200, &call->limit, err);
}

static bool parse_offset(struct api_call *call, const char *name, const char *value, struct error *err)
{
    return parse_number(name, value, 0, 2000000, &call->offset, err);
}

/* The parameter has the name of the filter. */
static bool parse_filter(struct api_call *call, const char *name, const char *value, struct error *err)
{
    if (call->selection == NULL)
        call->selection = selection_of_all_columns();
    return selection_set_filter(call->selection, name, value, MAX_NAME_FILTER, err);
}

/* A part of a signed link. If the caller has other credentials, nothing depends on it. */
static bool ignore_link_part(struct api_call *call, const char *name, const char *value, struct error *err)
{
    (void) call;
    (void) name;
    (void) value;
    (void) err;
    return true;
}

static const struct api_parameter enterprise_project_id = {"enterprise_project_id", "0", parse_enterprise_project_id};
static const struct api_parameter optional_enterprise_project_id = {"enterprise_project_id", NULL,
                                                                    parse_enterprise_project_id};
static const struct api_parameter task_id = {"task_id", api_required, parse_task_id};
static const struct api_parameter export_task_type = {"export_task_type", NULL, parse_export_task_type};
static const struct api_parameter export_size = {"export_size", "100000", parse_export_size};
static const struct api_parameter limit = {"limit", "10", parse_limit};
static const struct api_parameter container_limit = {"limit", "10", parse_container_limit};
static const struct api_parameter offset = {"offset", "0", parse_offset};
static const struct api_parameter container_name = {"container_name", "", parse_filter};
static const struct api_parameter pod_name = {"pod_name", "", parse_filter};
static const struct api_parameter image_name = {"image_name", "", parse_filter};
static const struct api_parameter cluster_container = {"cluster_container", NULL, parse_filter};
static const struct api_parameter expires = {"expires", NULL, ignore_link_part};
static const struct api_parameter signature = {"signature", NULL, ignore_link_part}; /* link.c: the route takes links */

/* What the caller needs: the permissions, and the alternative to them. */
#define NOTHING 0, 0
#define CREATE PERMISSION_CREATE, 0
#define READ PERMISSION_READ, 0
#define SCHEDULE PERMISSION_SCHEDULE, 0
#define CREATE_AND_SCHEDULE PERMISSION_CREATE | PERMISSION_SCHEDULE, 0
#define READ_OR_SCHEDULE PERMISSION_READ, PERMISSION_SCHEDULE

const struct api_route api_routes[] = {
    {{HTTP_POST, "/v5/{project_id}/container/export-task"}, "create",
     api_create, CREATE, API_MAX_BODY, {&enterprise_project_id, &export_size}},
    {{HTTP_GET, "/v5/{project_id}/export-task/{task_id}"}, "status",
     api_status, READ, 0, {&optional_enterprise_project_id}},
    {{HTTP_GET, "/v5/{project_id}/export-task"}, "status",
     api_status, READ, 0, {&task_id, &export_task_type, &optional_enterprise_project_id}},
    {{HTTP_DELETE, "/v5/{project_id}/export-task/{task_id}"}, "remove",
     api_remove, CREATE, 0, {&optional_enterprise_project_id}},
    {{HTTP_GET, "/v5/{project_id}/export-tasks"}, "list",
     api_list, READ, 0, {&optional_enterprise_project_id, &limit, &offset}},
    {{HTTP_GET, "/v5/{project_id}/container/kubernetes"}, "containers",
     api_containers, READ, 0,
     {&enterprise_project_id, &container_name, &pod_name, &image_name, &cluster_container, &container_limit, &offset}},
    {{HTTP_GET, "/v5/{project_id}/download/{file_id}"}, "download",
     api_download, READ, 0, {&optional_enterprise_project_id, &expires, &signature}},
    {{HTTP_HEAD, "/v5/{project_id}/download/{file_id}"}, "download",
     api_download, READ, 0, {&optional_enterprise_project_id, &expires, &signature}},
    {{HTTP_POST, "/v5/{project_id}/container/export-schedules"}, "schedule_create",
     api_schedule_create, SCHEDULE, API_MAX_BODY, {NULL}},
    {{HTTP_GET, "/v5/{project_id}/container/export-schedules"}, "schedule_list",
     api_schedule_list, READ_OR_SCHEDULE, 0, {&limit, &offset}},
    {{HTTP_GET, "/v5/{project_id}/container/export-schedules/{schedule_id}"}, "schedule_show",
     api_schedule_show, READ_OR_SCHEDULE, 0, {NULL}},
    {{HTTP_PUT, "/v5/{project_id}/container/export-schedules/{schedule_id}"}, "schedule_replace",
     api_schedule_replace, SCHEDULE, API_MAX_BODY, {NULL}},
    {{HTTP_DELETE, "/v5/{project_id}/container/export-schedules/{schedule_id}"}, "schedule_remove",
     api_schedule_remove, SCHEDULE, 0, {NULL}},
    {{HTTP_POST, "/v5/{project_id}/container/export-schedules/{schedule_id}/run"}, "schedule_run",
     api_schedule_run, CREATE_AND_SCHEDULE, 0, {NULL}},
    {{HTTP_GET, "/v5/{project_id}/container/export-schedules/{schedule_id}/runs"}, "schedule_runs",
     api_schedule_runs, READ_OR_SCHEDULE, 0, {&limit, &offset}},
    {{HTTP_GET, "/v5/{project_id}/container/export-schedules/{schedule_id}/latest"}, "schedule_latest",
     api_schedule_latest, READ, 0, {&optional_enterprise_project_id}},
    {{HTTP_HEAD, "/v5/{project_id}/container/export-schedules/{schedule_id}/latest"}, "schedule_latest",
     api_schedule_latest, READ, 0, {&optional_enterprise_project_id}},
    {{HTTP_GET, "/healthz"}, "health",
     api_ready, NOTHING, 0, {NULL}},
    {{HTTP_HEAD, "/healthz"}, "health",
     api_ready, NOTHING, 0, {NULL}},
    {{HTTP_GET, "/healthz/ready"}, "health",
     api_ready, NOTHING, 0, {NULL}},
    {{HTTP_HEAD, "/healthz/ready"}, "health",
     api_ready, NOTHING, 0, {NULL}},
    {{HTTP_GET, "/healthz/live"}, "health",
     api_live, NOTHING, 0, {NULL}},
    {{HTTP_HEAD, "/healthz/live"}, "health",
     api_live, NOTHING, 0, {NULL}},
    {{HTTP_GET, "/metrics"}, "metrics",
     api_metrics, NOTHING, 0, {NULL}},
    {{HTTP_HEAD, "/metrics"}, "metrics",
     api_metrics, NOTHING, 0, {NULL}},
};

const size_t api_route_count = ARRAY_SIZE(api_routes);
