#include "http/response.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/memory.h"

#define CHUNK (128 * 1024)
#define SMALL (64 * 1024)        /* size of a body that fits into the buffer of the socket */
#define MIN_RATE (16 * 1024)     /* bytes per second; a client that reads more slowly is disconnected */
#define EXTRA_MS 60000           /* added to the time limit that follows from MIN_RATE */

void http_response_begin(struct http_response *response)
{
    *response = (struct http_response) {.status = 200, .file = -1};
}

static void drop_file(struct http_response *response)
{
    if (response->file >= 0)
        close(response->file);
    response->file = -1;
}

void http_response_end(struct http_response *response)
{
    drop_file(response);
    buffer_free(&response->headers);
    buffer_free(&response->body);
}

void http_response_header(struct http_response *response, const char *name, const char *format, ...)
{
    va_list arguments;

    buffer_printf(&response->headers, "%s: ", name);
    va_start(arguments, format);
    buffer_vprintf(&response->headers, format, arguments);
    va_end(arguments);
    buffer_append_text(&response->headers, "\r\n");
}

void http_response_text(struct http_response *response, int status, const char *type, struct buffer *body)
{
    drop_file(response);
    response->status = status;
    buffer_free(&response->body);
    response->body = *body;
    response->length = (int64_t) body->length;
    *body = (struct buffer) {0};
    http_response_header(response, "Content-Type", "%s", type);
}

void http_response_json(struct http_response *response, int status, struct json_object *value)
{
    struct buffer body = {0};
    size_t length = 0;
    const char *text = json_object_to_json_string_length(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
                                                         &length);

    buffer_append(&body, text, length);
    http_response_text(response, status, "application/json", &body);
    json_object_put(value);
}

void http_response_error(struct http_response *response, const struct error *err, const struct http_request *request)
{
    http_response_error_with(response, err, request, json_object_new_object());
}

void http_response_error_with(struct http_response *response, const struct error *err,
                              const struct http_request *request, struct json_object *value)
{
    const struct error_info *info = error_info(err->code);
    int retry_after = err->retry_after > 0 ? err->retry_after : info->retry_after;

    json_add_text(value, "error_code", info->api_code);
    json_add_text(value, "error_msg", err->message);
    json_add_text(value, "request_id", request->id);
    if (retry_after > 0)
        http_response_header(response, "Retry-After", "%d", retry_after);
    http_response_json(response, info->http_status, value);
    response->error = *err;
}

void http_response_file(struct http_response *response, int status, int file, int64_t offset, int64_t length)
{
    response->status = status;
    response->file = file;
    response->offset = offset;
    response->length = length;
}

void http_response_offload(struct http_response *response, const char *header, const char *directory,
                           const char *file)
{
    drop_file(response);
    response->offloaded = true;
    http_response_header(response, header, "%s%s%s", directory, directory[strlen(directory) - 1] == '/' ? "" : "/",
                         file);
}

static bool send_file(struct http_response *response, struct fastcgi_exchange *exchange)
{
    char *chunk = memory_zeroed(1, CHUNK);
    int64_t left = response->length;
    off_t at = response->offset;

    while (left > 0) {
        size_t wanted = left < CHUNK ? (size_t) left : CHUNK;
        ssize_t got = pread(response->file, chunk, wanted, at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || !fastcgi_write(exchange, chunk, (size_t) got))
            break;
        left -= got;
        at += got;
    }
    free(chunk);
    return left == 0;
}

static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

static bool sends_body(const struct http_response *response, const struct http_request *request)
{
    return request->method != HTTP_HEAD && !response->offloaded && !has_no_body(response->status);
}

static bool send_response(struct http_response *response, const struct http_request *request)
{
    struct fastcgi_exchange *exchange = request->exchange;
    struct buffer head = {0};
    bool sent;

    buffer_printf(&head, "Status: %d\r\n%sX-Request-Id: %s\r\n", response->status, buffer_text(&response->headers),
                  request->id);
    if (response->is_secret)
        buffer_append_text(&head, "Cache-Control: no-store\r\n");
    if (!has_no_body(response->status) && !response->offloaded)
        buffer_printf(&head, "Content-Length: %" PRId64 "\r\n", response->length);
    buffer_append_text(&head, "\r\n");
    sent = fastcgi_write(exchange, head.data, head.length);
    buffer_free(&head);

    if (!sent || !sends_body(response, request))
        return sent;
    if (response->file >= 0)
        return send_file(response, exchange);
    return fastcgi_write(exchange, buffer_text(&response->body), response->body.length);
}

/* Replaces the response with an error: too many clients are reading responses. */
static void replace_with_busy_error(struct http_response *response, const struct http_request *request)
{
    struct error err;

    http_response_end(response);
    http_response_begin(response);
    error_set(&err, ERROR_UNAVAILABLE,
              "the service is busy: too many clients are sending bodies or reading responses slowly; try again later");
    http_response_error(response, &err, request);
}

bool http_response_send(struct http_response *response, const struct http_request *request)
{
    struct fastcgi_exchange *exchange = request->exchange;
    bool is_large = sends_body(response, request) && response->length > SMALL;

    /*
     * The pause lasts until libfcgi has also written the end of the response, because a slow client can block that
     * write too.
     */
    if (is_large && !fastcgi_pause(exchange, FASTCGI_TRANSFER))
        replace_with_busy_error(response, request);
    fastcgi_set_time_limit(exchange, EXTRA_MS + response->length * 1000 / MIN_RATE);
    return send_response(response, request);
}
