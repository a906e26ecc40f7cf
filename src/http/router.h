/* Finds the row of a table of routes (api/routes.c) for a method and a path. */
#ifndef WAYBILL_HTTP_ROUTER_H
#define WAYBILL_HTTP_ROUTER_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/text.h"
#include "http/request.h"

#define HTTP_ROUTE_MAX_CAPTURES 2

/* The part of a route that the router uses. It must be the first member of a row of the table. */
struct http_route {
    enum http_method method;
    const char *path; /* /fixed/{captured}/segments, at most HTTP_ROUTE_MAX_CAPTURES; no captured segment is empty */
};

struct http_match {
    const struct http_route *route;
    char *captures[HTTP_ROUTE_MAX_CAPTURES]; /* percent-encoded */
    char allow[64]; /* for ERROR_METHOD: the methods of the path */
};

/*
 * Finds the row for a request among `count` rows of `row_size` bytes. The error is ERROR_NO_API or ERROR_METHOD. Call
 * http_match_end even on failure.
 */
MUST_CHECK bool http_match(struct http_match *match, const void *rows, size_t count, size_t row_size,
                           const struct http_request *request, struct error *err);
void http_match_end(struct http_match *match);

/*
 * Like text_excerpt, for a path or a captured segment that is not decoded. It ends before an encoded question mark:
 * what follows may be the query of a URL that was encoded as a whole, with the signature of a link.
 */
const char *http_path_excerpt(char out[TEXT_EXCERPT_SIZE], const char *path);

#endif
