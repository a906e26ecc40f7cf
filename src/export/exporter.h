/* One export: makes the file of a claimed task from the inventory, keeps the lease, and publishes the file. */
#ifndef WAYBILL_EXPORT_EXPORTER_H
#define WAYBILL_EXPORT_EXPORTER_H

#include <stdatomic.h>

#include "db/db.h"
#include "db/pool.h"
#include "export/claim.h"
#include "export/outcome.h"
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

/*
 * Runs the claimed task with rows from `inventory` and ends it (see outcome_settle). The inventory's connection may be
 * unusable afterwards. If the connection is not new and is lost before the server has answered anything, it was lost
 * while it was idle: then the attempt does not count.
 */
enum outcome exporter_run(const struct exporter *exporter, struct db *inventory, bool inventory_is_new,
                          struct claim *claim);

#endif
