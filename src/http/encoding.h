/* Which content coding a client accepts (RFC 9110 section 12.5.3). */
#ifndef WAYBILL_HTTP_ENCODING_H
#define WAYBILL_HTTP_ENCODING_H

#include <stdbool.h>

/*
 * Whether an Accept-Encoding header prefers gzip: gzip is accepted, and its weight is at least that of identity.
 * Returns false if there is no header (NULL). An element that cannot be parsed counts as not accepted.
 */
bool http_prefers_gzip(const char *accept_encoding);

#endif
