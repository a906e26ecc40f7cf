#include "export/submission.h"

#include "export/claim.h"
#include "export/idempotency.h"

static bool create(struct db *db, const char *key, const struct task_spec *spec, int limit, struct new_task *ret_task,
                   struct error *err)
{
    return *key == '\0' ? task_create(db, spec, limit, ret_task, err)
                        : idempotency_create_task(db, key, spec, limit, ret_task, err);
}

bool submit_task(struct db *db, struct workers *workers, const char *key, const struct task_spec *spec, int limit,
                 struct new_task *ret_task, struct error *err)
{
    struct worker *worker = workers_reserve(workers);
    struct task_spec claimed = *spec;
    struct claim *claim = NULL;
    bool created, is_claimed;

    if (worker != NULL)
        claimed.claim = claim = claim_new(spec, workers_claim_terms(workers));
    created = create(db, key, &claimed, limit, ret_task, err);
    /* If the response to the commit was lost, the task may have been created as claimed. The thread finds out. */
    is_claimed = claim != NULL && (created ? ret_task->is_claimed : error_is_transient(err));
    if (is_claimed) {
        if (created)
            claim_created(claim);
        workers_hand_over(worker, claim);
        return created;
    }
    claim_free(claim);
    if (worker != NULL)
        workers_release(worker);
    if (created && ret_task->is_new)
        workers_task_queued(workers);
    return created;
}
