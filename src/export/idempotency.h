/*
 * Idempotency keys: a client may repeat a request to create a task, for example after a lost response, without creating
 * a second task. The SQL of waybill.idempotency_key is in idempotency.c, and in retention.c for housekeeping.
 */
#ifndef WAYBILL_EXPORT_IDEMPOTENCY_H
#define WAYBILL_EXPORT_IDEMPOTENCY_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/text.h"
#include "db/connection.h"
#include "export/task.h"

/* An SQL condition: the key is no longer valid. Times are those of the clock of the database. */
#define IDEMPOTENCY_EXPIRED(key) key ".create_time <= now() - interval '24 hours'"

/*
 * Creates a task as task_create does, unless the project has a valid key with this text. If that key belongs to an
 * equal request, *ret_task is the task of that request, which may have been removed since; otherwise fails with
 * ERROR_KEY_REUSED. Requests are equal if their JSON values, enterprise_project_id, export_size and the sets of
 * enterprise projects that they export are equal.
 *
 * One transaction commits the key and the task, so a request that fails leaves no key. If several requests have the
 * key at once, the others wait for the transaction of the first.
 */
MUST_CHECK bool idempotency_create_task(struct db *db, const char *key, const struct task_spec *spec, int limit,
                                        struct new_task *ret_task, struct error *err);

#endif
