/*
 * Schedules, for callers and operators: create, find, list, change and remove them. The SQL of waybill.export_schedule
 * is in schedule.c for callers, in due.c for the scheduler and in schedule_admin.c for operators. SCHEDULE_CHANNEL
 * announces changes that the scheduler must react to.
 */
#ifndef WAYBILL_SCHEDULE_SCHEDULE_H
#define WAYBILL_SCHEDULE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "access/key_ring.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/text.h"
#include "db/connection.h"
#include "export/task.h"
#include "schedule/definition.h"
#include "schedule/webhook.h"

#define SCHEDULE_CHANNEL "waybill_schedule"

struct schedule {
    char schedule_id[TEXT_UUID_LENGTH + 1];
    struct schedule_definition definition; /* its texts belong to the schedule */
    int64_t create_time;  /* milliseconds since 1970, like all times here */
    int64_t next_run_time; /* 0: none */
    char *pause_reason;   /* why the service paused the schedule; NULL if it did not */
    /* The newest run that has a task. */
    bool has_last_run;
    int64_t last_occurrence_time;
    char last_task_id[TEXT_UUID_LENGTH + 1];
    char last_state[16]; /* running, success or failure */
};

/* Frees the members. */
void schedule_clear(struct schedule *schedule);

/* Who makes or changes a schedule. Its runs have the grants of the credential. */
struct schedule_owner {
    const char *project_id;
    int64_t credential_id;           /* 0: none is stored; the runs then have all grants in the project */
    const char *enterprise_projects; /* to export now: text[] in its input format; NULL: all */
    struct key_ring *ring;           /* encrypts the secret of the notifications (notify_secret.h) */
};

/* Reads the clock of the database, which all processes share. */
MUST_CHECK bool schedule_now(struct db *db, int64_t *ret_now, struct error *err);

/*
 * Commits a schedule. ERROR_PARAMETER if the project has a schedule with this name. ret_secret is the secret of its
 * notifications, or "" if there are none.
 */
MUST_CHECK bool schedule_create(struct db *db, const struct schedule_owner *owner,
                                const struct schedule_definition *definition,
                                char ret_schedule_id[TEXT_UUID_LENGTH + 1], char ret_secret[WEBHOOK_SECRET_SIZE],
                                struct error *err);

/*
 * Replaces the definition of a schedule that the viewer may see. ERROR_NOT_FOUND if there is none, ERROR_PARAMETER as
 * for schedule_create. ret_secret is the new secret if the URL has changed, else "".
 */
MUST_CHECK bool schedule_replace(struct db *db, const struct task_viewer *viewer, const char *schedule_id,
                                 const struct schedule_owner *owner, const struct schedule_definition *definition,
                                 char ret_secret[WEBHOOK_SECRET_SIZE], struct error *err);

/*
 * Finds a schedule. ERROR_NOT_FOUND if it does not exist or the viewer may not see it: everything that it exports must
 * be granted. Free its members with schedule_clear.
 */
MUST_CHECK bool schedule_find(struct db *db, const struct task_viewer *viewer, const char *schedule_id,
                              struct schedule *ret_schedule, struct error *err);

/* Checks that the viewer may see the schedule. ERROR_NOT_FOUND as for schedule_find. */
MUST_CHECK bool schedule_check(struct db *db, const struct task_viewer *viewer, const char *schedule_id,
                               struct error *err);

/* Locks a schedule until the end of the transaction. ERROR_NOT_FOUND as for schedule_find. */
MUST_CHECK bool schedule_lock(struct db *db, const struct task_viewer *viewer, const char *schedule_id,
                              struct error *err);

/* Finds the id of a schedule by its name, for the operator. ERROR_NOT_FOUND if the project has none with this name. */
MUST_CHECK bool schedule_find_id(struct db *db, const char *project_id, const char *name,
                                 char ret_schedule_id[TEXT_UUID_LENGTH + 1], struct error *err);

/* A page of the schedules of the viewer, in the bytewise order of their names. */
struct schedule_page {
    int64_t total; /* number of all schedules of the viewer */
    size_t count;
    struct schedule *schedules;
};

/* Skips `offset` schedules and returns at most `limit`. Free the page with schedule_page_free. */
MUST_CHECK bool schedule_list(struct db *db, const struct task_viewer *viewer, int limit, int offset,
                              struct schedule_page *ret_page, struct error *err);
void schedule_page_free(struct schedule_page *page);

/*
 * Removes a schedule with its runs and pending notifications. Its tasks stay, and their files expire retention_hours
 * from now. ERROR_NOT_FOUND as for schedule_find.
 */
MUST_CHECK bool schedule_remove(struct db *db, const struct task_viewer *viewer, const char *schedule_id,
                                int retention_hours, struct error *err);

/*
 * Pauses or resumes a schedule. Has no effect if it is already paused or enabled. ERROR_PARAMETER if the rule or the
 * time zone of a schedule to be resumed is no longer valid.
 */
MUST_CHECK bool schedule_set_enabled(struct db *db, const struct task_viewer *viewer, const char *schedule_id,
                                     bool enabled, struct error *err);

#endif
