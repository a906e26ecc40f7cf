/*
 * The queue of tasks, for exporters. A claim has a lease, which the exporter renews during the export. After the lease
 * has expired, another exporter can claim the task, up to CLAIM_MAX_ATTEMPTS attempts in total. Only the holder of the
 * lease can end the task. The lease is also the name of the file of the claim, so the database knows every file that
 * may exist.
 */
#ifndef WAYBILL_EXPORT_CLAIM_H
#define WAYBILL_EXPORT_CLAIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "db/connection.h"
#include "export/task.h"
#include "export/watches.h"

#define CLAIM_MAX_ATTEMPTS 3

struct claim_terms {
    int lease;           /* seconds */
    /*
     * The maximum in all processes together; 0: no limit. Claims from the queue keep it. Tasks are created as claimed
     * only while fewer than half of it run, so only many of them at the same moment can exceed it, by one export each.
     */
    int running_exports;
};

/* A task that this process runs. */
struct claim {
    char task_id[TEXT_UUID_LENGTH + 1];
    char lease[TEXT_UUID_LENGTH + 1]; /* also the id of the file */
    struct claim_terms terms;
    int64_t lease_end; /* monotonic; in the database the lease ends no earlier */
    int64_t confirmed; /* monotonic: when the server confirmed the claim; 0: on its disk; INT64_MAX: not yet */
    int attempt;       /* from 1 */
    bool more_are_queued; /* when the task was claimed, others were queued */
    int export_size;
    char *project_id;
    char *enterprise_projects; /* text[] in its input format; NULL: all */
    char *request;
    char *request_id;
    struct watch watch;  /* used while an export thread runs the task: a change of the task may end the lease */
    atomic_bool ending;  /* the last transaction of the export has begun, so its thread counts as free */
};

/*
 * Claims a task that is queued or whose lease has expired: the oldest task of the project with the fewest running
 * exports. Among such projects, it selects the one that has waited longest since an export started. If `task_id` is not
 * NULL, claims only that task. *ret_claim is NULL if there is no such task or the limit of running exports is reached;
 * free it with claim_free. Also marks as failed the tasks that have no attempts left and whose lease has expired.
 *
 * The claim does not wait for the disk of the server. If the server crashes soon afterwards, the task is queued again,
 * and the lease is lost. So the exporter publishes no file before claim_is_durable: the database must know its name.
 */
MUST_CHECK bool claim_next(struct db *db, const char *task_id, const struct claim_terms *terms,
                           struct claim **ret_claim, struct error *err);

/*
 * Returns a claim for a task that is to be created with it (task_spec.claim). Call claim_created after its commit. Free
 * it with claim_free.
 */
struct claim *claim_new(const struct task_spec *spec, const struct claim_terms *terms);

/* Reports that the transaction that has created the task as claimed is committed. */
void claim_created(struct claim *claim);

/*
 * Whether the claim is on the disk of the server: its own commit waited for the disk, or this process knows of a later
 * change that is on it. claim_renew makes a claim durable.
 */
bool claim_is_durable(const struct claim *claim);

/* NULL is allowed. */
void claim_free(struct claim *claim);

/*
 * Calls for the holder of the lease. Each fails with ERROR_LEASE, without effect, if the lease is no longer held. After
 * ERROR_UNAVAILABLE or ERROR_TIMEOUT, its change may still be committed, now or later; see claim_find_state.
 */

/*
 * Extends the lease by its duration and sets claim->lease_end. Records the progress, 0 to 99 percent, and the number of
 * rows.
 */
MUST_CHECK bool claim_renew(struct db *db, struct claim *claim, int progress, int64_t exported_rows, struct error *err);

struct claim_outcome {
    int64_t exported_rows;
    bool truncated;
    int64_t file_size;
    int64_t gzip_size; /* of the gzip variant; 0 without one */
    unsigned char sha256[SHA256_SIZE];
    int retention_hours;
};

MUST_CHECK bool claim_succeed(struct db *db, const struct claim *claim, const struct claim_outcome *outcome,
                              struct error *err);

/* Ends the task as a failure, with the error_code and message of the reason. */
MUST_CHECK bool claim_fail(struct db *db, const struct claim *claim, const struct error *reason, struct error *err);

/* Requeues the task. If `attempted` is false, this attempt does not count. */
MUST_CHECK bool claim_requeue(struct db *db, const struct claim *claim, bool attempted, struct error *err);

/* The state of a claim in the database. In all states but CLAIM_HELD, the lease has ended and cannot be renewed. */
enum claim_state {
    CLAIM_HELD,      /* the lease is held; a change may still be committed */
    CLAIM_SUCCEEDED, /* the task has the file of the claim */
    CLAIM_FAILED,    /* the task failed or was cancelled in this attempt */
    CLAIM_QUEUED,    /* the task is queued again */
    CLAIM_LOST,      /* another process has claimed the task, or it was removed */
};

/*
 * Reads the state of a claim, for use after the response to a change was lost. It acquires no row lock and writes
 * nothing, so it works even while a commit hangs.
 */
MUST_CHECK bool claim_find_state(struct db *db, const struct claim *claim, enum claim_state *ret_state,
                                 struct error *err);

#endif
