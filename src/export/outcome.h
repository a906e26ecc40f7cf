/*
 * How an export ends: decides the outcome, commits it, asks the database what it has committed if a response was lost,
 * and reports the outcome to the log and the metrics.
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
    OUTCOME_REQUEUED,  /* the task will be tried again: the database was lost, or the process stops */
    OUTCOME_ABANDONED, /* the lease was lost, or the end cannot be recorded: then the lease expires */
};

/* An attempt to export a task. */
struct attempt {
    struct claim *claim;
    struct db_pool *tasks;        /* connections for the row of the task */
    const atomic_bool *stop;      /* true: the process stops, so do not wait for the database */
    int retention_hours;          /* of a successful export */
    int64_t started;              /* monotonic */
    int64_t deadline;             /* monotonic: when the time limit of an export is reached */
    struct export_file *file;     /* NULL if it could not be created; published if the attempt succeeded */
    struct inventory_progress progress;
    bool connection_was_dead;     /* that of the inventory, before the attempt: then the attempt does not count */
};

/*
 * Ends the task of the attempt: `reason` is NULL for success, else the error that ended the attempt. Retries while the
 * database cannot be reached, until the deadline or the end of the lease, whichever is later. Removes the published
 * file once the database has recorded another end. Housekeeping removes it if that fails.
 */
enum outcome outcome_settle(const struct attempt *attempt, const struct error *reason);

#endif
