#include "http/deadlines.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/memory.h"

struct deadlines {
    pthread_t thread;
    pthread_mutex_t lock; /* for the rest */
    pthread_cond_t changed;
    struct deadline set; /* the head of the ring of deadlines that are set */
    int64_t watched;     /* when the thread wakes up without a signal; INT64_MAX: never */
    bool stopping;
};

/* Shuts down connections whose deadline has passed. Returns the next deadline, or INT64_MAX. */
static int64_t shut_down_expired(struct deadlines *deadlines)
{
    int64_t now = clock_monotonic_ms();
    int64_t next = INT64_MAX;

    for (struct deadline *deadline = deadlines->set.next; deadline != &deadlines->set; deadline = deadline->next) {
        if (deadline->end <= now) {
            (void) shutdown(deadline->socket, SHUT_RDWR);
            deadline->end = INT64_MAX; /* shut it down only once */
        } else if (deadline->end < next) {
            next = deadline->end;
        }
    }
    return next;
}

static void *deadlines_main(void *argument)
{
    struct deadlines *deadlines = argument;

    pthread_mutex_lock(&deadlines->lock);
    while (!deadlines->stopping) {
        deadlines->watched = shut_down_expired(deadlines);
        if (deadlines->watched == INT64_MAX) {
            pthread_cond_wait(&deadlines->changed, &deadlines->lock);
        } else {
            struct timespec until = clock_timespec_after(clock_remaining_ms(deadlines->watched));

            (void) pthread_cond_timedwait(&deadlines->changed, &deadlines->lock, &until);
        }
    }
    pthread_mutex_unlock(&deadlines->lock);
    return NULL;
}

static void free_deadlines(struct deadlines *deadlines)
{
    pthread_cond_destroy(&deadlines->changed);
    pthread_mutex_destroy(&deadlines->lock);
    free(deadlines);
}

struct deadlines *deadlines_start(void)
{
    struct deadlines *deadlines = memory_zeroed(1, sizeof(*deadlines));

    pthread_mutex_init(&deadlines->lock, NULL);
    clock_init_condition(&deadlines->changed);
    deadlines->set.previous = deadlines->set.next = &deadlines->set;
    deadlines->watched = INT64_MAX;
    if (pthread_create(&deadlines->thread, NULL, deadlines_main, deadlines) == 0)
        return deadlines;
    free_deadlines(deadlines);
    return NULL;
}

void deadlines_stop(struct deadlines *deadlines)
{
    if (deadlines == NULL)
        return;
    pthread_mutex_lock(&deadlines->lock);
    deadlines->stopping = true;
    pthread_cond_signal(&deadlines->changed);
    pthread_mutex_unlock(&deadlines->lock);
    pthread_join(deadlines->thread, NULL);
    free_deadlines(deadlines);
}

void deadline_set(struct deadlines *deadlines, struct deadline *deadline, int socket, int64_t end)
{
    deadline->socket = socket;
    deadline->end = end;

    pthread_mutex_lock(&deadlines->lock);
    deadline->previous = deadlines->set.previous;
    deadline->next = &deadlines->set;
    deadline->previous->next = deadline->next->previous = deadline;
    if (deadline->end < deadlines->watched)
        pthread_cond_signal(&deadlines->changed);
    pthread_mutex_unlock(&deadlines->lock);
}

void deadline_clear(struct deadlines *deadlines, struct deadline *deadline)
{
    pthread_mutex_lock(&deadlines->lock);
    deadline->previous->next = deadline->next;
    deadline->next->previous = deadline->previous;
    pthread_mutex_unlock(&deadlines->lock);
}
