/*
 * What follows the end of a run: files beyond `keep` expire, the notification is created, and a failed run is retried
 * once. Each run is processed in one transaction, which locks its schedule. `now` and `thread` are as in due.h.
 */
#ifndef WAYBILL_SCHEDULE_SETTLE_H
#define WAYBILL_SCHEDULE_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/background.h"
#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

#define SETTLE_RETRY_MS (5 * 60 * 1000) /* between the end of a failed run, as it is processed, and its retry */

struct settle_result {
    int64_t success;
    int64_t failure;
    int64_t notifications; /* that were created */
    int64_t restarted;     /* tasks that were queued again */
    int64_t failed;        /* runs that could not be processed, and will be tried again */
};

/* Processes at most `limit` runs that have ended. */
MUST_CHECK bool settle_ended(struct db *db, int64_t now, int64_t limit, const struct background *thread,
                             struct settle_result *result, struct error *err);

/* Retries at most `limit` failed runs whose time has come. */
MUST_CHECK bool settle_retry(struct db *db, int64_t now, int64_t limit, const struct background *thread,
                             struct settle_result *result, struct error *err);

/*
 * Deletes the records of runs that ended more than history_hours ago, but not the last run of a schedule, in batches
 * until the thread is stopping.
 */
MUST_CHECK bool settle_purge(struct db *db, int64_t now, int history_hours, const struct background *thread,
                             struct error *err);

#endif
