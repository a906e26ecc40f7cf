/*
 * The occurrences that are due. Each is processed in one transaction, which locks its schedule, so that processes
 * exclude each other: it creates the run and its task, or records that the occurrence was skipped, and finds the next.
 *
 * `now` is in milliseconds since 1970. 0 means the clock of the database, which all processes share. Tests set the
 * time.
 */
#ifndef WAYBILL_SCHEDULE_DUE_H
#define WAYBILL_SCHEDULE_DUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/background.h"
#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

#define DUE_BATCH 1000

/* What the scheduler has to do. The numbers are at most DUE_BATCH. */
struct due_outlook {
    int64_t schedules; /* that are due */
    int64_t retries;   /* of failed runs, that are due (settle.h) */
    int64_t ended;     /* runs whose end was not processed (settle.h) */
    int64_t wait_ms;   /* until another schedule or retry is due; INT64_MAX: never */
};

MUST_CHECK bool due_look(struct db *db, int64_t now, struct due_outlook *ret_outlook, struct error *err);

/*
 * Processes at most `limit` schedules that are due, each once, until the thread is stopping; NULL means that it is not.
 * A schedule that fails does not stop the others: it stays due, and the error is logged. Returns false only if the
 * database is not available. *ret_started is the number of tasks that were created; *ret_failed the number of schedules
 * that failed. Both are always set.
 */
MUST_CHECK bool due_process(struct db *db, int64_t now, int64_t limit, const struct background *thread,
                            int64_t *ret_started, int64_t *ret_failed, struct error *err);

#endif
