#include "http/router.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Whether the path matches the pattern. */
static bool path_fits(const char *pattern, const char *path)
{
    while (*pattern != '\0') {
        if (*pattern == '{') {
            size_t length = strcspn(path, "/");

            if (length == 0)
                return false;
            path += length;
            pattern = strchr(pattern, '}') + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

/* Copies the captured segments of a path that matches. */
static void capture(struct http_match *match, const char *pattern, const char *path)
{
    size_t count = 0;

    while (*pattern != '\0') {
        if (*pattern == '{') {
            size_t length = strcspn(path, "/");

            assert(count < HTTP_ROUTE_MAX_CAPTURES);
            match->captures[count++] = memory_copy_bytes(path, length);
            path += length;
            pattern = strchr(pattern, '}') + 1;
        } else {
            pattern++;
            path++;
        }
    }
}

const char *http_path_excerpt(char out[TEXT_EXCERPT_SIZE], const char *path)
{
    const char *mark = strcasestr(path, "%3F");

    return text_excerpt(out, path, mark == NULL ? strlen(path) : (size_t) (mark - path));
}

bool http_match(struct http_match *match, const void *rows, size_t count, size_t row_size,
                const struct http_request *request, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    *match = (struct http_match) {0};
    for (size_t i = 0; i < count; i++) {
        const struct http_route *route = (const void *) ((const char *) rows + i * row_size);
        size_t used = strlen(match->allow);

        if (!path_fits(route->path, request->path))
            continue;
        if (route->method == request->method) {
            match->route = route;
            capture(match, route->path, request->path);
            return true;
        }
        snprintf(match->allow + used, sizeof(match->allow) - used, "%s%s", used == 0 ? "" : ", ",
                 http_method_name(route->method));
    }
    if (match->allow[0] != '\0')
        return error_set(err, ERROR_METHOD, "the method for this path must be one of %s, got %s", match->allow,
                         text_excerpt(excerpt, request->method_name, strlen(request->method_name)));
    return error_set(err, ERROR_NO_API, "there is no API at the path %s",
                     http_path_excerpt(excerpt, request->path));
}

void http_match_end(struct http_match *match)
{
    for (size_t i = 0; i < HTTP_ROUTE_MAX_CAPTURES; i++)
        free(match->captures[i]);
    *match = (struct http_match) {0};
}
