/*
 * A connection of a web server and the request on it, as far as it has come. Nothing here waits. One thread at a time
 * uses a connection: the intake's until the head is complete, then the one that serves the request, then the intake's
 * again if more of the body may come.
 */
#ifndef WAYBILL_HTTP_CONNECTION_H
#define WAYBILL_HTTP_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "http/record.h"

#define CONNECTION_MAX_PARAMS (512 * 1024) /* bytes of a request's parameters */
#define CONNECTION_PIECE (16 * 1024 - 1)   /* bytes that are received at once; a buffer's NUL makes it even */

enum connection_news {
    CONNECTION_QUIET, /* nothing has come */
    CONNECTION_NEWS,  /* something has come, more must come */
    CONNECTION_DONE,  /* what was to come is complete */
    CONNECTION_LOST,  /* the other side has closed the connection, or sent what is no such request */
};

struct connection {
    int socket;
    struct record_reader records;
    struct buffer params; /* the content of PARAMS so far */
    bool is_oversized;    /* PARAMS is too much: `params` is what could be kept, and the head counts as complete */
    struct buffer input;  /* received, and not taken apart from `taken` on */
    size_t taken;
    const char *problem;  /* why the connection is lost, for the log */

    /* The intake's. */
    struct connection *previous, *next;
    int64_t deadline;
    size_t held;      /* bytes that count towards the intake's limit */
    bool is_answered; /* its rest is drained */
    size_t drained;   /* bytes received since the answer */
};

/* Connections, each in at most one list at a time. */
struct connection_list {
    struct connection *first, *last;
    int count;
};

/* A connection on this socket, which becomes its own. Free it with connection_free, which closes the socket. */
struct connection *connection_new(int socket) __attribute__((malloc, returns_nonnull));
void connection_free(struct connection *connection);

/* Whether nothing has come yet. */
bool connection_is_silent(const struct connection *connection);

/* Receives once, for the head. CONNECTION_DONE: the head is complete, and `params` is whole pairs. */
MUST_CHECK enum connection_news connection_receive_head(struct connection *connection);

/* Receives once, after the head. Never CONNECTION_DONE. Call it only when connection_take has returned 0. */
MUST_CHECK enum connection_news connection_receive(struct connection *connection);

/* Takes up to `size` bytes, at least 1, of the body from what was received. 0: receive more, or the body is over. */
size_t connection_take(struct connection *connection, char *data, size_t size);

/* Whether the request has come to its end: nothing of it is to be received any more. */
bool connection_is_over(const struct connection *connection);

/* Drops what was received of the rest of the request. True if the request has come to its end. */
bool connection_skip(struct connection *connection);

void connection_list_append(struct connection_list *list, struct connection *connection);
void connection_list_remove(struct connection_list *list, struct connection *connection);

/* Removes the first; NULL if there is none. */
struct connection *connection_list_take(struct connection_list *list);

/* Frees all, and leaves it empty. */
void connection_list_free(struct connection_list *list);

#endif
