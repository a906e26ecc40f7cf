/* The Prefer header (RFC 7240): the preferences that this service honours. */
#ifndef WAYBILL_HTTP_PREFER_H
#define WAYBILL_HTTP_PREFER_H

#include <stdbool.h>

#define HTTP_PREFER_MAX_WAIT 60 /* seconds; larger values are reduced to this */

struct http_prefer {
    int wait; /* seconds; -1 if the preference is absent */
    bool respond_async;
};

/*
 * Parses the value of the header; NULL means that there is no header. The first of duplicate preferences counts. An
 * invalid preference is ignored (RFC 7240 section 2).
 */
struct http_prefer http_prefer_parse(const char *value);

#endif
