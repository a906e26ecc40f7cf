/*
 * POST /v5/{project_id}/container/export-schedules: creates a schedule.
 * PUT /v5/{project_id}/container/export-schedules/{schedule_id}: replaces all fields of a schedule.
 */
#include "api/schedule_view.h"

/* Stores the schedule in the transaction of its own, and responds with it. */
typedef bool (*store_operation)(struct api_call *call, const struct api_view *view, const struct schedule_draft *draft,
                                struct error *err);

static bool change_schedule(struct api_call *call, store_operation store, struct error *err)
{
    struct schedule_draft draft;
    struct api_view view;
    bool done;

    if (!schedule_draft_begin(call, &draft, err))
        return false;
    done = api_view_begin(call, &view, err);
    if (done) {
        done = store(call, &view, &draft, err);
        api_view_end(call, &view);
    }
    schedule_draft_end(&draft);
    return done;
}

static bool store_new(struct api_call *call, const struct api_view *view, const struct schedule_draft *draft,
                      struct error *err)
{
    char schedule_id[TEXT_UUID_LENGTH + 1];
    char secret[WEBHOOK_SECRET_SIZE];

    return schedule_create(view->db, &draft->owner, draft->definition, schedule_id, secret, err)
           && schedule_respond(call, view, schedule_id, secret, err);
}

static bool store_replacement(struct api_call *call, const struct api_view *view, const struct schedule_draft *draft,
                              struct error *err)
{
    char secret[WEBHOOK_SECRET_SIZE];

    return schedule_replace(view->db, &view->viewer, call->id, &draft->owner, draft->definition, secret, err)
           && schedule_respond(call, view, call->id, secret, err);
}

bool api_schedule_create(struct api_call *call, struct error *err)
{
    return change_schedule(call, store_new, err);
}

bool api_schedule_replace(struct api_call *call, struct error *err)
{
    return change_schedule(call, store_replacement, err);
}
