/*
 * The runs of schedules: one for each occurrence, for each group of skipped occurrences, and for each request to run
 * now. A trigger keeps the state of a run equal to that of its task (sql/migrations/0007_schedules.sql). The SQL of
 * waybill.schedule_run is in run.c for callers, in job.c, which starts runs, and in due.c and settle.c for the
 * scheduler.
 *
 * To avoid deadlocks, a transaction locks a schedule first, then tasks, then their runs, as the trigger does.
 */
#ifndef WAYBILL_SCHEDULE_RUN_H
#define WAYBILL_SCHEDULE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/text.h"
#include "db/connection.h"
#include "export/task.h"

struct schedule_run {
    int64_t occurrence_time; /* milliseconds since 1970 */
    char state[16];          /* running, success, failure or skipped */
    char task_id[TEXT_UUID_LENGTH + 1]; /* "": skipped */
    char reason[512];        /* why it failed or was skipped; else "" */
};

/* A page of the runs of a schedule, newest first. */
struct schedule_run_page {
    int64_t total; /* number of all runs of the schedule */
    size_t count;
    struct schedule_run *runs;
};

/*
 * Skips `offset` runs and returns at most `limit`. ERROR_NOT_FOUND as for schedule_find. Free the runs of the page with
 * free().
 */
MUST_CHECK bool schedule_run_list(struct db *db, const struct task_viewer *viewer, const char *schedule_id, int limit,
                                  int offset, struct schedule_run_page *ret_page, struct error *err);

/*
 * Runs a schedule now, besides its rule, even if it is paused: creates a task, with the grants of the schedule. If they
 * are revoked, the task is already a failure. ERROR_TOO_MANY as for task_create; ERROR_NOT_FOUND as for schedule_find.
 */
MUST_CHECK bool schedule_run_now(struct db *db, const struct task_viewer *viewer, const char *schedule_id,
                                 const char *request_id, int limit, char ret_task_id[TEXT_UUID_LENGTH + 1],
                                 struct error *err);

/* Finds the task of the newest successful run that has a file. ERROR_NOT_FOUND if there is none, or as above. */
MUST_CHECK bool schedule_run_latest(struct db *db, const struct task_viewer *viewer, const char *schedule_id,
                                    struct task *ret_task, struct error *err);

/*
 * The following belong to a transaction that holds a lock on the schedule.
 */

/* Returns the tasks of the schedule as uuid[] in its input format, to be freed with free(). */
MUST_CHECK bool schedule_run_task_ids(struct db *db, const char *schedule_id, char **ret_task_ids, struct error *err);

/* Lets all files of the schedule but the newest `keep` expire now. */
MUST_CHECK bool schedule_run_prune(struct db *db, const char *schedule_id, int keep, struct error *err);

#endif
