/*
 * Checks a request in the order of the contract (route and method, identity, path and query parameters, grants, type
 * and size of the body), then runs its operation. A signature covers the body, so the body of a signed request is read
 * before the caller is known.
 */
#include <string.h>

#include "access/access.h"
#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "metrics/counters.h"

const struct fastcgi_whole api_whole = {
    .variable = "HTTP_AUTHORIZATION",
    .prefix = SIGNATURE_SCHEME,
    .max_body = API_MAX_BODY,
};

static const char *find_header(const void *context, const char *name)
{
    return http_request_header(context, name);
}

static struct credentials read_credentials(const struct http_request *request, const struct api_route *route,
                                           const struct link *link)
{
    return (struct credentials) {
        .authorization = http_request_header(request, "Authorization"),
        .token = http_request_header(request, "X-Auth-Token"),
        .link = link,
        .address = fastcgi_variable(request->exchange, "REMOTE_ADDR"),
        .request_id = request->id,
        .request = {
            .method = request->method_name,
            .path = request->path,
            .query = request->query,
            .header = find_header,
            .context = request,
            .reads_body = route->max_body > 0,
        },
    };
}

static bool begin_pause(void *exchange)
{
    return fastcgi_pause(exchange, FASTCGI_WAIT);
}

static void end_pause(void *exchange)
{
    fastcgi_resume(exchange, FASTCGI_WAIT);
}

/* Reads the body for a signature that covers it. No thread waits for it, because it has arrived (api_whole). */
static bool read_signed_body(struct http_request *request, const struct api_route *route,
                             struct credentials *credentials, struct error *err)
{
    if (!access_needs_body(credentials) || (route->max_body == 0 && !fastcgi_may_have_body(request->exchange)))
        return true;
    if (!http_request_read_body(request, route->max_body == 0 ? API_MAX_BODY : route->max_body, err))
        return false;
    credentials->body = request->body.data;
    credentials->body_length = request->body.length;
    return true;
}

static bool check_identity(struct api_call *call, const struct http_match *match, struct error *err)
{
    const struct api_route *route = (const struct api_route *) match->route;
    const struct access_pause pause = {.begin = begin_pause, .end = end_pause, .context = call->request->exchange};
    struct credentials credentials;
    struct api_link link;
    bool known;

    api_link_begin(&link, call->request, match);
    credentials = read_credentials(call->request, route, link.link);
    call->revocations = watches_revocations(call->api->watches);
    known = access_check(call->api->access, &credentials, err)
            && read_signed_body(call->request, route, &credentials, err)
            && access_identify(call->api->access, &credentials, &pause, &call->identity, err);
    api_link_end(&link);
    if (route->max_body == 0)
        http_request_discard_body(call->request);
    return known;
}

/* Decodes the segments of the path in place, and checks project_id. An invalid id needs no check: it finds no task. */
static bool check_path(struct api_call *call, struct http_match *match, struct error *err)
{
    size_t count = 0;

    for (size_t i = 0; i < HTTP_ROUTE_MAX_CAPTURES && match->captures[i] != NULL; i++) {
        char excerpt[TEXT_EXCERPT_SIZE];

        (void) http_path_excerpt(excerpt, match->captures[i]);
        if (!text_percent_decode(match->captures[i], false))
            return error_set(err, ERROR_PARAMETER, "%s must be percent-encoded UTF-8 without U+0000, got %s",
                             i == 0 ? "project_id" : "the id in the path", excerpt);
    }
    call->project_id = match->captures[0];
    call->id = match->captures[1];
    if (!text_utf8_count(call->project_id, strlen(call->project_id), &count) || count < 1 || count > 256)
        return error_set(err, ERROR_PARAMETER, "project_id must be 1 to 256 characters long, got %zu", count);
    return true;
}

static bool check_query(struct api_call *call, const struct api_route *route, struct error *err)
{
    const struct api_parameter *const *parameters = route->parameters;

    if (!http_query_parse(&call->query, call->request->query, err))
        return false;
    for (size_t i = 0; i < call->query.count; i++) {
        const char *name = call->query.pairs[i].name;
        char excerpt[TEXT_EXCERPT_SIZE];
        size_t k = 0;

        while (parameters[k] != NULL && strcmp(parameters[k]->name, name) != 0)
            k++;
        if (parameters[k] == NULL)
            return error_set(err, ERROR_PARAMETER, "unknown query parameter %s",
                             text_excerpt(excerpt, name, strlen(name)));
    }
    for (size_t k = 0; parameters[k] != NULL; k++) {
        const char *value = http_query_find(&call->query, parameters[k]->name);

        if (value == NULL)
            value = parameters[k]->default_value;
        if (value == api_required)
            return error_set(err, ERROR_PARAMETER, "%s is required in the query, got none", parameters[k]->name);
        if (value != NULL && !parameters[k]->parse(call, parameters[k]->name, value, err))
            return false;
    }
    return true;
}

static bool check_permissions(const struct api_call *call, const struct api_route *route, struct error *err)
{
    char needed[PERMISSIONS_SIZE], alternative[PERMISSIONS_SIZE], given[PERMISSIONS_SIZE];

    if (identity_has_permissions(&call->identity, route->permissions)
        || (route->alternative != 0 && identity_has_permissions(&call->identity, route->alternative)))
        return true;
    permissions_format(route->permissions, needed);
    permissions_format(route->alternative, alternative);
    permissions_format(call->identity.permissions, given);
    return error_set(err, ERROR_PERMISSION, "the caller's credentials must have the permissions for this operation,"
                     " %s%s%s, got %s", needed, *alternative == '\0' ? "" : " or ", alternative,
                     *given == '\0' ? "none" : given);
}

static bool check_grants(struct api_call *call, const struct api_route *route, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    if (!identity_may_use_project(&call->identity, call->project_id))
        return error_set(err, ERROR_PERMISSION, "project_id must be the project of the caller's credentials, got %s",
                         text_excerpt(excerpt, call->project_id, strlen(call->project_id)));
    return check_permissions(call, route, err)
           && api_check_enterprise_project(call, call->enterprise_project_id, err);
}

/* Checks the type of the body, and reads it unless a signature has required that. */
static bool check_body(struct api_call *call, const struct api_route *route, struct error *err)
{
    return route->max_body == 0
           || (http_request_is_json(call->request, err) && http_request_read_body(call->request, route->max_body, err));
}

static bool check_and_run(struct api_call *call, struct http_match *match, struct error *err)
{
    const struct api_route *route;

    if (fastcgi_is_oversized(call->request->exchange))
        return error_set(err, ERROR_HEADERS,
                         "the request must have at most %d headers and variables, and %d bytes in total, got more",
                         FASTCGI_MAX_VARIABLES, FASTCGI_MAX_BYTES);
    if (!http_match(match, api_routes, api_route_count, sizeof(api_routes[0]), call->request, err))
        return false;
    route = (const struct api_route *) match->route;
    if (route->permissions == 0)
        return check_query(call, route, err) && route->run(call, err);
    return check_identity(call, match, err)
           && check_path(call, match, err)
           && check_query(call, route, err)
           && check_grants(call, route, err)
           && check_body(call, route, err)
           && route->run(call, err);
}

static void log_request(const struct api_call *call, const char *operation, int64_t ms, bool sent)
{
    const struct error *err = &call->response->error;
    struct log_line line;

    log_begin(&line, call->response->status >= 500 ? LOG_ERROR : LOG_INFO, "request");
    log_text(&line, "request_id", call->request->id);
    log_text(&line, "operation", operation);
    log_text(&line, "project_id", call->project_id);
    log_text(&line, "task_id", *call->task_id == '\0' ? NULL : call->task_id);
    log_number(&line, "status", call->response->status);
    log_number(&line, "ms", ms);
    if (err->code != ERROR_NONE)
        log_error(&line, err);
    if (!sent)
        log_text(&line, "sent", "no");
    log_end(&line);
}

static void count_request(const struct api_call *call, const char *operation, int64_t ms)
{
    counters_begin();
    counters_add(1, "waybill_http_requests_total{operation=\"%s\",status=\"%d\"}", operation, call->response->status);
    counters_observe((double) ms / 1000, "waybill_http_request_duration_seconds", "operation", operation);
    counters_end();
}

void api_serve(void *context, struct fastcgi_exchange *exchange)
{
    struct http_response response;
    struct http_request request;
    struct http_match match = {0};
    struct api_call call = {.api = context, .request = &request, .response = &response};
    struct error err = {0};
    const char *operation;
    int64_t ms;
    bool sent;

    http_request_begin(&request, exchange);
    http_response_begin(&response);
    if (!check_and_run(&call, &match, &err)) {
        http_response_end(&response);
        http_response_begin(&response);
        if (err.code == ERROR_METHOD)
            http_response_header(&response, "Allow", "%s", match.allow);
        http_response_error(&response, &err, &request);
    }
    sent = http_response_send(&response, &request);
    operation = match.route == NULL ? "none" : ((const struct api_route *) match.route)->operation;
    ms = clock_monotonic_ms() - request.started;
    log_request(&call, operation, ms, sent);
    count_request(&call, operation, ms);

    http_query_end(&call.query);
    selection_free(call.selection);
    identity_clear(&call.identity);
    http_match_end(&match);
    http_response_end(&response);
    http_request_end(&request);
}
