/*
 * Retention: expires files by age and by total size, deletes old tasks and idempotency keys, and removes files that no
 * task needs any more.
 * A round may be interrupted at any time, and several processes may run rounds at once: first the database records that
 * a file is no longer needed, then the file is removed, then the record is deleted.
 */
#ifndef WAYBILL_EXPORT_RETENTION_H
#define WAYBILL_EXPORT_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/background.h"
#include "base/compiler.h"
#include "base/config.h"
#include "base/error.h"
#include "db/connection.h"

struct retention {
    const char *directory;
    int history_hours;
    int64_t max_total_bytes;         /* 0: no limit */
    const struct background *thread; /* once it is stopping, a round ends after its current batch; may be NULL */
};

/* Returns the configured retention, without `thread`. It points into `config`, which must outlive it. */
struct retention retention_configured(const struct config *config);

/* The results of a round. */
struct retention_result {
    int64_t files_expired;
    int64_t tasks_purged;
    int64_t files_removed;
};

/*
 * Runs a round of all steps. A failed step does not stop the others. Returns false and the first error if any failed.
 * *result is always set.
 */
MUST_CHECK bool retention_round(struct db *db, const struct retention *retention, struct retention_result *result,
                                struct error *err);

#endif
