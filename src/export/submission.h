/*
 * Submits the task of a request: creates it, and lets a waiting export thread of this process begin at once. Then one
 * commit creates and claims the task. If no thread waits, the task is queued for the threads of all processes.
 */
#ifndef WAYBILL_EXPORT_SUBMISSION_H
#define WAYBILL_EXPORT_SUBMISSION_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "export/task.h"
#include "export/workers.h"

/*
 * Creates the task as task_create does, or as idempotency_create_task does unless `key` is "". ret_task->is_new is
 * false if an equal request has created the task. After ERROR_UNAVAILABLE and ERROR_TIMEOUT, the task may exist; then
 * it will be exported.
 */
MUST_CHECK bool submit_task(struct db *db, struct workers *workers, const char *key, const struct task_spec *spec,
                            int limit, struct new_task *ret_task, struct error *err);

#endif
