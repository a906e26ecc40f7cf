/* Conditional and range requests for a file (RFC 9110 sections 13 and 14): what part of it to send, if any. */
#ifndef WAYBILL_HTTP_RANGE_H
#define WAYBILL_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

/* The request's headers; NULL where there is none. */
struct http_conditions {
    const char *if_none_match;
    const char *if_modified_since;
    const char *if_range;
    const char *range;
};

/* The file that was asked for. */
struct http_representation {
    const char *etag;      /* strong, in its quotes */
    int64_t last_modified; /* milliseconds since 1970; its dates have whole seconds */
    int64_t size;
};

enum http_selection {
    HTTP_SEND_ALL,        /* 200 */
    HTTP_SEND_PART,       /* 206 */
    HTTP_NOT_MODIFIED,    /* 304 */
    HTTP_NOT_SATISFIABLE, /* 416 */
};

/*
 * Decides, in the order of RFC 9110 section 13.2.2. For HTTP_SEND_PART, *ret_first and *ret_last are the first and
 * the last byte. One range is honoured; several, or one that can't be read, get the whole file.
 */
enum http_selection http_select(const struct http_conditions *conditions, const struct http_representation *file,
                                int64_t *ret_first, int64_t *ret_last);

#endif
