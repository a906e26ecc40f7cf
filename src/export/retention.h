/*
 * What time does to tasks and files: files expire, or make room for newer ones; rows of tasks that ended long ago go;
 * and whatever is in the directory under a name that a task gave up is removed. Safe at any instant, and for any number
 * of processes at once: first the database says that a file is no task's any more, then it is removed, then forgotten.
 */
#ifndef WAYBILL_EXPORT_RETENTION_H
#define WAYBILL_EXPORT_RETENTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/config.h"
#include "base/error.h"
#include "db/connection.h"

struct retention {
    const char *directory;
    int history_hours;
    int64_t max_total_bytes; /* 0 is no limit */
    const atomic_bool *stop; /* once it is true, a round ends after the batch in hand; NULL: rounds run to their end */
};

/* As the configuration says, without `stop`. It points into `config`, which must outlive it. */
struct retention retention_configured(const struct config *config);

/* How many of each a round has brought. */
struct retention_result {
    int64_t files_expired;
    int64_t tasks_purged;
    int64_t files_removed;
};

/*
 * One round of it all. Each step runs, whether or not those before it failed, unless the round is to end. False, and
 * the first error, if one failed; what was done is in *result in any case.
 */
MUST_CHECK bool retention_round(struct db *db, const struct retention *retention, struct retention_result *result,
                                struct error *err);

#endif
