/* Which content coding a caller takes (RFC 9110 section 12.5.3). */
#ifndef WAYBILL_HTTP_ENCODING_H
#define WAYBILL_HTTP_ENCODING_H

#include <stdbool.h>

/*
 * Whether an Accept-Encoding header has gzip take the place of what is not compressed: it is accepted, and no less
 * welcome. NULL, no header, is no. An element that can't be read is one that the caller does not take.
 */
bool http_prefers_gzip(const char *accept_encoding);

#endif
