#include "http/request.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/memory.h"

static const char *const method_names[] = {
    [HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD", [HTTP_POST] = "POST", [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE",
    [HTTP_OTHER] = "",
};

const char *http_method_name(enum http_method method)
{
    return method_names[method];
}

static enum http_method parse_method(const char *name)
{
    for (size_t i = 0; i < HTTP_OTHER; i++) {
        if (strcmp(name, method_names[i]) == 0)
            return (enum http_method) i;
    }
    return HTTP_OTHER;
}

/* REQUEST_URI is the target as sent. A client may send it with scheme and host (RFC 9112 section 3.2.2). */
static const char *request_target(struct fastcgi_exchange *exchange)
{
    const char *target = fastcgi_variable(exchange, "REQUEST_URI");
    const char *host;

    if (target == NULL)
        return "";
    if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0) {
        host = strstr(target, "://") + 3;
        return host + strcspn(host, "/?");
    }
    return target;
}

void http_request_begin(struct http_request *request, struct fastcgi_exchange *exchange)
{
    const char *method_name = fastcgi_variable(exchange, "REQUEST_METHOD");
    const char *target = request_target(exchange);
    size_t path_length = strcspn(target, "?");

    *request = (struct http_request) {
        .exchange = exchange,
        .method_name = method_name == NULL ? "" : method_name,
        .path = memory_copy_bytes(target, path_length),
        .query = memory_copy_text(target[path_length] == '?' ? target + path_length + 1 : ""),
        .started = clock_monotonic_ms(),
    };
    request->method = parse_method(request->method_name);
    random_uuid(request->id);
}

void http_request_end(struct http_request *request)
{
    free(request->path);
    free(request->query);
    http_request_discard_body(request);
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    char variable[64] = "HTTP_";
    size_t length = strlen(variable);

    if (strcasecmp(name, "Content-Type") == 0 || strcasecmp(name, "Content-Length") == 0)
        length = 0; /* these two have no prefix (RFC 3875 section 4.1) */
    if (length + strlen(name) >= sizeof(variable))
        return NULL;
    for (; *name != '\0'; name++)
        variable[length++] = *name == '-' ? '_' : (char) toupper((unsigned char) *name);
    variable[length] = '\0';
    return fastcgi_variable(request->exchange, variable);
}

bool http_request_is_from_server(const struct http_request *request, const char *server)
{
    const char *software = fastcgi_variable(request->exchange, "SERVER_SOFTWARE"); /* name/version */
    size_t length = strlen(server);

    return software != NULL && strncasecmp(software, server, length) == 0
           && (software[length] == '\0' || software[length] == '/');
}

/* Whether the parameters of a media type, from the first `;` on, have a charset other than UTF-8. */
static bool has_other_charset(const char *parameters)
{
    const char *charset = strcasestr(parameters, "charset=");

    if (charset == NULL)
        return false;
    charset += strlen("charset=");
    if (*charset == '"')
        charset++;
    return strncasecmp(charset, "utf-8", 5) != 0 || strchr("\" \t;", charset[5]) == NULL;
}

bool http_request_is_json(const struct http_request *request, struct error *err)
{
    static const char json[] = "application/json";
    const char *type = http_request_header(request, "Content-Type");
    char excerpt[TEXT_EXCERPT_SIZE];
    const char *rest;

    if (type == NULL || *type == '\0')
        return true;
    rest = type + strlen(json);
    if (strncasecmp(type, json, strlen(json)) == 0) {
        rest += strspn(rest, " \t");
        if (*rest == '\0' || (*rest == ';' && !has_other_charset(rest)))
            return true;
    }
    return error_set(err, ERROR_MEDIA_TYPE, "Content-Type must be %s in UTF-8, got %s", json,
                     text_excerpt(excerpt, type, strlen(type)));
}

bool http_request_read_body(struct http_request *request, size_t limit, struct error *err)
{
    struct buffer *body = &request->body;
    const char *text = http_request_header(request, "Content-Length");
    int64_t announced = -1; /* unknown if the web server passes on a chunked body */
    char excerpt[TEXT_EXCERPT_SIZE];
    size_t wanted;
    ssize_t got;

    if (request->has_body) {
        assert(body->data != NULL); /* not discarded */
        return true;
    }
    if (text != NULL && *text != '\0' && !text_parse_digits(text, 18, &announced))
        return error_set(err, ERROR_BODY, "Content-Length must be a number of at most 18 digits, got %s",
                         text_excerpt(excerpt, text, strlen(text)));
    if (announced > (int64_t) limit)
        return error_set(err, ERROR_TOO_LARGE, "the body must be at most %zu bytes, got %" PRId64, limit, announced);

    /*
     * Read no further than Content-Length (RFC 3875 section 4.2), or one byte beyond the limit to detect a long body.
     */
    wanted = announced >= 0 ? (size_t) announced : limit + 1;
    do {
        size_t room = wanted - body->length < 64 * 1024 ? wanted - body->length : 64 * 1024;

        buffer_reserve(body, room);
        got = fastcgi_read(request->exchange, body->data + body->length, room);
        if (got < 0)
            return error_set(err, ERROR_UNAVAILABLE,
                             "the service is busy: too many clients are sending bodies or reading responses slowly;"
                             " try again later");
        body->length += (size_t) got;
    } while (got > 0 && body->length < wanted);
    body->data[body->length] = '\0';

    if (body->length > limit)
        return error_set(err, ERROR_TOO_LARGE, "the body must be at most %zu bytes, got more", limit);
    if (announced >= 0 && (int64_t) body->length < announced)
        return error_set(err, ERROR_BODY,
                         "the body must have the length stated in Content-Length, %" PRId64 " bytes, got %zu",
                         announced, body->length);
    request->has_body = true;
    return true;
}

void http_request_discard_body(struct http_request *request)
{
    buffer_free(&request->body);
}
