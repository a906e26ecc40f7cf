/*
 * Waits for the end of a task, on behalf of the operations that create one or report its status. The wait also ends
 * when the credentials of the caller have expired or were revoked.
 */
#include <time.h>

#include "api/api.h"
#include "base/clock.h"

#define RECHECK_MS 10000           /* interval between checks of task and caller, in case a notification was lost */
#define UNNOTIFIED_RECHECK_MS 1000 /* the same interval while this process cannot receive notifications */
#define CLIENT_CHECK_MS 250        /* interval between checks whether the client is still connected */

static bool find_awaited(struct api_call *call, const char *task_id, struct task *ret_task, struct error *err)
{
    struct api_view view;
    bool found;

    if (!api_view_begin(call, &view, err))
        return false;
    found = task_find(view.db, &view.viewer, task_id, ret_task, err);
    api_view_end(call, &view);
    return found;
}

/*
 * Waits until the next recheck, or until the deadline. Returns false if the wait must end now. *ret_event is what has
 * happened otherwise.
 */
static bool wait_for_change(struct api_call *call, struct watch *watch, int64_t deadline, enum watch_event *ret_event)
{
    int64_t began = clock_monotonic_ms();
    enum watch_event event;
    int64_t next_recheck;
    int left;

    do {
        if (fastcgi_is_disconnected(call->request->exchange))
            return false;
        if (watch->until_busy && !workers_may_run(call->api->workers, watch->task_id))
            return false;
        next_recheck = began + (watches_is_receiving(call->api->watches) ? RECHECK_MS : UNNOTIFIED_RECHECK_MS);
        if (next_recheck > deadline)
            next_recheck = deadline;
        left = clock_remaining_ms(next_recheck);
        event = watch_wait(watch, left < CLIENT_CHECK_MS ? left : CLIENT_CHECK_MS);
    } while (event == WATCH_BUSY || (event == WATCH_TIMEOUT && left > 0));
    *ret_event = event;
    return event != WATCH_STOPPING;
}

/*
 * Waits for a task that export threads run. If the wait ends first, *ret_task is the task as it was last read. The
 * credentials were checked before this call. If they were revoked before the watch began, it reports a change at once.
 */
static bool await_threads(struct api_call *call, const char *task_id, struct api_wait wait, struct task *ret_task,
                          struct error *err)
{
    int64_t deadline = clock_monotonic_ms() + wait.ms;
    struct watch watch;
    bool paused = fastcgi_pause(call->request->exchange, FASTCGI_WAIT);
    enum watch_event event;
    bool found;

    watch_begin(call->api->watches, &watch, task_id, wait.until_busy);
    watch_caller(&watch, call->identity.credential_id, call->revocations);
    do {
        found = find_awaited(call, task_id, ret_task, err);
        if (!found || task_has_ended(ret_task) || clock_remaining_ms(deadline) == 0)
            break;
        if (!paused || !wait_for_change(call, &watch, deadline, &event))
            break; /* not paused: the limit of waiting requests is reached */
        found = access_recheck(call->api->access, &call->identity, err);
    } while (found);
    if (paused)
        fastcgi_resume(call->request->exchange, FASTCGI_WAIT);
    watch_end(&watch);
    return found;
}

void api_await_new_task(struct api_call *call, struct watch *watch, struct api_wait wait)
{
    int64_t deadline = clock_monotonic_ms() + wait.ms;
    enum watch_event event;
    struct error ignored;
    struct task task;

    if (!fastcgi_pause(call->request->exchange, FASTCGI_WAIT))
        return; /* the limit of waiting requests is reached */
    watch_caller(watch, call->identity.credential_id, call->revocations);
    do {
        if (!wait_for_change(call, watch, deadline, &event) || event == WATCH_ENDED
            || clock_remaining_ms(deadline) == 0)
            break;
    } while (access_recheck(call->api->access, &call->identity, &ignored)
             && find_awaited(call, watch->task_id, &task, &ignored) && !task_has_ended(&task));
    fastcgi_resume(call->request->exchange, FASTCGI_WAIT);
}

/* Runs the task in a process without export threads, or waits for it while another process runs it. */
static bool run_and_await(struct api_call *call, const char *task_id, int64_t deadline, struct task *ret_task,
                          struct error *err)
{
    struct workers *workers = call->api->workers;
    const struct timespec pause = {.tv_nsec = CLIENT_CHECK_MS * 1000000L};

    do {
        if (!find_awaited(call, task_id, ret_task, err))
            return false;
        if (task_has_ended(ret_task))
            return true;
        if (workers_run(workers, task_id))
            continue;
        if (clock_remaining_ms(deadline) == 0)
            return true;
        nanosleep(&pause, NULL);
    } while (access_recheck(call->api->access, &call->identity, err));
    return false;
}

bool api_await_task(struct api_call *call, const char *task_id, struct api_wait wait, struct task *ret_task,
                    struct error *err)
{
    if (call->api->runs_exports_itself)
        return run_and_await(call, task_id, clock_monotonic_ms() + wait.ms, ret_task, err);
    if (wait.ms == 0)
        return find_awaited(call, task_id, ret_task, err);
    return await_threads(call, task_id, wait, ret_task, err);
}
