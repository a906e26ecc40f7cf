/* One export from its claim to its end: query, CSV, file, task. The only place that knows all of them. */
#ifndef WAYBILL_EXPORT_EXPORTER_H
#define WAYBILL_EXPORT_EXPORTER_H

#include <stdatomic.h>

#include "db/db.h"
#include "db/pool.h"
#include "export/csv_writer.h"
#include "export/task.h"

struct exporter {
    const char *relation;  /* [inventory] relation */
    const char *directory; /* of the files */
    struct csv_options csv;
    int timeout;         /* seconds that one export may take */
    int lease;           /* seconds */
    int retention_hours;
    struct db_pool *tasks;         /* for the task's row, while the inventory's connection streams */
    const atomic_bool *stop;       /* true: hand the task back as soon as possible */
};

/*
 * Runs the claimed task, with rows from `inventory`, and ends it: success, failure, or back to the queue when the
 * database was lost or the process stops. Logs how it ended. When the database can't be told, the lease runs out
 * and another exporter takes the task.
 */
void exporter_run(const struct exporter *exporter, struct db *inventory, const struct task_claim *claim);

#endif
