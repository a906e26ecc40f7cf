#include "http/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

struct connection *connection_new(int socket)
{
    struct connection *connection = memory_zeroed(1, sizeof(*connection));

    connection->socket = socket;
    return connection;
}

void connection_free(struct connection *connection)
{
    close(connection->socket);
    buffer_free(&connection->params);
    buffer_free(&connection->body);
    buffer_free(&connection->input);
    free(connection);
}

bool connection_is_silent(const struct connection *connection)
{
    return connection->records.phase == RECORD_PHASE_BEGIN && connection->records.header_length == 0;
}

static enum connection_result lose_connection(struct connection *connection, const char *problem)
{
    connection->problem = problem;
    return CONNECTION_LOST;
}

/*
 * Receives once, without waiting. The socket stays in blocking mode because libfcgi needs that to write. Unlike a
 * timeout, MSG_DONTWAIT does not depend on time, so a process that was stopped and continued still receives data that
 * arrived meanwhile.
 */
static enum connection_result receive_once(struct connection *connection, char *data, size_t size, size_t *ret_got)
{
    ssize_t got;

    do
        got = recv(connection->socket, data, size, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return CONNECTION_IDLE;
    if (got <= 0)
        return lose_connection(connection, got == 0 ? "closed by the peer" : "receive failed");
    *ret_got = (size_t) got;
    return CONNECTION_RECEIVED;
}

/* Responds to a management record. The response is short, so the send fails only if the web server does not read. */
static bool respond_to_management(struct connection *connection)
{
    struct buffer out = {0};
    bool sent;

    record_append_response(&connection->records, &out);
    sent = send(connection->socket, out.data, out.length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t) out.length;
    buffer_free(&out);
    return sent;
}

/* Checks the parameters of a complete head, and stores the received bytes that follow it. */
static enum connection_result end_head(struct connection *connection, const struct record_bytes *rest)
{
    int pairs;
    size_t whole = record_complete_params(buffer_text(&connection->params), connection->params.length, &pairs);

    if (pairs == RECORD_MAX_PAIRS && whole < connection->params.length)
        connection->is_oversized = true;
    if (whole < connection->params.length && !connection->is_oversized)
        return lose_connection(connection, "a parameter extends beyond the end of PARAMS");
    connection->params.length = whole;
    buffer_append(&connection->input, rest->data, rest->length);
    return CONNECTION_COMPLETE;
}

/* Stores content of PARAMS, cut to the size limit. Returns false if it was cut. */
static bool append_params(struct connection *connection, const struct record_bytes *content)
{
    size_t room = CONNECTION_MAX_PARAMS - connection->params.length;

    connection->is_oversized = content->length > room;
    buffer_append(&connection->params, content->data, connection->is_oversized ? room : content->length);
    return !connection->is_oversized;
}

static enum connection_result parse_head_records(struct connection *connection, struct record_bytes piece)
{
    struct record_bytes content;

    for (;;) {
        switch (record_read(&connection->records, &piece, &content)) {
        case RECORD_NEEDS_MORE:
            return CONNECTION_RECEIVED;
        case RECORD_CONTENT:
            if (!append_params(connection, &content))
                return end_head(connection, &piece);
            break;
        case RECORD_STREAM_END:
            return end_head(connection, &piece);
        case RECORD_MANAGEMENT:
            if (!respond_to_management(connection))
                return lose_connection(connection, "cannot send the response to a management record");
            break;
        case RECORD_ABORT:
            return lose_connection(connection, "aborted by the web server");
        case RECORD_INVALID:
            return lose_connection(connection, connection->records.problem);
        }
    }
}

static enum connection_result receive_head(struct connection *connection)
{
    char piece[CONNECTION_PIECE];
    size_t got = 0;
    enum connection_result result = receive_once(connection, piece, sizeof(piece), &got);

    return result == CONNECTION_RECEIVED ? parse_head_records(connection, (struct record_bytes) {piece, got}) : result;
}

size_t connection_held(const struct connection *connection)
{
    return connection->params.length + connection->body.length + connection->input.length;
}

enum connection_result connection_receive(struct connection *connection)
{
    enum connection_result result;
    size_t got = 0;

    buffer_clear(&connection->input);
    connection->consumed = 0;
    buffer_reserve(&connection->input, CONNECTION_PIECE);
    result = receive_once(connection, connection->input.data, CONNECTION_PIECE, &got);
    connection->input.length = got;
    if (result == CONNECTION_LOST)
        connection->records.phase = RECORD_PHASE_INVALID;
    return result;
}

bool connection_is_finished(const struct connection *connection)
{
    return connection->records.phase == RECORD_PHASE_FINISHED || connection->records.phase == RECORD_PHASE_INVALID;
}

/*
 * Returns 1 to `size` bytes of received content, or none if more must be received or the request has ended;
 * *ret_event tells which.
 */
static struct record_bytes next_content(struct connection *connection, size_t size, enum record_event *ret_event)
{
    for (;;) {
        size_t rest = connection->input.length - connection->consumed;
        const char *start = buffer_text(&connection->input) + connection->consumed;
        struct record_bytes window = {start, rest < size ? rest : size};
        struct record_bytes content = {0};
        enum record_event event = record_read(&connection->records, &window, &content);

        *ret_event = event;
        connection->consumed += (size_t) (window.data - start);
        if (event == RECORD_MANAGEMENT && !respond_to_management(connection))
            connection->records.phase = RECORD_PHASE_INVALID;
        if (event == RECORD_CONTENT || connection_is_finished(connection))
            return content;
        if (event == RECORD_NEEDS_MORE && connection->consumed == connection->input.length)
            return content;
    }
}

/* Moves received content to the body until it has the bytes that are wanted, or ends. */
static enum connection_result gather_body(struct connection *connection)
{
    while (connection->body.length < connection->wanted) {
        enum record_event event;
        struct record_bytes content = next_content(connection, connection->wanted - connection->body.length, &event);

        switch (event) {
        case RECORD_CONTENT:
            buffer_append(&connection->body, content.data, content.length);
            break;
        case RECORD_NEEDS_MORE:
            buffer_free(&connection->input); /* a slow connection must not hold a whole piece */
            connection->consumed = 0;
            return CONNECTION_RECEIVED;
        case RECORD_STREAM_END:
            return CONNECTION_COMPLETE;
        case RECORD_ABORT:
            return lose_connection(connection, "aborted by the web server");
        case RECORD_MANAGEMENT:
            return lose_connection(connection, "cannot send the response to a management record");
        case RECORD_INVALID:
            return lose_connection(connection, connection->records.problem);
        }
    }
    return CONNECTION_COMPLETE;
}

/*
 * Returns how many bytes of the body are received before a thread serves the request. They are as many as
 * http_request_read_body reads. A body that it rejects because of Content-Length need not be received.
 */
static size_t count_wanted(const struct connection *connection, const struct fastcgi_whole *whole)
{
    const struct buffer *params = &connection->params;
    size_t prefix = whole->variable == NULL ? 0 : strlen(whole->prefix);
    struct record_bytes value;
    int64_t announced;
    char digits[20];

    if (whole->variable == NULL || connection->is_oversized
        || !record_find_param(buffer_text(params), params->length, whole->variable, &value)
        || value.length < prefix || strncasecmp(value.data, whole->prefix, prefix) != 0)
        return 0;
    if (!record_find_param(buffer_text(params), params->length, "CONTENT_LENGTH", &value) || value.length == 0)
        return whole->max_body + 1;
    if (value.length >= sizeof(digits))
        return 0;
    memcpy(digits, value.data, value.length);
    digits[value.length] = '\0';
    return text_parse_digits(digits, 18, &announced) && announced <= (int64_t) whole->max_body ? (size_t) announced : 0;
}

enum connection_result connection_receive_request(struct connection *connection, const struct fastcgi_whole *whole)
{
    enum connection_result result;

    if (connection->has_head) {
        result = connection_receive(connection);
    } else {
        result = receive_head(connection);
        if (result == CONNECTION_COMPLETE) {
            connection->has_head = true;
            connection->wanted = count_wanted(connection, whole);
        }
    }
    return connection->has_head && (result == CONNECTION_RECEIVED || result == CONNECTION_COMPLETE)
           ? gather_body(connection) : result;
}

/* Copies 1 to `size` bytes of the body that was received before the request was served. */
static size_t take_body(struct connection *connection, char *data, size_t size)
{
    size_t rest = connection->body.length - connection->taken;
    size_t length = rest < size ? rest : size;

    memcpy(data, connection->body.data + connection->taken, length);
    connection->taken += length;
    if (length == rest) {
        buffer_free(&connection->body);
        connection->taken = 0;
    }
    return length;
}

size_t connection_take(struct connection *connection, char *data, size_t size)
{
    enum record_event event;
    struct record_bytes content;

    if (connection->body.length > 0)
        return take_body(connection, data, size);
    content = next_content(connection, size, &event);
    if (content.length > 0)
        memcpy(data, content.data, content.length);
    return content.length;
}

bool connection_skip(struct connection *connection)
{
    enum record_event event;

    while (next_content(connection, CONNECTION_PIECE, &event).length > 0)
        continue;
    return connection_is_finished(connection);
}

void connection_list_append(struct connection_list *list, struct connection *connection)
{
    connection->next = NULL;
    connection->previous = list->last;
    if (list->last == NULL)
        list->first = connection;
    else
        list->last->next = connection;
    list->last = connection;
    list->count++;
}

void connection_list_remove(struct connection_list *list, struct connection *connection)
{
    if (connection->previous == NULL)
        list->first = connection->next;
    else
        connection->previous->next = connection->next;
    if (connection->next == NULL)
        list->last = connection->previous;
    else
        connection->next->previous = connection->previous;
    list->count--;
}

struct connection *connection_list_take(struct connection_list *list)
{
    struct connection *first = list->first;

    if (first != NULL)
        connection_list_remove(list, first);
    return first;
}

void connection_list_free(struct connection_list *list)
{
    struct connection *connection;

    while ((connection = connection_list_take(list)) != NULL)
        connection_free(connection);
}
