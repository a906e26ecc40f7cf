/* The table of routes compared with the contract: paths, methods, query parameters with their defaults and bounds. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/buffer.h"
#include "check.h"

static bool match(struct http_match *match, enum http_method method, const char *path, struct error *err)
{
    char copy[256];
    struct http_request request = {.method = method, .method_name = "LIST", .path = copy};

    strcpy(copy, path);
    return http_match(match, api_routes, api_route_count, sizeof(api_routes[0]), &request, err);
}

#define CREATE "/v5/{project_id}/container/export-task"
#define STATUS "/v5/{project_id}/export-task/{task_id}"
#define QUERY "/v5/{project_id}/export-task"
#define LIST "/v5/{project_id}/export-tasks"
#define CONTAINERS "/v5/{project_id}/container/kubernetes"
#define SCHEDULES "/v5/{project_id}/container/export-schedules"
#define SCHEDULE SCHEDULES "/{schedule_id}"
#define DOWNLOAD "/v5/{project_id}/download/{file_id}"

static const struct route_case {
    const char *label;
    enum http_method method;
    const char *path;
    const char *operation;
    api_operation run;
    const char *permissions; /* "" if no credentials are needed */
    size_t max_body;
    const char *parameters; /* name=default, name! if it is required, or name of each, separated by spaces */
} route_cases[] = {
    {"create", HTTP_POST, CREATE, "create", api_create, "create", 1048576,
     "enterprise_project_id=0 export_size=100000"},
    {"status", HTTP_GET, STATUS, "status", api_status, "read", 0, "enterprise_project_id"},
    {"status by query", HTTP_GET, QUERY, "status", api_status, "read", 0,
     "task_id! export_task_type enterprise_project_id"},
    {"remove", HTTP_DELETE, STATUS, "remove", api_remove, "create", 0, "enterprise_project_id"},
    {"list", HTTP_GET, LIST, "list", api_list, "read", 0, "enterprise_project_id limit=10 offset=0"},
    {"containers", HTTP_GET, CONTAINERS, "containers", api_containers, "read", 0,
     "enterprise_project_id=0 container_name= pod_name= image_name= cluster_container limit=10 offset=0"},
    {"download", HTTP_GET, DOWNLOAD, "download", api_download, "read", 0,
     "enterprise_project_id expires signature"},
    {"download, HEAD", HTTP_HEAD, DOWNLOAD, "download", api_download, "read", 0,
     "enterprise_project_id expires signature"},
    {"schedule create", HTTP_POST, SCHEDULES, "schedule_create", api_schedule_create, "schedule", 1048576, ""},
    {"schedule list", HTTP_GET, SCHEDULES, "schedule_list", api_schedule_list, "read or schedule", 0,
     "limit=10 offset=0"},
    {"schedule show", HTTP_GET, SCHEDULE, "schedule_show", api_schedule_show, "read or schedule", 0, ""},
    {"schedule replace", HTTP_PUT, SCHEDULE, "schedule_replace", api_schedule_replace, "schedule", 1048576, ""},
    {"schedule remove", HTTP_DELETE, SCHEDULE, "schedule_remove", api_schedule_remove, "schedule", 0, ""},
    {"schedule run", HTTP_POST, SCHEDULE "/run", "schedule_run", api_schedule_run, "create,schedule", 0, ""},
    {"schedule runs", HTTP_GET, SCHEDULE "/runs", "schedule_runs", api_schedule_runs, "read or schedule", 0,
     "limit=10 offset=0"},
    {"schedule latest", HTTP_GET, SCHEDULE "/latest", "schedule_latest", api_schedule_latest, "read", 0,
     "enterprise_project_id"},
    {"schedule latest, HEAD", HTTP_HEAD, SCHEDULE "/latest", "schedule_latest", api_schedule_latest, "read", 0,
     "enterprise_project_id"},
    {"health", HTTP_GET, "/healthz", "health", api_ready, "", 0, ""},
    {"health, HEAD", HTTP_HEAD, "/healthz", "health", api_ready, "", 0, ""},
    {"ready", HTTP_GET, "/healthz/ready", "health", api_ready, "", 0, ""},
    {"ready, HEAD", HTTP_HEAD, "/healthz/ready", "health", api_ready, "", 0, ""},
    {"live", HTTP_GET, "/healthz/live", "health", api_live, "", 0, ""},
    {"live, HEAD", HTTP_HEAD, "/healthz/live", "health", api_live, "", 0, ""},
    {"metrics", HTTP_GET, "/metrics", "metrics", api_metrics, "", 0, ""},
    {"metrics, HEAD", HTTP_HEAD, "/metrics", "metrics", api_metrics, "", 0, ""},
};

static void check_permissions(const struct api_route *route, const char *expected)
{
    char text[PERMISSIONS_SIZE], alternative[PERMISSIONS_SIZE], both[2 * PERMISSIONS_SIZE + 8];

    permissions_format(route->permissions, text);
    permissions_format(route->alternative, alternative);
    snprintf(both, sizeof(both), "%s%s%s", text, route->alternative == 0 ? "" : " or ", alternative);
    assert_string_equal(both, expected);
}

static void routes(const void *row)
{
    const struct route_case *c = row;
    const struct api_route *route;
    struct buffer parameters = {0};
    struct http_match found;
    struct error err;

    check_good(match(&found, c->method, c->path, &err), &err);
    route = (const struct api_route *) (const void *) found.route;
    assert_string_equal(route->http.path, c->path);
    assert_true(route->run == c->run);
    check_permissions(route, c->permissions);
    assert_int_equal(route->max_body, c->max_body);
    for (size_t i = 0; route->parameters[i] != NULL; i++) {
        const struct api_parameter *parameter = route->parameters[i];

        buffer_printf(&parameters, "%s%s", i == 0 ? "" : " ", parameter->name);
        if (parameter->default_value == api_required)
            buffer_append_text(&parameters, "!");
        else if (parameter->default_value != NULL)
            buffer_printf(&parameters, "=%s", parameter->default_value);
    }
    assert_string_equal(buffer_text(&parameters), c->parameters);
    assert_string_equal(route->operation, c->operation);
    buffer_free(&parameters);
    http_match_end(&found);
}

static void there_are_no_other_routes(void)
{
    assert_int_equal(api_route_count, ARRAY_SIZE(route_cases));
}

/* All routes of the API need credentials, the others take no body, and all parameters fit in a row. */
static void every_route_needs_credentials(void)
{
    for (size_t i = 0; i < api_route_count; i++) {
        size_t count = 0;

        assert_int_equal(api_routes[i].permissions != 0, strncmp(api_routes[i].http.path, "/v5/", 4) == 0);
        assert_true(api_routes[i].permissions != 0 || api_routes[i].max_body == 0);
        while (count < API_MAX_PARAMETERS && api_routes[i].parameters[count] != NULL)
            count++;
        assert_true(count < API_MAX_PARAMETERS);
    }
}

static const struct allow_case {
    const char *path;
    enum http_method method;
    const char *allow; /* NULL: no such API */
} allow_cases[] = {
    {"/v5/p/container/export-task", HTTP_GET, "POST"},
    {"/v5/p/container/export-task", HTTP_OTHER, "POST"},
    {"/v5/p/download/f", HTTP_POST, "GET, HEAD"},
    {"/v5/p/download/f", HTTP_OTHER, "GET, HEAD"},
    {"/v5/p/download/f", HTTP_DELETE, "GET, HEAD"},
    {"/v5/p/container/export-task", HTTP_DELETE, "POST"},
    {"/v5/p/export-task/t", HTTP_POST, "GET, DELETE"},
    {"/v5/p/export-task/t", HTTP_HEAD, "GET, DELETE"},
    {"/v5/p/export-task/t", HTTP_OTHER, "GET, DELETE"},
    {"/v5/p/export-tasks", HTTP_DELETE, "GET"},
    {"/v5/p/export-tasks", HTTP_POST, "GET"},
    {"/v5/p/export-tasks", HTTP_HEAD, "GET"},
    {"/v5/p/container/kubernetes", HTTP_POST, "GET"},
    {"/v5/p/container/kubernetes", HTTP_HEAD, "GET"},
    {"/v5/p/container/export-schedules", HTTP_PUT, "POST, GET"},
    {"/v5/p/container/export-schedules", HTTP_HEAD, "POST, GET"},
    {"/v5/p/container/export-schedules/s", HTTP_POST, "GET, PUT, DELETE"},
    {"/v5/p/container/export-schedules/s/run", HTTP_GET, "POST"},
    {"/v5/p/container/export-schedules/s/runs", HTTP_POST, "GET"},
    {"/v5/p/container/export-schedules/s/latest", HTTP_DELETE, "GET, HEAD"},
    {"/v5/p/container/export-schedules/", HTTP_GET, NULL},
    {"/v5/p/container/export-schedules//run", HTTP_POST, NULL},
    {"/v5/p/container/export-schedules/s/", HTTP_GET, NULL},
    {"/v5/p/container/export-schedules/s/run/", HTTP_POST, NULL},
    {"/v5/p/container/export-schedules/s/pause", HTTP_POST, NULL},
    {"/v5//container/export-schedules", HTTP_GET, NULL},
    {"/v5/p/export-schedules", HTTP_GET, NULL},
    {"/healthz", HTTP_POST, "GET, HEAD"},
    {"/healthz/ready", HTTP_DELETE, "GET, HEAD"},
    {"/healthz/live", HTTP_OTHER, "GET, HEAD"},
    {"/metrics", HTTP_POST, "GET, HEAD"},
    {"/", HTTP_GET, NULL},
    {"/v5/p/container/export-task/", HTTP_POST, NULL},
    {"/v5//container/export-task", HTTP_POST, NULL},
    {"/v5/p/export-task/", HTTP_GET, NULL},
    {"/v5/p/q/export-task/t", HTTP_GET, NULL},
    {"/v5/p/download", HTTP_GET, NULL},
    {"/v5/p/container/export-tasks", HTTP_POST, NULL},
    {"/v4/p/export-task/t", HTTP_GET, NULL},
    {"/v5/p/export-tasks/", HTTP_GET, NULL},
    {"/v5/p/export-tasks/t", HTTP_GET, NULL},
    {"/v5//export-tasks", HTTP_GET, NULL},
    {"/v5/p/export-task", HTTP_POST, "GET"},
    {"/v5/p/export-task", HTTP_DELETE, "GET"},
    {"/v5/p/export-task", HTTP_HEAD, "GET"},
    {"/v5/p/export-task/", HTTP_DELETE, NULL},
    {"/healthz/", HTTP_GET, NULL},
    {"/healthz/alive", HTTP_GET, NULL},
    {"/healthz/live/", HTTP_GET, NULL},
    {"/metrics/", HTTP_GET, NULL},
    {"/v5/p/metrics", HTTP_GET, NULL},
};

static void no_routes(const void *row)
{
    const struct allow_case *c = row;
    struct http_match found;
    struct error err;

    assert_false(match(&found, c->method, c->path, &err));
    check_refusal(&err, c->allow == NULL ? ERROR_NO_API : ERROR_METHOD, "");
    assert_string_equal(found.allow, c->allow == NULL ? "" : c->allow);
    http_match_end(&found);
}

/* Returns the parameter of this name of the route with this operation. */
static const struct api_parameter *parameter_of(api_operation run, const char *name)
{
    for (size_t i = 0; i < api_route_count; i++) {
        for (size_t k = 0; api_routes[i].run == run && api_routes[i].parameters[k] != NULL; k++) {
            if (strcmp(api_routes[i].parameters[k]->name, name) == 0)
                return api_routes[i].parameters[k];
        }
    }
    check_fail("no parameter %s", name);
}

static bool parse(const struct api_parameter *parameter, struct api_call *call, const char *value, struct error *err)
{
    return parameter->parse(call, parameter->name, value, err);
}

static const struct text_case {
    const char *name;
    size_t max;
} text_cases[] = {{"task_id", 64}, {"export_task_type", 256}};

/* The texts of the status by query. Only task_id is stored. */
static void status_texts(const void *row)
{
    const struct text_case *c = row;
    const struct api_parameter *parameter = parameter_of(api_status, c->name);
    struct buffer value = {0};

    for (size_t length = 0; length <= c->max + 1; length++) {
        struct api_call call = {0};
        struct error err;
        bool good = parse(parameter, &call, buffer_text(&value), &err);

        assert_int_equal(good, length >= 1 && length <= c->max);
        if (!good)
            check_refusal(&err, ERROR_PARAMETER, c->name);
        else if (parameter->default_value == api_required)
            assert_string_equal(call.id, buffer_text(&value));
        else
            assert_null(call.id);
        buffer_append_text(&value, "\xE5\xAE\xB9");
    }
    buffer_free(&value);
}

static const struct size_case {
    const char *value;
    int size; /* 0: refused */
} size_cases[] = {
    {"1", 1}, {"2", 2}, {"10", 10}, {"99999", 99999}, {"100000", 100000}, {"000001", 1}, {"0", 0}, {"000000", 0},
    {"100001", 0}, {"999999", 0}, {"0000001", 0}, {"1000000", 0}, {"4294967297", 0}, {"18446744073709551617", 0},
    {"", 0}, {" 1", 0}, {"1 ", 0}, {"+1", 0}, {"-1", 0}, {"1.0", 0}, {"1e3", 0}, {"0x10", 0}, {"ten", 0}, {"1,000", 0},
    {"\xD9\xA1", 0}, {"all", 0},
};

static void export_sizes(const void *row)
{
    const struct size_case *c = row;
    struct api_call call = {0};
    char excerpt[TEXT_EXCERPT_SIZE];
    struct error err;

    if (c->size > 0) {
        check_good(parse(parameter_of(api_create, "export_size"), &call, c->value, &err), &err);
        assert_int_equal(call.export_size, c->size);
        return;
    }
    assert_false(parse(parameter_of(api_create, "export_size"), &call, c->value, &err));
    check_refusal(&err, ERROR_PARAMETER, "export_size must be an integer from 1 to 100000");
    check_refusal(&err, ERROR_PARAMETER, text_excerpt(excerpt, c->value, strlen(c->value)));
}

static const struct page_case {
    const char *name;
    const char *value;
    int number; /* -1: refused */
} page_cases[] = {
    {"limit", "1", 1}, {"limit", "10", 10}, {"limit", "199", 199}, {"limit", "200", 200}, {"limit", "0200", 200},
    {"limit", "000000001", 1}, {"limit", "0", -1}, {"limit", "201", -1}, {"limit", "1000", -1},
    {"limit", "0000000001", -1}, {"limit", "4294967297", -1}, {"limit", "18446744073709551617", -1},
    {"limit", "", -1}, {"limit", " 1", -1}, {"limit", "1 ", -1}, {"limit", "+1", -1}, {"limit", "-1", -1},
    {"limit", "1.0", -1}, {"limit", "1e2", -1}, {"limit", "0x10", -1}, {"limit", "all", -1}, {"limit", "\xD9\xA1", -1},
    {"offset", "0", 0}, {"offset", "00", 0}, {"offset", "1", 1}, {"offset", "1999999", 1999999},
    {"offset", "2000000", 2000000}, {"offset", "2000001", -1}, {"offset", "999999999", -1},
    {"offset", "4294967296", -1}, {"offset", "18446744073709551616", -1}, {"offset", "", -1}, {"offset", " 0", -1},
    {"offset", "-1", -1}, {"offset", "+0", -1}, {"offset", "0.0", -1}, {"offset", "1e6", -1}, {"offset", "next", -1},
};

/* limit and offset of a list: each sets its own member, and not the other one. */
static void pages(const void *row)
{
    const struct page_case *c = row;
    bool is_limit = strcmp(c->name, "limit") == 0;
    const struct api_parameter *parameter = parameter_of(api_list, c->name);
    struct api_call call = {.limit = -7, .offset = -7};
    char excerpt[TEXT_EXCERPT_SIZE];
    struct error err;

    if (c->number >= 0) {
        check_good(parse(parameter, &call, c->value, &err), &err);
        assert_int_equal(call.limit, is_limit ? c->number : -7);
        assert_int_equal(call.offset, is_limit ? -7 : c->number);
        return;
    }
    assert_false(parse(parameter, &call, c->value, &err));
    check_refusal(&err, ERROR_PARAMETER, is_limit ? "limit must be an integer from 1 to 200"
                                                  : "offset must be an integer from 0 to 2000000");
    check_refusal(&err, ERROR_PARAMETER, text_excerpt(excerpt, c->value, strlen(c->value)));
}

/* The list of containers has a larger minimum. */
static void limits_of_containers(void)
{
    static const struct {
        const char *value;
        int limit; /* -1: refused */
    } cases[] = {{"10", 10}, {"11", 11}, {"200", 200}, {"9", -1}, {"0", -1}, {"201", -1}, {"", -1}, {"x", -1}};
    const struct api_parameter *parameter = parameter_of(api_containers, "limit");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct api_call call = {0};
        struct error err;

        if (cases[i].limit >= 0) {
            check_good(parse(parameter, &call, cases[i].value, &err), &err);
            assert_int_equal(call.limit, cases[i].limit);
        } else {
            assert_false(parse(parameter, &call, cases[i].value, &err));
            check_refusal(&err, ERROR_PARAMETER, "limit must be an integer from 10 to 200");
        }
    }
}

/* A name filter has at most 128 characters. It becomes a filter of the selection, which has all columns. */
static void name_filters(const void *row)
{
    const char *name = *(const char *const *) row;
    const struct api_parameter *parameter = parameter_of(api_containers, name);
    struct api_call call = {0};
    struct buffer value = {0};
    struct error err;

    for (int i = 0; i < 128; i++)
        buffer_append_text(&value, "\xE5\xAE\xB9");
    check_good(parse(parameter, &call, buffer_text(&value), &err), &err);
    assert_int_equal(call.selection->header_count, COLUMN_COUNT);
    assert_string_equal(call.selection->filters[filter_find(name) - filters].text, buffer_text(&value));
    selection_free(call.selection);
    call.selection = NULL;

    buffer_append_text(&value, "x");
    assert_false(parse(parameter, &call, buffer_text(&value), &err));
    check_refusal(&err, ERROR_PARAMETER, name);
    check_refusal(&err, ERROR_PARAMETER, "must be a string of 0 to 128 characters, got 129 characters");
    selection_free(call.selection);
    buffer_free(&value);
}

static const char *const filtered_names[] = {"container_name", "pod_name", "image_name"};

/* The defaults pass their own checks. */
static void defaults_are_good(void)
{
    for (size_t i = 0; i < api_route_count; i++) {
        for (size_t k = 0; api_routes[i].parameters[k] != NULL; k++) {
            const struct api_parameter *parameter = api_routes[i].parameters[k];
            struct api_call call = {0};
            struct error err;

            if (parameter->default_value != NULL && parameter->default_value != api_required)
                check_good(parse(parameter, &call, parameter->default_value, &err), &err);
            selection_free(call.selection);
        }
    }
}

/* Whether a route takes enterprise_project_id. */
static bool takes_enterprise_project(const struct route_case *route)
{
    return strstr(route->parameters, "enterprise_project_id") != NULL;
}

/* 1 to 256 characters of 1 to 4 bytes, for every route that takes the parameter. */
static void enterprise_project_ids(const void *row)
{
    const struct route_case *route = row;
    static const char *const units[] = {"e", "\xC3\xA9", "\xE5\xAE\xB9", "\xF0\x9F\x98\x80"};
    static const size_t lengths[] = {0, 1, 255, 256, 257};

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(lengths); k++) {
            struct api_call call = {0};
            struct buffer value = {0};
            struct error err;
            bool good;

            for (size_t n = 0; n < lengths[k]; n++)
                buffer_append_text(&value, units[i]);
            good = parse(parameter_of(route->run, "enterprise_project_id"), &call, buffer_text(&value), &err);
            if (lengths[k] == 0 || lengths[k] > 256) {
                assert_false(good);
                check_refusal(&err, ERROR_PARAMETER, "enterprise_project_id must be 1 to 256 characters long");
            } else {
                check_good(good, &err);
                assert_string_equal(call.enterprise_project_id, buffer_text(&value));
            }
            buffer_free(&value);
        }
    }
}

static const struct limit_case {
    const char *given; /* NULL: absent */
    const char *limit; /* NULL: all that are granted */
} limit_cases[] = {
    {"0", "0"}, {"ep-a", "ep-a"}, {"all_granted_eps", NULL}, {"ALL_GRANTED_EPS", "ALL_GRANTED_EPS"},
    {"all_granted_eps ", "all_granted_eps "}, {"all_granted_ep", "all_granted_ep"}, {"all", "all"}, {"*", "*"},
    {NULL, NULL},
};

/* The call keeps the word of the request, and the layers below get NULL for it. */
static void limits_to_an_enterprise_project(const void *row)
{
    const struct limit_case *c = row;
    struct api_call call = {0};
    struct error err;

    if (c->given != NULL) {
        check_good(parse(parameter_of(api_create, "enterprise_project_id"), &call, c->given, &err), &err);
        assert_string_equal(call.enterprise_project_id, c->given);
    }
    if (c->limit == NULL)
        assert_null(api_enterprise_project(&call));
    else
        assert_string_equal(api_enterprise_project(&call), c->limit);
}

int main(void)
{
    CHECK_EACH(routes, route_cases, label);
    CHECK(there_are_no_other_routes);
    CHECK(every_route_needs_credentials);
    CHECK_EACH(no_routes, allow_cases, path);
    CHECK_EACH(status_texts, text_cases, name);
    CHECK_EACH(export_sizes, size_cases, value);
    CHECK_EACH(pages, page_cases, value);
    CHECK(limits_of_containers);
    for (size_t i = 0; i < ARRAY_SIZE(filtered_names); i++)
        check_add("name_filters", filtered_names[i], name_filters, &filtered_names[i]);
    CHECK(defaults_are_good);
    CHECK_EACH(limits_to_an_enterprise_project, limit_cases, given);
    for (size_t i = 0; i < ARRAY_SIZE(route_cases); i++) {
        if (takes_enterprise_project(&route_cases[i]))
            check_add("enterprise_project_ids", route_cases[i].label, enterprise_project_ids, &route_cases[i]);
    }
    return check_run("api/routes");
}
