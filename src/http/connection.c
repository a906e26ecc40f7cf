#include "http/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

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
    buffer_free(&connection->input);
    free(connection);
}

bool connection_is_silent(const struct connection *connection)
{
    return connection->records.phase == RECORD_PHASE_BEGIN && connection->records.header_length == 0;
}

static enum connection_news lose(struct connection *connection, const char *problem)
{
    connection->problem = problem;
    return CONNECTION_LOST;
}

/*
 * Receives once, without waiting. The socket itself stays a blocking one, as libfcgi needs it to write. What is read
 * with MSG_DONTWAIT does not depend on time, so that a process that was stopped still gets what has come meanwhile.
 */
static enum connection_news receive(struct connection *connection, char *data, size_t size, size_t *ret_got)
{
    ssize_t got;

    do
        got = recv(connection->socket, data, size, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return CONNECTION_QUIET;
    if (got <= 0)
        return lose(connection, got == 0 ? "closed by the other side" : "broken off");
    *ret_got = (size_t) got;
    return CONNECTION_NEWS;
}

/* Answers a management record. It is short: a web server that leaves no room for it does not read at all. */
static bool answer(struct connection *connection)
{
    struct buffer out = {0};
    bool sent;

    record_answer(&connection->records, &out);
    sent = send(connection->socket, out.data, out.length, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t) out.length;
    buffer_free(&out);
    return sent;
}

/* The head is complete; what is left of the piece comes after it. */
static enum connection_news end_head(struct connection *connection, const struct record_bytes *rest)
{
    int pairs;
    size_t whole = record_whole_params(buffer_text(&connection->params), connection->params.length, &pairs);

    if (pairs == RECORD_MAX_PAIRS && whole < connection->params.length)
        connection->is_oversized = true;
    if (whole < connection->params.length && !connection->is_oversized)
        return lose(connection, "a parameter longer than what is there");
    connection->params.length = whole;
    buffer_append(&connection->input, rest->data, rest->length);
    return CONNECTION_DONE;
}

/* Keeps content of PARAMS. False if there is no room for all of it. */
static bool keep_params(struct connection *connection, const struct record_bytes *content)
{
    size_t room = CONNECTION_MAX_PARAMS - connection->params.length;

    connection->is_oversized = content->length > room;
    buffer_append(&connection->params, content->data, connection->is_oversized ? room : content->length);
    return !connection->is_oversized;
}

static enum connection_news read_head(struct connection *connection, struct record_bytes piece)
{
    struct record_bytes content;

    for (;;) {
        switch (record_read(&connection->records, &piece, &content)) {
        case RECORD_NEEDS_MORE:
            return CONNECTION_NEWS;
        case RECORD_CONTENT:
            if (!keep_params(connection, &content))
                return end_head(connection, &piece);
            break;
        case RECORD_STREAM_END:
            return end_head(connection, &piece);
        case RECORD_MANAGEMENT:
            if (!answer(connection))
                return lose(connection, "no room for the answer to a management record");
            break;
        case RECORD_ABORT:
            return lose(connection, "given up by the web server");
        case RECORD_INVALID:
            return lose(connection, connection->records.problem);
        }
    }
}

enum connection_news connection_receive_head(struct connection *connection)
{
    char piece[CONNECTION_PIECE];
    size_t got = 0;
    enum connection_news news = receive(connection, piece, sizeof(piece), &got);

    return news == CONNECTION_NEWS ? read_head(connection, (struct record_bytes) {piece, got}) : news;
}

enum connection_news connection_receive(struct connection *connection)
{
    enum connection_news news;
    size_t got = 0;

    buffer_clear(&connection->input);
    connection->taken = 0;
    buffer_reserve(&connection->input, CONNECTION_PIECE);
    news = receive(connection, connection->input.data, CONNECTION_PIECE, &got);
    connection->input.length = got;
    if (news == CONNECTION_LOST)
        connection->records.phase = RECORD_PHASE_INVALID;
    return news;
}

bool connection_is_over(const struct connection *connection)
{
    return connection->records.phase == RECORD_PHASE_OVER || connection->records.phase == RECORD_PHASE_INVALID;
}

/* Up to `size` bytes, at least 1, of content that was received. Empty: receive more, or the request is over. */
static struct record_bytes next_content(struct connection *connection, size_t size)
{
    for (;;) {
        size_t rest = connection->input.length - connection->taken;
        const char *start = buffer_text(&connection->input) + connection->taken;
        struct record_bytes window = {start, rest < size ? rest : size};
        struct record_bytes content = {0};
        enum record_event event = record_read(&connection->records, &window, &content);

        connection->taken += (size_t) (window.data - start);
        if (event == RECORD_MANAGEMENT && !answer(connection))
            connection->records.phase = RECORD_PHASE_INVALID;
        if (event == RECORD_CONTENT || connection_is_over(connection))
            return content;
        if (event == RECORD_NEEDS_MORE && connection->taken == connection->input.length)
            return content;
    }
}

size_t connection_take(struct connection *connection, char *data, size_t size)
{
    struct record_bytes content = next_content(connection, size);

    if (content.length > 0)
        memcpy(data, content.data, content.length);
    return content.length;
}

bool connection_skip(struct connection *connection)
{
    while (next_content(connection, CONNECTION_PIECE).length > 0)
        continue;
    return connection_is_over(connection);
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
