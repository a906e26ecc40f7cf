/* Conditional and range requests for a file (RFC 9110 sections 13 and 14): which part of the file to send. */
#ifndef WAYBILL_HTTP_RANGE_H
#define WAYBILL_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

/* The headers of the request; NULL if absent. */
struct http_conditions {
    const char *if_none_match;
    const char *if_modified_since;
    const char *if_range;
    const char *range;
};

/* The requested file. */
struct http_representation {
    const char *etag;      /* strong, with its quotes */
    int64_t last_modified; /* milliseconds since 1970; compared in whole seconds */
    int64_t size;
};

enum http_selection {
    HTTP_SEND_ALL,        /* 200 */
    HTTP_SEND_PART,       /* 206 */
    HTTP_NOT_MODIFIED,    /* 304 */
    HTTP_NOT_SATISFIABLE, /* 416 */
};

/*
 * Evaluates the conditions and the range, in the order of RFC 9110 section 13.2.2. For HTTP_SEND_PART, *ret_first and
 * *ret_last are the offsets of the first and the last byte. A Range with several ranges, or an invalid one, is ignored.
 */
enum http_selection http_select(const struct http_conditions *conditions, const struct http_representation *file,
                                int64_t *ret_first, int64_t *ret_last);

#endif
