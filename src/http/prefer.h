/* The Prefer header (RFC 7240), as far as this service honours it. */
#ifndef WAYBILL_HTTP_PREFER_H
#define WAYBILL_HTTP_PREFER_H

#include <stdbool.h>

#define HTTP_PREFER_MAX_WAIT 60 /* seconds; more counts as this */

struct http_prefer {
    int wait; /* seconds, -1 is no preference */
    bool respond_async;
};

/*
 * Reads a header's value; NULL is an absent header. Of a preference given twice the first counts, and one that
 * can't be read is ignored (RFC 7240 section 2).
 */
struct http_prefer http_prefer_parse(const char *value);

#endif
