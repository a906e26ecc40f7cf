#include "http/probe.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "http/listen.h"

/* FastCGI specification, sections 3.3 and 8. */
#define PROTOCOL_VERSION 1
#define HEADER_SIZE 8
#define REQUEST_ID 1
#define RESPONDER 1

enum record {
    BEGIN_REQUEST = 1,
    END_REQUEST = 3,
    PARAMS = 4,
    STDIN = 5,
    STDOUT = 6,
};

/* Appends a record with at most 65535 bytes of content. */
static void add_record(struct buffer *out, enum record type, const char *content, size_t length)
{
    const char header[HEADER_SIZE] = {
        PROTOCOL_VERSION, (char) type, 0, REQUEST_ID, (char) (length >> 8), (char) length, 0, 0,
    };

    buffer_append(out, header, sizeof(header));
    if (length > 0)
        buffer_append(out, content, length);
}

/* Appends a variable. Its name and its value must each have fewer than 128 bytes. */
static void add_variable(struct buffer *out, const char *name, const char *value)
{
    const char lengths[] = {(char) strlen(name), (char) strlen(value)};

    buffer_append(out, lengths, sizeof(lengths));
    buffer_append_text(out, name);
    buffer_append_text(out, value);
}

static void build_request(struct buffer *out, const char *path)
{
    static const char begin[HEADER_SIZE] = {0, RESPONDER}; /* no keep-alive */
    struct buffer variables = {0};

    add_variable(&variables, "GATEWAY_INTERFACE", "CGI/1.1");
    add_variable(&variables, "SERVER_PROTOCOL", "HTTP/1.1");
    add_variable(&variables, "REQUEST_METHOD", "GET");
    add_variable(&variables, "REQUEST_URI", path);
    add_variable(&variables, "REMOTE_ADDR", "127.0.0.1");
    add_record(out, BEGIN_REQUEST, begin, sizeof(begin));
    add_record(out, PARAMS, variables.data, variables.length);
    add_record(out, PARAMS, NULL, 0);
    add_record(out, STDIN, NULL, 0);
    buffer_free(&variables);
}

/* The connection to the process, and the deadline for its response. */
struct probe {
    int socket;
    int64_t deadline; /* monotonic */
};

/* Waits for the socket. Available data counts even after the deadline: this process may have been stopped meanwhile. */
static bool wait_for_probe(const struct probe *probe, short events)
{
    struct pollfd ready = {.fd = probe->socket, .events = events};
    int count;

    do
        count = poll(&ready, 1, clock_remaining_ms(probe->deadline));
    while (count < 0 && errno == EINTR);
    return count > 0;
}

static bool send_request(const struct probe *probe, const struct buffer *data)
{
    for (size_t at = 0; at < data->length;) {
        ssize_t sent;

        if (!wait_for_probe(probe, POLLOUT))
            return false;
        sent = send(probe->socket, data->data + at, data->length - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (sent <= 0)
            return false;
        at += (size_t) sent;
    }
    return true;
}

static bool receive_exactly(const struct probe *probe, char *data, size_t length)
{
    while (length > 0) {
        ssize_t got;

        if (!wait_for_probe(probe, POLLIN))
            return false;
        got = recv(probe->socket, data, length, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return false;
        data += got;
        length -= (size_t) got;
    }
    return true;
}

/* Appends the content of STDOUT, up to the end of the request. */
static bool receive_response(const struct probe *probe, struct buffer *out)
{
    char *content = memory_zeroed(1, UINT16_MAX + UINT8_MAX);
    unsigned char header[HEADER_SIZE];
    bool ended = false;

    while (!ended && receive_exactly(probe, (char *) header, sizeof(header)) && header[0] == PROTOCOL_VERSION) {
        size_t length = (size_t) header[4] << 8 | header[5];

        if (!receive_exactly(probe, content, length + header[6]))
            break;
        if (header[1] == STDOUT)
            buffer_append(out, content, length);
        ended = header[1] == END_REQUEST;
    }
    free(content);
    return ended;
}

/* Returns the status of a CGI response (RFC 3875 section 6.3.3), or 0. */
static int read_status(const char *response)
{
    static const char status[] = "Status: ";

    return strncmp(response, status, strlen(status)) == 0 ? atoi(response + strlen(status)) : 0;
}

static bool send_probe(const struct probe *probe, const char *path, struct buffer *response)
{
    struct buffer request = {0};
    bool received;

    build_request(&request, path);
    received = send_request(probe, &request) && receive_response(probe, response);
    buffer_free(&request);
    return received;
}

bool http_probe(const char *address, const char *path, int timeout_ms, int *ret_status, struct error *err)
{
    const struct probe probe = {fastcgi_connect(address, err), clock_monotonic_ms() + timeout_ms};
    struct buffer response = {0};
    int status = 0;

    if (probe.socket < 0)
        return false;
    if (send_probe(&probe, path, &response))
        status = read_status(buffer_text(&response));
    buffer_free(&response);
    close(probe.socket);
    if (status == 0)
        return error_set(err, ERROR_UNAVAILABLE, "no valid FastCGI response from %s", address);
    *ret_status = status;
    return true;
}
