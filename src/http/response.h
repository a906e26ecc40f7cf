/* Builds a response and sends it to the web server. */
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
    int file; /* a descriptor, of which `length` bytes from `offset` are sent; -1: `body` is sent */
    int64_t offset;
    int64_t length;
    bool offloaded; /* the web server sends the body and its Content-Length */
    bool is_secret; /* no cache may store it (RFC 9111 section 5.2.2.5) */
    struct error error; /* for the log, if the response is an error */
};

void http_response_begin(struct http_response *response);

/* Closes the file and frees the rest. */
void http_response_end(struct http_response *response);

/* Adds a header. The caller ensures that the value has no control characters. */
void http_response_header(struct http_response *response, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);

/* Sets a body of this media type. The bytes of `body` are moved into the response. */
void http_response_text(struct http_response *response, int status, const char *type, struct buffer *body);

/* Sets a JSON value as the body, and frees the value. */
void http_response_json(struct http_response *response, int status, struct json_object *value);

/* Sets the response of an error: {"error_code","error_msg","request_id"}. */
void http_response_error(struct http_response *response, const struct error *err, const struct http_request *request);

/* The same; the members are added to `value`, which is freed. */
void http_response_error_with(struct http_response *response, const struct error *err,
                              const struct http_request *request, struct json_object *value);

/* Sets a part of a file as the body. The response takes over the descriptor. */
void http_response_file(struct http_response *response, int status, int file, int64_t offset, int64_t length);

/* Lets the web server send the file: the header contains the path of the file in the directory. */
void http_response_offload(struct http_response *response, const char *header, const char *directory,
                           const char *file);

/* Sends the response, without the body for HEAD. Returns false if the connection or the file fails. */
MUST_CHECK bool http_response_send(struct http_response *response, const struct http_request *request);

#endif
