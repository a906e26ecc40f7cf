/*
 * Requests whose heads are complete, on their way from the intake's thread to those that serve; and the sum of what is
 * held for heads that none of them has taken.
 */
#ifndef WAYBILL_HTTP_QUEUE_H
#define WAYBILL_HTTP_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "http/connection.h"

struct queue {
    int wake; /* an eventfd of the intake's thread */
    pthread_mutex_t lock; /* for the rest */
    pthread_cond_t changed;
    struct connection_list ready;
    size_t held;
    int idle;        /* threads that wait here */
    bool wants_room; /* the intake waits for idle threads */
    bool has_ended;
};

void queue_begin(struct queue *queue, int wake);
void queue_free(struct queue *queue);

/* Counts what is held for the connection now instead of what was held before. */
void queue_account(struct queue *queue, struct connection *connection, size_t held);

/* The bytes that are held for all heads. */
size_t queue_held(struct queue *queue);

/* Whether more threads wait than requests do. If not, the next thread that comes to wait adds to the eventfd. */
bool queue_has_room(struct queue *queue);

/* Adds a request, and counts what is held for it. */
void queue_put(struct queue *queue, struct connection *connection);

/* Waits for a request; it counts no more. NULL once the queue has ended and is empty. */
struct connection *queue_take(struct queue *queue);

/* No more requests come. */
void queue_end(struct queue *queue);

#endif
