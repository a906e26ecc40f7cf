/* Runs one export: writes the file of a claimed task while renewing the lease, then publishes the file. */
#ifndef WAYBILL_EXPORT_EXPORTER_H
#define WAYBILL_EXPORT_EXPORTER_H

#include <stdatomic.h>

#include "db/connection.h"
#include "db/pool.h"
#include "export/claim.h"
#include "export/outcome.h"
#include "inventory/csv_writer.h"

struct exporter {
    const char *relation;  /* [inventory] relation */
    const char *directory; /* for the files */
    bool gzip;             /* also write a gzip variant */
    struct csv_options csv;
    int timeout;         /* time limit of an export in seconds */
    struct claim_terms terms;
    int retention_hours;
    struct db_pool *tasks;         /* connections for the row of the task */
    const atomic_bool *stop;       /* true: requeue the task as soon as possible */
};

/*
 * Runs the claimed task with rows from `inventory`, and ends it (see outcome_settle). The claim's watch must have begun
 * (watch_begin). The connection gets the scope of the task, and may be unusable afterwards. If a reused connection is
 * lost before the server responds, it counts as lost while idle: the task is requeued, and the attempt does not count.
 */
enum outcome exporter_run(const struct exporter *exporter, struct db *inventory, bool inventory_is_new,
                          struct claim *claim);

#endif
