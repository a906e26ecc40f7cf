/*
 * The queue: what an exporter does with a task. A claim carries a lease, which is renewed while the export makes
 * progress; a lease that ran out lets another exporter take the task, CLAIM_MAX_ATTEMPTS times in all. Only the holder
 * of the lease can end the task. The file of a claim has the lease for its name, so that the database knows of every
 * file that can ever be there.
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
#include "export/watches.h"

#define CLAIM_MAX_ATTEMPTS 3

/* A task that this process runs. */
struct claim {
    char task_id[TEXT_UUID_LENGTH + 1];
    char lease[TEXT_UUID_LENGTH + 1]; /* the file's id too */
    int64_t lease_end; /* monotonic; the database's own reckoning ends no earlier */
    int attempt;       /* from 1 */
    int export_size;
    char *project_id;
    char *enterprise_projects; /* text[] in its input form; NULL is all */
    char *request;
    char *request_id;
    struct watch watch;  /* of the task, while an export thread runs it: after a change the lease may be lost */
    atomic_bool ending;  /* its last transaction has begun: the thread is as good as free */
};

struct claim_terms {
    int lease;           /* seconds */
    int running_exports; /* that all processes together may have; 0 is no bound */
};

/*
 * Takes a task that is queued or whose lease ran out: of the projects with the fewest running exports the one whose
 * turn was longest ago, and its oldest task. `task_id` confines it to that one unless it is NULL. *ret_claim is NULL
 * if there is none, or no more may run at once; free it with claim_free. Tasks that have used up their attempts are
 * ended as failures before.
 */
MUST_CHECK bool claim_next(struct db *db, const char *task_id, const struct claim_terms *terms,
                           struct claim **ret_claim, struct error *err);

/* NULL is fine. */
void claim_free(struct claim *claim);

/*
 * The holder's calls. Each is ERROR_LEASE if the lease was not held any more when it ran: then it has changed nothing.
 * After ERROR_UNAVAILABLE and ERROR_TIMEOUT it can have been committed, now or later: claim_find_fate tells.
 */

MUST_CHECK bool claim_renew(struct db *db, struct claim *claim, const struct claim_terms *terms, int progress,
                            int64_t exported_rows, struct error *err);

struct claim_outcome {
    int64_t exported_rows;
    bool truncated;
    int64_t file_size;
    int64_t gzip_size; /* of its compressed twin; 0: there is none */
    unsigned char sha256[SHA256_SIZE];
    int retention_hours;
};

MUST_CHECK bool claim_succeed(struct db *db, const struct claim *claim, const struct claim_outcome *outcome,
                              struct error *err);

/* Ends it with the reason's error_code and message. */
MUST_CHECK bool claim_fail(struct db *db, const struct claim *claim, const struct error *reason, struct error *err);

/* Puts it back into the queue; `attempted` says whether this attempt counts. */
MUST_CHECK bool claim_hand_back(struct db *db, const struct claim *claim, bool attempted, struct error *err);

/* What the database says of a claim. All but CLAIM_HELD is final: a lease that is over never comes back. */
enum claim_fate {
    CLAIM_HELD,      /* the lease is held; what was sent may still be committed */
    CLAIM_SUCCEEDED, /* the task has the claim's file */
    CLAIM_FAILED,    /* the task failed with this attempt */
    CLAIM_QUEUED,    /* the task waits for another attempt */
    CLAIM_GONE,      /* the task was taken over or removed */
};

/*
 * Asks what has become of a claim after an answer was lost. Waits for no lock and writes nothing, so it is answered
 * while a commit hangs.
 */
MUST_CHECK bool claim_find_fate(struct db *db, const struct claim *claim, enum claim_fate *ret_fate,
                                struct error *err);

#endif
