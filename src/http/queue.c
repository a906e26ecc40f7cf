#include "http/queue.h"

#include <sys/eventfd.h>

void queue_begin(struct queue *queue, int wake)
{
    *queue = (struct queue) {.wake = wake};
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
}

void queue_free(struct queue *queue)
{
    connection_list_free(&queue->ready);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
}

static void account_locked(struct queue *queue, struct connection *connection, size_t held)
{
    queue->held += held - connection->held;
    connection->held = held;
}

void queue_account(struct queue *queue, struct connection *connection, size_t held)
{
    if (held == connection->held)
        return;
    pthread_mutex_lock(&queue->lock);
    account_locked(queue, connection, held);
    pthread_mutex_unlock(&queue->lock);
}

size_t queue_held(struct queue *queue)
{
    size_t held;

    pthread_mutex_lock(&queue->lock);
    held = queue->held;
    pthread_mutex_unlock(&queue->lock);
    return held;
}

bool queue_has_room(struct queue *queue)
{
    bool room;

    pthread_mutex_lock(&queue->lock);
    room = queue->idle > queue->ready.count;
    queue->wants_room = !room;
    pthread_mutex_unlock(&queue->lock);
    return room;
}

void queue_put(struct queue *queue, struct connection *connection)
{
    pthread_mutex_lock(&queue->lock);
    account_locked(queue, connection, connection_held(connection));
    connection_list_append(&queue->ready, connection);
    pthread_mutex_unlock(&queue->lock);
    pthread_cond_signal(&queue->changed); /* after the unlock, because the thread that wakes up locks first */
}

struct connection *queue_take(struct queue *queue)
{
    struct connection *connection;

    pthread_mutex_lock(&queue->lock);
    queue->idle++;
    if (queue->wants_room && queue->idle > queue->ready.count) {
        queue->wants_room = false;
        (void) eventfd_write(queue->wake, 1);
    }
    while (queue->ready.first == NULL && !queue->has_ended)
        pthread_cond_wait(&queue->changed, &queue->lock);
    queue->idle--;
    connection = connection_list_take(&queue->ready);
    if (connection != NULL)
        account_locked(queue, connection, 0);
    pthread_mutex_unlock(&queue->lock);
    return connection;
}

void queue_end(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->has_ended = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}
