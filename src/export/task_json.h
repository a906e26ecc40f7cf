/* Tasks as JSON, for responses and notifications. */
#ifndef WAYBILL_EXPORT_TASK_JSON_H
#define WAYBILL_EXPORT_TASK_JSON_H

#include <json-c/json.h>

#include "export/task.h"

/* Returns the status of a task, to be freed with json_object_put. A file that does not expire has no expire_time. */
struct json_object *task_status_json(const struct task *task);

#endif
