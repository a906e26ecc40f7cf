#include "http/probe.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "http/fastcgi.h"

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

/* A record with up to 65535 bytes. */
static void add_record(struct buffer *out, enum record type, const char *content, size_t length)
{
    const char header[HEADER_SIZE] = {
        PROTOCOL_VERSION, (char) type, 0, REQUEST_ID, (char) (length >> 8), (char) length, 0, 0,
    };

    buffer_append(out, header, sizeof(header));
    if (length > 0)
        buffer_append(out, content, length);
}

/* A variable whose name and value have less than 128 bytes each. */
static void add_variable(struct buffer *out, const char *name, const char *value)
{
    const char lengths[] = {(char) strlen(name), (char) strlen(value)};

    buffer_append(out, lengths, sizeof(lengths));
    buffer_append_text(out, name);
    buffer_append_text(out, value);
}

static void make_request(struct buffer *out, const char *path)
{
    static const char begin[HEADER_SIZE] = {0, RESPONDER}; /* the connection need not stay */
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

static bool send_all(int socket, const struct buffer *data)
{
    for (size_t at = 0; at < data->length;) {
        ssize_t sent = send(socket, data->data + at, data->length - at, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += (size_t) sent;
    }
    return true;
}

static bool receive(int socket, char *data, size_t length)
{
    while (length > 0) {
        ssize_t got = recv(socket, data, length, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        data += got;
        length -= (size_t) got;
    }
    return true;
}

/* Appends what the request writes to standard output, up to its end. */
static bool receive_answer(int socket, struct buffer *out)
{
    static char content[UINT16_MAX + UINT8_MAX];
    unsigned char header[HEADER_SIZE];

    for (;;) {
        size_t length;

        if (!receive(socket, (char *) header, sizeof(header)) || header[0] != PROTOCOL_VERSION)
            return false;
        length = (size_t) header[4] << 8 | header[5];
        if (!receive(socket, content, length + header[6]))
            return false;
        if (header[1] == END_REQUEST)
            return true;
        if (header[1] == STDOUT)
            buffer_append(out, content, length);
    }
}

/* The status of a CGI answer (RFC 3875 section 6.3.3); 0 if it is none. */
static int read_status(const char *answer)
{
    static const char status[] = "Status: ";

    return strncmp(answer, status, strlen(status)) == 0 ? atoi(answer + strlen(status)) : 0;
}

static bool ask(int socket, const char *path, struct buffer *answer)
{
    struct buffer request = {0};
    bool answered;

    make_request(&request, path);
    answered = send_all(socket, &request) && receive_answer(socket, answer);
    buffer_free(&request);
    return answered;
}

bool http_probe(const char *address, const char *path, int timeout_ms, int *ret_status, struct error *err)
{
    const struct timeval timeout = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    int socket = fastcgi_connect(address, err);
    struct buffer answer = {0};
    int status = 0;

    if (socket < 0)
        return false;
    if (setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0
        && setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0
        && ask(socket, path, &answer))
        status = read_status(buffer_text(&answer));
    buffer_free(&answer);
    close(socket);
    if (status == 0)
        return error_set(err, ERROR_UNAVAILABLE, "%s gives no answer in FastCGI", address);
    *ret_status = status;
    return true;
}
