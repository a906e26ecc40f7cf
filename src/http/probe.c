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
#include "http/record.h"

#define REQUEST_ID 1

/* FastCGI specification, sections 3.3 and 8. */
#define PROTOCOL_VERSION 1

enum record {
    END_REQUEST = 3,
    STDIN = 5,
    STDOUT = 6,
};

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
    static const char empty_body[RECORD_HEADER_SIZE] = {PROTOCOL_VERSION, STDIN, 0, REQUEST_ID};
    struct buffer variables = {0};

    add_variable(&variables, "GATEWAY_INTERFACE", "CGI/1.1");
    add_variable(&variables, "SERVER_PROTOCOL", "HTTP/1.1");
    add_variable(&variables, "REQUEST_METHOD", "GET");
    add_variable(&variables, "REQUEST_URI", path);
    add_variable(&variables, "REMOTE_ADDR", "127.0.0.1");
    record_append_head(out, REQUEST_ID, variables.data, variables.length);
    buffer_append(out, empty_body, sizeof(empty_body));
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
    unsigned char header[RECORD_HEADER_SIZE];
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
    struct probe probe = {.deadline = clock_monotonic_ms() + timeout_ms};
    struct buffer response = {0};
    int status = 0;

    probe.socket = fastcgi_connect(address, probe.deadline, err);
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
