/* One export from its claim to its end: query, CSV, file, task. The only place that knows all of them. */
#ifndef WAYBILL_EXPORT_EXPORTER_H
#define WAYBILL_EXPORT_EXPORTER_H

#include <stdatomic.h>

#include "db/db.h"
#include "db/pool.h"
#include "export/claim.h"
#include "inventory/csv_writer.h"

struct exporter {
    const char *relation;  /* [inventory] relation */
    const char *directory; /* of the files */
    bool gzip;             /* each with a compressed twin */
    struct csv_options csv;
    int timeout;         /* seconds that one export may take */
    struct claim_terms terms;
    int retention_hours;
    struct db_pool *tasks;         /* for the task's row, while the inventory's connection streams */
    const atomic_bool *stop;       /* true: hand the task back as soon as possible */
};

enum exporter_end {
    EXPORTER_SUCCESS,
    EXPORTER_FAILURE,
    EXPORTER_REQUEUED,  /* it will be tried again: the database was lost, or the process stops */
    EXPORTER_ABANDONED, /* the lease was lost, or the database can't be told the end: then the lease runs out */
};

/*
 * Runs the claimed task, with rows from `inventory`, and ends it. Logs and counts how it ended. The inventory's
 * connection may be unusable afterwards. If it is not new and dies before it has answered anything, it was lost while it
 * was idle: then the attempt does not count.
 */
enum exporter_end exporter_run(const struct exporter *exporter, struct db *inventory, bool inventory_is_new,
                               struct claim *claim);

#endif
