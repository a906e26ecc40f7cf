/* An HTTP request, as the web server passes it on. */
#ifndef WAYBILL_HTTP_REQUEST_H
#define WAYBILL_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/text.h"
#include "http/fastcgi.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OTHER, /* not used by any route */
};

struct http_request {
    struct fastcgi_exchange *exchange;
    char id[TEXT_UUID_LENGTH + 1]; /* in the response, the log and the task */
    enum http_method method;
    const char *method_name; /* as sent by the client; "" if absent */
    char *path;   /* percent-encoded, as sent by the client */
    char *query;  /* likewise, without the ?; "" if absent */
    int64_t started; /* monotonic */
    struct buffer body; /* empty until http_request_read_body */
    bool has_body;      /* the body has been read, and possibly discarded */
};

/* Reads everything but the body. */
void http_request_begin(struct http_request *request, struct fastcgi_exchange *exchange);

/* Frees what the request holds, including the body. */
void http_request_end(struct http_request *request);

/* Returns the name of a method, "" for HTTP_OTHER. */
const char *http_method_name(enum http_method method);

/*
 * Returns a header by its name, such as "Prefer", or NULL. A name has at most 58 characters. The web server joins
 * repeated headers with commas.
 */
const char *http_request_header(const struct http_request *request, const char *name);

/* Whether the web server has this name, such as "Apache" (RFC 3875 section 4.1.17). */
bool http_request_is_from_server(const struct http_request *request, const char *server);

/* Checks that Content-Type is JSON. A missing Content-Type is accepted. Fails with ERROR_MEDIA_TYPE. */
MUST_CHECK bool http_request_is_json(const struct http_request *request, struct error *err);

/*
 * Reads the body, of at most `limit` bytes, into request->body, with a NUL after it. Once the body has been read, a
 * further call returns true at once. Fails with ERROR_TOO_LARGE if the body is larger, ERROR_BODY if it is shorter than
 * its Content-Length or if that header is invalid, and ERROR_UNAVAILABLE if the body does not arrive at once and the
 * thread must not pause to wait for it (fastcgi_read).
 */
MUST_CHECK bool http_request_read_body(struct http_request *request, size_t limit, struct error *err);

/* Frees the memory of the body. The body must not be read again. */
void http_request_discard_body(struct http_request *request);

#endif
