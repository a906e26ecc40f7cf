#include "http/crew.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

#define THREAD_STACK (512 * 1024)

struct thread {
    struct crew *crew;
    pthread_t id;
    int memory;
    struct thread *next; /* among those that are over */
};

struct crew {
    struct intake *intake;
    crew_serve serve;
    void *context;
    int wanted; /* threads that serve */
    int may_pause[CREW_REASONS];

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t ended;
    int threads; /* all that are not over */
    int paused[CREW_REASONS];
    struct thread *over; /* to be joined */
    bool is_closed;
};

struct crew *crew_new(struct intake *intake, int wanted, const int may_pause[CREW_REASONS], crew_serve serve,
                      void *context)
{
    struct crew *crew = memory_zeroed(1, sizeof(*crew));

    *crew = (struct crew) {.intake = intake, .serve = serve, .context = context, .wanted = wanted};
    for (int reason = 0; reason < CREW_REASONS; reason++)
        crew->may_pause[reason] = may_pause[reason];
    pthread_mutex_init(&crew->lock, NULL);
    clock_init_condition(&crew->ended);
    return crew;
}

/* Of the threads, those that serve. */
static int serving(const struct crew *crew)
{
    return crew->threads - crew->paused[FASTCGI_WAIT] - crew->paused[FASTCGI_TRANSFER];
}

/* A file in memory; -1 if there can be none. */
static int make_memory(void)
{
    return memfd_create("waybill request", MFD_CLOEXEC);
}

/*
 * Takes the calling thread off the count if there are more than should be, or in any case. To decide and to count is
 * one step: else two threads could leave where one is too many.
 */
static bool leave(struct thread *thread, bool in_any_case)
{
    struct crew *crew = thread->crew;
    bool leaves;

    pthread_mutex_lock(&crew->lock);
    leaves = in_any_case || serving(crew) > crew->wanted;
    if (leaves) {
        crew->threads--;
        thread->next = crew->over;
        crew->over = thread;
        pthread_cond_broadcast(&crew->ended);
    }
    pthread_mutex_unlock(&crew->lock);
    return leaves;
}

static void *thread_main(void *argument)
{
    struct thread *thread = argument;
    struct crew *crew = thread->crew;

    while (!leave(thread, false)) {
        struct connection *connection = intake_take(crew->intake);

        if (connection == NULL) {
            (void) leave(thread, true);
            break;
        }
        crew->serve(crew->context, connection, &thread->memory);
        if (thread->memory < 0)
            thread->memory = make_memory();
    }
    close(thread->memory);
    return NULL;
}

/*
 * Joins the threads that are over: until then one may still run destructors of its own, which must not meet
 * the end of the process. Called with the lock held, which such a thread no longer takes.
 */
static void join_threads(struct crew *crew)
{
    while (crew->over != NULL) {
        struct thread *thread = crew->over;

        crew->over = thread->next;
        pthread_join(thread->id, NULL);
        free(thread);
    }
}

/* Called with the lock held. */
static bool add_thread(struct crew *crew)
{
    struct thread *thread = memory_zeroed(1, sizeof(*thread));
    pthread_attr_t attributes;
    bool started;

    join_threads(crew);
    thread->crew = crew;
    thread->memory = make_memory();
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    started = thread->memory >= 0 && pthread_create(&thread->id, &attributes, thread_main, thread) == 0;
    pthread_attr_destroy(&attributes);
    if (started) {
        crew->threads++;
        return true;
    }
    if (thread->memory >= 0)
        close(thread->memory);
    free(thread);
    return false;
}

bool crew_start(struct crew *crew)
{
    bool started = true;

    pthread_mutex_lock(&crew->lock);
    while (started && crew->threads < crew->wanted)
        started = add_thread(crew);
    pthread_mutex_unlock(&crew->lock);
    return started;
}

/* Called with the lock held. Whether some thread serves afterwards; where none can be started, the others do. */
static bool replace_paused(struct crew *crew)
{
    while (!crew->is_closed && serving(crew) < crew->wanted) {
        if (!add_thread(crew))
            return serving(crew) > 0;
    }
    return true;
}

bool crew_pause(struct crew *crew, enum fastcgi_pause reason)
{
    bool may;

    pthread_mutex_lock(&crew->lock);
    may = crew->paused[reason] < crew->may_pause[reason];
    if (may) {
        crew->paused[reason]++;
        may = replace_paused(crew);
        if (!may)
            crew->paused[reason]--;
    }
    pthread_mutex_unlock(&crew->lock);
    return may;
}

void crew_resume(struct crew *crew, enum fastcgi_pause reason)
{
    pthread_mutex_lock(&crew->lock);
    crew->paused[reason]--;
    pthread_mutex_unlock(&crew->lock);
}

void crew_close(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->is_closed = true;
    pthread_mutex_unlock(&crew->lock);
}

bool crew_stop(struct crew *crew, int grace_ms)
{
    struct timespec until = clock_timespec_after(grace_ms);
    bool all_ended;

    pthread_mutex_lock(&crew->lock);
    while (crew->threads > 0) {
        if (pthread_cond_timedwait(&crew->ended, &crew->lock, &until) != 0)
            break;
    }
    all_ended = crew->threads == 0;
    join_threads(crew);
    pthread_mutex_unlock(&crew->lock);
    if (!all_ended)
        return false;

    pthread_cond_destroy(&crew->ended);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
    return true;
}
