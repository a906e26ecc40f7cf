/*
 * A connection from a web server, and the part of its request that has been received. No function here waits. One
 * thread at a time uses a connection: the intake thread until the head is complete, and the body too if it is to be
 * received first; then the thread that serves the request; then the intake thread again if more of the body may arrive.
 * The head of a request consists of all its parameters, that is, its headers and CGI variables.
 */
#ifndef WAYBILL_HTTP_CONNECTION_H
#define WAYBILL_HTTP_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "http/fastcgi.h"
#include "http/record.h"

#define CONNECTION_MAX_PARAMS (512 * 1024) /* bytes of a head */
#define CONNECTION_PIECE (16 * 1024 - 1)   /* maximum bytes received at once; with the NUL, a power of two */

enum connection_result {
    CONNECTION_IDLE,     /* nothing was received */
    CONNECTION_RECEIVED, /* something was received; of a request, more must follow */
    CONNECTION_COMPLETE, /* a thread can serve the request */
    CONNECTION_LOST,     /* the peer closed the connection or sent an invalid request, or receiving failed */
};

struct connection {
    int socket;
    struct record_reader records;
    struct buffer params; /* the content of PARAMS received so far */
    bool is_oversized;    /* PARAMS exceeds a limit: `params` is cut, and the head counts as complete */
    bool has_head;        /* PARAMS is complete, or oversized */
    size_t wanted;        /* bytes of the body to receive before a thread serves the request, unless it ends earlier */
    struct buffer body;   /* these bytes; those from `taken` on are not read yet */
    size_t taken;
    struct buffer input;  /* received bytes; those from `consumed` on are not parsed yet */
    size_t consumed;
    const char *problem;  /* why the connection is lost, for the log */

    /* For the intake and its queue. */
    struct connection *previous, *next;
    int64_t deadline;
    size_t held;      /* bytes that count towards the limit of the intake */
    bool is_draining; /* the rest of the request is received and discarded */
    size_t drained;   /* bytes received since the response */
};

/* A list of connections. A connection is in at most one list at a time. */
struct connection_list {
    struct connection *first, *last;
    int count;
};

/* Takes over the socket. Free the connection with connection_free, which closes the socket. */
struct connection *connection_new(int socket) __attribute__((malloc, returns_nonnull));
void connection_free(struct connection *connection);

/* Whether no record of a request has begun to arrive. Complete management records do not count. */
bool connection_is_silent(const struct connection *connection);

/*
 * Receives once. CONNECTION_COMPLETE: a thread can serve the request, because its head is complete, and its body too if
 * the rule applies. `params` then contains only complete pairs.
 */
MUST_CHECK enum connection_result connection_receive_request(struct connection *connection,
                                                             const struct fastcgi_whole *whole);

/* Returns the number of bytes in memory that the peer has sent. */
size_t connection_held(const struct connection *connection);

/* Receives once, after the head. Never CONNECTION_COMPLETE. Call it only when connection_take has returned 0. */
MUST_CHECK enum connection_result connection_receive(struct connection *connection);

/* Copies 1 to `size` received bytes of the body. Returns 0 when more must be received, or at the end of the body. */
size_t connection_take(struct connection *connection, char *data, size_t size);

/* Whether the request has ended: nothing of it is left to receive. */
bool connection_is_finished(const struct connection *connection);

/* Discards the received bytes of the rest of the request. Returns true if the request has ended. */
bool connection_skip(struct connection *connection);

void connection_list_append(struct connection_list *list, struct connection *connection);
void connection_list_remove(struct connection_list *list, struct connection *connection);

/* Removes and returns the first connection, or NULL. */
struct connection *connection_list_take(struct connection_list *list);

/* Frees all connections of the list, which is empty afterwards. */
void connection_list_free(struct connection_list *list);

#endif
