/* An answer in the making, and its way to the web server. */
#ifndef WAYBILL_HTTP_RESPONSE_H
#define WAYBILL_HTTP_RESPONSE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "http/request.h"

struct http_response {
    int status;
    struct buffer headers; /* complete lines */
    struct buffer body;
    int file; /* a descriptor to send `length` bytes of from `offset`; -1: the body above is sent */
    int64_t offset;
    int64_t length;
    bool offloaded; /* the web server sends the body, and says how long it is */
    struct error error; /* for the log, where the answer is an error */
};

void http_response_begin(struct http_response *response);

/* Closes the file and frees the rest. */
void http_response_end(struct http_response *response);

/* Adds a header. The value must have no control characters: it is ours, or checked. */
void http_response_header(struct http_response *response, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);

/* Makes it an answer of text of this media type. The body's bytes are moved into the response. */
void http_response_text(struct http_response *response, int status, const char *type, struct buffer *body);

/* Makes it an answer of this JSON value, which it frees. */
void http_response_json(struct http_response *response, int status, struct json_object *value);

/* Makes it the answer that an error gets: {"error_code","error_msg","request_id"}. */
void http_response_error(struct http_response *response, const struct error *err, const struct http_request *request);

/* The same, as members added to those that `value` has; it is freed. */
void http_response_error_with(struct http_response *response, const struct error *err,
                              const struct http_request *request, struct json_object *value);

/* Makes it an answer of a part of a file. The descriptor becomes the response's. */
void http_response_file(struct http_response *response, int status, int file, int64_t offset, int64_t length);

/* Has the web server send the file instead: `header` names it by a directory and a file. */
void http_response_offload(struct http_response *response, const char *header, const char *directory,
                           const char *file);

/* Sends it, without the body for HEAD. False if the web server is gone or the file can't be read. */
MUST_CHECK bool http_response_send(struct http_response *response, const struct http_request *request);

#endif
