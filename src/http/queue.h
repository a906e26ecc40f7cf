/*
 * The queue of requests with a complete head, from the intake thread to the threads that serve them. It also counts the
 * bytes that are held for all heads, complete or not, until a thread takes the request.
 */
#ifndef WAYBILL_HTTP_QUEUE_H
#define WAYBILL_HTTP_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "http/connection.h"

struct queue {
    int wake; /* the eventfd of the intake thread */
    pthread_mutex_t lock; /* for the rest */
    pthread_cond_t changed;
    struct connection_list ready;
    size_t held;
    int idle;        /* threads that wait for a request */
    bool wants_room; /* the intake waits for idle threads */
    bool has_ended;
};

void queue_begin(struct queue *queue, int wake);
void queue_free(struct queue *queue);

/* Updates the number of bytes that are held for the connection. */
void queue_account(struct queue *queue, struct connection *connection, size_t held);

/* Returns the number of bytes that are held for all heads. */
size_t queue_held(struct queue *queue);

/*
 * Whether the number of waiting threads exceeds the number of waiting requests. If not, the eventfd is
 * signalled once it does.
 */
bool queue_has_room(struct queue *queue);

/* Adds a request, and counts the bytes that are held for it. */
void queue_put(struct queue *queue, struct connection *connection);

/*
 * Removes a request and its count, after waiting for one if necessary. Returns NULL once the queue is empty and ended.
 */
struct connection *queue_take(struct queue *queue);

/* Marks the end of the queue: no more requests will be added. */
void queue_end(struct queue *queue);

#endif
