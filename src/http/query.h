/* The query of a request: name=value pairs joined by &, percent-encoded, with + for a space. */
#ifndef WAYBILL_HTTP_QUERY_H
#define WAYBILL_HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"

#define HTTP_QUERY_MAX_PAIRS 16

struct http_query {
    size_t count;
    struct {
        const char *name;
        const char *value; /* "" if there is no = */
    } pairs[HTTP_QUERY_MAX_PAIRS];
    char *text; /* the decoded text, which names and values point into */
};

/*
 * Decodes a query. ERROR_PARAMETER if a pair is not percent-encoded UTF-8, a name occurs twice, or there are more than
 * HTTP_QUERY_MAX_PAIRS pairs. Call http_query_end even on failure.
 */
MUST_CHECK bool http_query_parse(struct http_query *query, const char *text, struct error *err);
void http_query_end(struct http_query *query);

/* Whether the text of a query has a parameter of this name, even if http_query_parse would refuse the text. */
bool http_query_mentions(const char *text, const char *name);

/* Returns the value of a parameter, or NULL. */
const char *http_query_find(const struct http_query *query, const char *name);

#endif
