#include "export/kept_task.h"

#include <stdint.h>
#include <stdio.h>

#include "db/query.h"
#include "export/task.h"

bool kept_task_expire(struct db *db, const char *task_ids, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task SET expire_time = now()"
        " WHERE task_id = ANY ($1::uuid[]) AND kept AND state = 'success' AND expire_time IS NULL";

    return db_execute(db, sql, 1, &task_ids, NULL, err);
}

bool kept_task_release(struct db *db, const char *task_ids, int retention_hours, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET kept = false, expire_time = CASE WHEN state = 'success' AND expire_time IS NULL"
        "                                      THEN now() + $2::integer * interval '1 hour' ELSE expire_time END"
        " WHERE task_id = ANY ($1::uuid[]) AND kept";
    char hours[16];
    const char *const values[] = {task_ids, hours};

    snprintf(hours, sizeof(hours), "%d", retention_hours);
    return db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);
}

bool kept_task_lock(struct db *db, const char *task_id, struct error *err)
{
    static const char sql[] = "SELECT FROM waybill.export_task WHERE task_id = $1::uuid FOR NO KEY UPDATE";
    struct db_result *row = db_query_prepared(db, DB_ONE_OR_NO_ROW, sql, 1, &task_id, err);

    db_result_free(row);
    return row != NULL;
}

bool kept_task_fail(struct db *db, const char *task_id, const struct error *reason, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task SET state = 'failure', error_code = $2, error_msg = $3, finish_time = now()"
        " WHERE task_id = $1::uuid AND kept AND state = 'failure'";
    const char *const values[] = {task_id, error_info(reason->code)->api_code, reason->message};

    return db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);
}

bool kept_task_restart(struct db *db, const char *task_id, const char *enterprise_projects, bool *ret_queued,
                       struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task SET " TASK_QUEUED_AGAIN ", enterprise_projects = $2::text[]"
        " WHERE task_id = $1::uuid AND kept AND state = 'failure'"
        " RETURNING " TASK_ANNOUNCE_WORK;
    const char *const values[] = {task_id, enterprise_projects};
    struct db_result *row = db_query(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);

    if (row == NULL)
        return false;
    *ret_queued = db_rows(row) == 1;
    db_result_free(row);
    return true;
}
