/* From method and path to a row of the table of routes, which the caller has (api/routes.c). */
#ifndef WAYBILL_HTTP_ROUTER_H
#define WAYBILL_HTTP_ROUTER_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "http/request.h"

#define HTTP_ROUTE_MAX_CAPTURES 2

/* The part of a route that the router knows; the first member of what the table's rows are. */
struct http_route {
    enum http_method method;
    const char *path; /* /fixed/{captured}/segments, at most HTTP_ROUTE_MAX_CAPTURES; a captured one is never empty */
};

struct http_match {
    const struct http_route *route;
    char *captures[HTTP_ROUTE_MAX_CAPTURES]; /* still percent-encoded */
    char allow[64]; /* for ERROR_METHOD: the methods that the path has */
};

/*
 * Finds the row for a request among `count` rows of `row_size` bytes. On failure the error is ERROR_NO_API or
 * ERROR_METHOD. End it with http_match_end in any case.
 */
MUST_CHECK bool http_match(struct http_match *match, const void *rows, size_t count, size_t row_size,
                           const struct http_request *request, struct error *err);
void http_match_end(struct http_match *match);

#endif
