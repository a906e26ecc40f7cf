#include "export/task_admin.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "db/query.h"

/* Selects a time as ISO 8601, or "" for NULL, with the name of its column. */
#define ISO(column)                                                                                                    \
    "coalesce(to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), '') AS " column

static bool no_such_task(const char *task_id, const char *kind, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    return error_set(err, ERROR_NOT_FOUND, "there is no %stask %s", kind,
                     text_excerpt(excerpt, task_id, strlen(task_id)));
}

/* Passes a column to the callback of task_admin_show. */
static void show_column(void *context, const char *column, const char *value)
{
    void (*const *each)(const char *name, const char *value) = context;

    (*each)(column, value == NULL ? "" : value);
}

bool task_admin_show(struct db *db, const char *task_id, void (*each)(const char *name, const char *value),
                     struct error *err)
{
    static const char sql[] =
        "SELECT task_id, state, project_id, enterprise_project_id,"
        " coalesce(enterprise_projects::text, 'all') AS enterprise_projects, export_size, request, request_id,"
        " attempts, lease, " ISO("lease_expire_time") ", progress, exported_rows, truncated, file_id, file_size,"
        " gzip_size, file_removed, encode(sha256, 'hex') AS sha256, error_code, error_msg,"
        " " ISO("create_time") ", " ISO("start_time") ", " ISO("finish_time") ", " ISO("expire_time")
        " FROM waybill.export_task WHERE task_id = $1::uuid";
    struct db_result *row;
    bool found;

    if (!text_is_uuid(task_id))
        return no_such_task(task_id, "", err);
    row = db_query(db, DB_ONE_OR_NO_ROW, sql, 1, &task_id, err);
    if (row == NULL)
        return false;
    found = db_rows(row) == 1;
    if (found)
        db_each_column(row, 0, show_column, &each);
    db_result_free(row);
    return found ? true : no_such_task(task_id, "", err);
}

bool task_admin_list(struct db *db, const char *project_id, const enum task_state *state, int limit,
                     void (*each)(const struct task_admin_entry *entry), struct error *err)
{
    static const char sql[] =
        "SELECT task_id, state, project_id, attempts, exported_rows, " ISO("create_time") ", " ISO("finish_time")
        ", coalesce(error_msg, '') AS error_msg"
        " FROM waybill.export_task"
        " WHERE ($1::text IS NULL OR project_id = $1::text) AND ($2::text IS NULL OR state = $2::text)"
        " ORDER BY export_task.create_time DESC, task_id LIMIT $3::integer";
    char limit_text[16];
    const char *const values[] = {project_id, state == NULL ? NULL : task_state_name(*state), limit_text};
    struct db_result *rows;

    snprintf(limit_text, sizeof(limit_text), "%d", limit);
    rows = db_query(db, DB_ROWS, sql, ARRAY_SIZE(values), values, err);
    if (rows == NULL)
        return false;
    for (size_t i = 0; i < db_rows(rows); i++) {
        const struct task_admin_entry entry = {
            .task_id = db_text(rows, i, "task_id"),
            .state = db_text(rows, i, "state"),
            .project_id = db_text(rows, i, "project_id"),
            .attempts = db_text(rows, i, "attempts"),
            .exported_rows = db_text(rows, i, "exported_rows"),
            .create_time = db_text(rows, i, "create_time"),
            .finish_time = db_text(rows, i, "finish_time"),
            .error_msg = db_text(rows, i, "error_msg"),
        };

        each(&entry);
    }
    db_result_free(rows);
    return true;
}

/* Runs a statement that changes the task $1 and returns a row, or no row if there is no task of this kind. */
static bool change(struct db *db, const char *sql, const char *kind, size_t count, const char *const *values,
                   struct error *err)
{
    const char *task_id = values[0];
    struct db_result *row;
    bool changed;

    if (!text_is_uuid(task_id))
        return no_such_task(task_id, kind, err);
    row = db_query(db, DB_ONE_OR_NO_ROW, sql, count, values, err);
    if (row == NULL)
        return false;
    changed = db_rows(row) == 1;
    db_result_free(row);
    return changed ? true : no_such_task(task_id, kind, err);
}

bool task_admin_cancel(struct db *db, const char *task_id, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET state = 'failure', lease = NULL, lease_expire_time = NULL, finish_time = now(), error_code = $2,"
        "     error_msg = 'the export was cancelled by the operator'"
        " WHERE task_id = $1::uuid AND state IN ('queued', 'running')"
        " RETURNING " TASK_ANNOUNCE_CHANGE;
    const char *const values[] = {task_id, error_info(ERROR_CANCELLED)->api_code};

    return change(db, sql, "unfinished ", ARRAY_SIZE(values), values, err);
}

bool task_admin_retry(struct db *db, const char *task_id, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task SET " TASK_QUEUED_AGAIN
        " WHERE task_id = $1::uuid AND state = 'failure'"
        " RETURNING " TASK_ANNOUNCE_WORK;
    const char *const values[] = {task_id};

    return change(db, sql, "failed ", ARRAY_SIZE(values), values, err);
}
