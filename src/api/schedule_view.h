/* What the operations on schedules share. */
#ifndef WAYBILL_API_SCHEDULE_VIEW_H
#define WAYBILL_API_SCHEDULE_VIEW_H

#include "api/api.h"
#include "schedule/schedule.h"

/* A schedule that the call makes or changes, and its owner, which is the caller. */
struct schedule_draft {
    struct schedule_definition *definition;
    struct schedule_owner owner;
    char *scope; /* owner.enterprise_projects, to be freed */
};

/*
 * Reads the definition from the body. ERROR_PERMISSION if its enterprise project is not granted to the caller. If it
 * succeeds, call schedule_draft_end later.
 */
MUST_CHECK bool schedule_draft_begin(struct api_call *call, struct schedule_draft *draft, struct error *err);
void schedule_draft_end(struct schedule_draft *draft);

/* Returns a schedule as JSON, to be freed with json_object_put. `secret` is "" unless it was set just now. */
struct json_object *schedule_json(const struct schedule *schedule, const char *secret);

/* Finds a schedule and responds with it. */
MUST_CHECK bool schedule_respond(struct api_call *call, const struct api_view *view, const char *schedule_id,
                                 const char *secret, struct error *err);

#endif
