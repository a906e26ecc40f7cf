/*
 * Ends an export: decides the outcome and commits it. If the response is lost, reads from the database what it has
 * committed. Then logs and counts the outcome.
 */
#ifndef WAYBILL_EXPORT_OUTCOME_H
#define WAYBILL_EXPORT_OUTCOME_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "db/pool.h"
#include "export/claim.h"
#include "export/export_file.h"
#include "inventory/rows.h"

enum outcome {
    OUTCOME_SUCCESS,
    OUTCOME_FAILURE,
    OUTCOME_REQUEUED,  /* the task is queued again: the database was unreachable, or the process is stopping */
    OUTCOME_ABANDONED, /* the lease was lost, or the outcome cannot be recorded, so the lease will expire */
};

/* An attempt to export a task. */
struct attempt {
    struct claim *claim;
    struct db_pool *tasks;        /* connections for the row of the task */
    const atomic_bool *stop;      /* true: the process is stopping, so do not retry */
    int retention_hours;          /* of a successful export */
    int64_t started;              /* monotonic */
    int64_t deadline;             /* monotonic: when the time limit of an export is reached */
    struct export_file *file;     /* NULL if it could not be created; published if the attempt succeeded */
    struct inventory_progress progress;
    bool connection_was_dead;     /* inventory connection lost while idle: the attempt does not count */
};

/*
 * Ends the task of the attempt. `reason` is NULL for success, otherwise the error that ended the attempt. While the
 * database is unreachable, retries until the deadline or the end of the lease, whichever is later, or until the process
 * stops. Removes the published file once the database has recorded an outcome other than success. If the removal fails,
 * housekeeping repeats it.
 */
enum outcome outcome_settle(const struct attempt *attempt, const struct error *reason);

#endif
