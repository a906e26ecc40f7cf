#include "export/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MS(column) "(extract(epoch FROM " column ") * 1000)::bigint"

void task_name(const struct task *task, char out[TASK_NAME_SIZE])
{
    snprintf(out, TASK_NAME_SIZE, "container_%" PRId64 "_export_task", task->create_time);
}

void task_file_name(const struct task *task, char out[TASK_NAME_SIZE])
{
    snprintf(out, TASK_NAME_SIZE, "container_%" PRId64 "_export.csv", task->create_time);
}

bool task_create(struct db *db, const struct task_order *order, int limit, char ret_task_id[TEXT_UUID_LENGTH + 1],
                 struct error *err)
{
    static const char sql[] =
        "INSERT INTO waybill.export_task"
        " (project_id, enterprise_project_id, enterprise_projects, export_size, request, request_id)"
        " SELECT $1, $2, $3::text[], $4::integer, $5::jsonb, $6"
        " WHERE (SELECT count(*) FROM waybill.export_task"
        "        WHERE project_id = $1 AND state IN ('queued', 'running')) < $7::bigint"
        " RETURNING task_id";
    char export_size[16], limit_text[16];
    const char *const values[] = {order->project_id, order->enterprise_project_id, order->enterprise_projects,
                                  export_size, order->request, order->request_id, limit_text};
    struct db_result *result;
    bool created;

    snprintf(export_size, sizeof(export_size), "%d", order->export_size);
    snprintf(limit_text, sizeof(limit_text), "%d", limit);
    result = db_query(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);
    if (result == NULL)
        return false;
    created = db_rows(result) == 1;
    if (created)
        snprintf(ret_task_id, TEXT_UUID_LENGTH + 1, "%s", db_text(result, 0, 0));
    else
        error_set(err, ERROR_TOO_MANY, "the project has %d unfinished export tasks, as many as it may; try again later",
                  limit);
    db_result_free(result);
    return created;
}

static void copy_text(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text == NULL ? "" : text);
}

static enum task_state parse_state(const char *state)
{
    static const char *const names[] = {"queued", "running", "success", "failure"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(state, names[i]) == 0)
            return (enum task_state) i;
    }
    return TASK_QUEUED;
}

static bool not_found(const char *what, const char *id, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    return error_set(err, ERROR_NOT_FOUND, "%s must be one of the project that the caller may see, got %s", what,
                     text_excerpt(excerpt, id, strlen(id)));
}

/* The one row of a find. `sql` has $1 for the id and leaves $2 to $4 to the viewer. */
static bool find(struct db *db, const char *sql, const char *what, const char *id, const struct task_viewer *viewer,
                 struct task *ret_task, struct error *err)
{
    const char *const values[] = {id, viewer->project_id, viewer->enterprise_projects, viewer->enterprise_project_id};
    struct db_result *row;

    if (!text_is_uuid(id))
        return not_found(what, id, err);
    row = db_query(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);
    if (row == NULL)
        return false;
    if (db_rows(row) == 0) {
        db_result_free(row);
        return not_found(what, id, err);
    }
    *ret_task = (struct task) {
        .state = parse_state(db_text(row, 0, 1)),
        .progress = (int) db_integer(row, 0, 2),
        .exported_rows = db_integer(row, 0, 3),
        .truncated = db_boolean(row, 0, 4),
        .create_time = db_integer(row, 0, 5),
        .finish_time = db_integer(row, 0, 6),
        .file_size = db_integer(row, 0, 8),
        .expire_time = db_integer(row, 0, 10),
        .expired = db_boolean(row, 0, 11),
    };
    copy_text(ret_task->task_id, sizeof(ret_task->task_id), db_text(row, 0, 0));
    copy_text(ret_task->file_id, sizeof(ret_task->file_id), db_text(row, 0, 7));
    copy_text(ret_task->sha256, sizeof(ret_task->sha256), db_text(row, 0, 9));
    copy_text(ret_task->error_code, sizeof(ret_task->error_code), db_text(row, 0, 12));
    copy_text(ret_task->error_msg, sizeof(ret_task->error_msg), db_text(row, 0, 13));
    db_result_free(row);
    return true;
}

/* A task of all enterprise projects (NULL) is contained in nothing but the grant of all. */
#define SELECT_TASK_BY(key)                                                                                  \
    "SELECT task_id, state, progress, exported_rows, truncated, " MS("create_time") ", " MS("finish_time")   \
    ", file_id, file_size, encode(sha256, 'hex'), " MS("expire_time") ", expire_time <= now()"               \
    ", error_code, error_msg"                                                                                \
    " FROM waybill.export_task"                                                                              \
    " WHERE " key " = $1::uuid AND project_id = $2"                                                          \
    " AND ($3::text[] IS NULL OR enterprise_projects <@ $3::text[])"                                         \
    " AND ($4::text IS NULL OR $4::text = '" TASK_ALL_GRANTED "' OR enterprise_project_id = $4::text)"

bool task_find(struct db *db, const struct task_viewer *viewer, const char *task_id, struct task *ret_task,
               struct error *err)
{
    return find(db, SELECT_TASK_BY("task_id"), "task_id", task_id, viewer, ret_task, err);
}

bool task_find_by_file(struct db *db, const struct task_viewer *viewer, const char *file_id, struct task *ret_task,
                       struct error *err)
{
    return find(db, SELECT_TASK_BY("file_id"), "file_id", file_id, viewer, ret_task, err);
}

/* Ends the tasks that died TASK_MAX_ATTEMPTS times in the hands of an exporter. */
static bool fail_exhausted(struct db *db, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET state = 'failure', lease = NULL, lease_expire_time = NULL, finish_time = now(),"
        "     error_code = $1, error_msg = 'the export was given up after ' || attempts || ' attempts'"
        " WHERE state = 'running' AND lease_expire_time < now() AND attempts >= $2::integer";
    char attempts[16];
    const char *const values[] = {error_info(ERROR_INTERNAL)->api_code, attempts};

    snprintf(attempts, sizeof(attempts), "%d", TASK_MAX_ATTEMPTS);
    return db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);
}

bool task_claim_next(struct db *db, const char *task_id, int lease_seconds, struct task_claim **ret_claim,
                     struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET state = 'running', lease = gen_random_uuid(),"
        "     lease_expire_time = now() + $1::integer * interval '1 second',"
        "     attempts = attempts + 1, progress = 0, exported_rows = 0"
        " WHERE task_id = ("
        "     SELECT task_id FROM waybill.export_task"
        "     WHERE state IN ('queued', 'running')"
        "       AND (state = 'queued' OR lease_expire_time < now() AND attempts < $2::integer)"
        "       AND ($3::uuid IS NULL OR task_id = $3::uuid)"
        "     ORDER BY create_time LIMIT 1 FOR UPDATE SKIP LOCKED)"
        " RETURNING task_id, lease, attempts, export_size, project_id, enterprise_projects, request, request_id";
    char lease[16], attempts[16];
    const char *const values[] = {lease, attempts, task_id};
    struct task_claim *claim = NULL;
    struct db_result *row;

    snprintf(lease, sizeof(lease), "%d", lease_seconds);
    snprintf(attempts, sizeof(attempts), "%d", TASK_MAX_ATTEMPTS);
    row = db_query(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);
    if (row == NULL)
        return false;
    if (db_rows(row) == 1) {
        claim = memory_zeroed(1, sizeof(*claim));
        copy_text(claim->task_id, sizeof(claim->task_id), db_text(row, 0, 0));
        copy_text(claim->lease, sizeof(claim->lease), db_text(row, 0, 1));
        claim->attempt = (int) db_integer(row, 0, 2);
        claim->export_size = (int) db_integer(row, 0, 3);
        claim->project_id = memory_copy_text(db_text(row, 0, 4));
        claim->enterprise_projects = db_is_null(row, 0, 5) ? NULL : memory_copy_text(db_text(row, 0, 5));
        claim->request = memory_copy_text(db_text(row, 0, 6));
        claim->request_id = memory_copy_text(db_text(row, 0, 7));
    }
    db_result_free(row);
    if (claim == NULL && !fail_exhausted(db, err))
        return false;
    *ret_claim = claim;
    return true;
}

void task_claim_free(struct task_claim *claim)
{
    if (claim == NULL)
        return;
    free(claim->project_id);
    free(claim->enterprise_projects);
    free(claim->request);
    free(claim->request_id);
    free(claim);
}

/* An UPDATE of the task under its lease: $1 is the task, $2 the lease. */
#define WHERE_HELD " WHERE task_id = $1::uuid AND lease = $2::uuid"

static bool update_held(struct db *db, const char *sql, size_t count, const char *const *values, struct error *err)
{
    int64_t changed = 0;

    if (!db_execute(db, sql, count, values, &changed, err))
        return false;
    if (changed != 1)
        return error_set(err, ERROR_CANCELLED, "another process has taken over the export");
    return true;
}

bool task_renew(struct db *db, const struct task_claim *claim, int lease_seconds, int progress, int64_t exported_rows,
                struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET lease_expire_time = now() + $3::integer * interval '1 second',"
        "     progress = $4::integer, exported_rows = $5::bigint" WHERE_HELD;
    char lease[16], progress_text[16], rows[24];
    const char *const values[] = {claim->task_id, claim->lease, lease, progress_text, rows};

    snprintf(lease, sizeof(lease), "%d", lease_seconds);
    snprintf(progress_text, sizeof(progress_text), "%d", progress);
    snprintf(rows, sizeof(rows), "%" PRId64, exported_rows);
    return update_held(db, sql, ARRAY_SIZE(values), values, err);
}

bool task_succeed(struct db *db, const struct task_claim *claim, const struct task_outcome *outcome, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET state = 'success', lease = NULL, lease_expire_time = NULL, progress = 100,"
        "     exported_rows = $3::bigint, truncated = $4::boolean, file_id = $5::uuid, file_size = $6::bigint,"
        "     sha256 = decode($7, 'hex'), finish_time = now(),"
        "     expire_time = now() + $8::integer * interval '1 hour'" WHERE_HELD;
    char rows[24], size[24], sha256[2 * SHA256_SIZE + 1], retention[16];
    const char *const values[] = {claim->task_id, claim->lease, rows, outcome->truncated ? "true" : "false",
                                  outcome->file_id, size, sha256, retention};

    snprintf(rows, sizeof(rows), "%" PRId64, outcome->exported_rows);
    snprintf(size, sizeof(size), "%" PRId64, outcome->file_size);
    text_hex(sha256, outcome->sha256, SHA256_SIZE);
    snprintf(retention, sizeof(retention), "%d", outcome->retention_hours);
    return update_held(db, sql, ARRAY_SIZE(values), values, err);
}

bool task_fail(struct db *db, const struct task_claim *claim, const struct error *reason, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET state = 'failure', lease = NULL, lease_expire_time = NULL, finish_time = now(),"
        "     error_code = $3, error_msg = $4" WHERE_HELD;
    const char *const values[] = {claim->task_id, claim->lease, error_info(reason->code)->api_code, reason->message};

    return update_held(db, sql, ARRAY_SIZE(values), values, err);
}

bool task_hand_back(struct db *db, const struct task_claim *claim, bool attempted, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task"
        " SET state = 'queued', lease = NULL, lease_expire_time = NULL, progress = 0, exported_rows = 0,"
        "     attempts = attempts - $3::integer" WHERE_HELD;
    const char *const values[] = {claim->task_id, claim->lease, attempted ? "0" : "1"};

    return update_held(db, sql, ARRAY_SIZE(values), values, err);
}
