#include "export/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "db/query.h"
#include "export/claim.h"

static const char *const state_names[] = {
    [TASK_QUEUED] = "queued", [TASK_RUNNING] = "running", [TASK_SUCCESS] = "success", [TASK_FAILURE] = "failure",
};

const char *task_state_name(enum task_state state)
{
    return state_names[state];
}

bool task_parse_state(const char *name, enum task_state *ret_state)
{
    for (size_t i = 0; i < ARRAY_SIZE(state_names); i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *ret_state = (enum task_state) i;
            return true;
        }
    }
    return false;
}

bool task_has_ended(const struct task *task)
{
    return task->state == TASK_SUCCESS || task->state == TASK_FAILURE;
}

void task_name(const struct task *task, char out[TASK_NAME_SIZE])
{
    snprintf(out, TASK_NAME_SIZE, "container_%" PRId64 "_export_task", task->create_time);
}

void task_file_name(const struct task *task, char out[TASK_NAME_SIZE])
{
    snprintf(out, TASK_NAME_SIZE, "container_%" PRId64 "_export.csv", task->create_time);
}

/*
 * Inserts a task: $7 is the limit of unfinished tasks, $10 and $11 are the failure, $12 is the lease of the claim and
 * $13 its duration, $14 the number of running exports from which tasks are not created as claimed (NULL: none).
 */
static const char insert_sql[] =
    "INSERT INTO waybill.export_task"
    " (project_id, enterprise_project_id, enterprise_projects, export_size, request, request_id, kept, task_id,"
    "  state, error_code, error_msg, finish_time, attempts, lease, lease_expire_time, start_time)"
    " SELECT $1, $2, $3::text[], $4::integer, $5::jsonb, $6, $8::boolean, $9::uuid,"
    "        CASE WHEN $10::text IS NOT NULL THEN 'failure' WHEN may_claim THEN 'running' ELSE 'queued' END,"
    "        $10, $11, CASE WHEN $10::text IS NOT NULL THEN now() END,"
    "        may_claim::integer, CASE WHEN may_claim THEN $12::uuid END,"
    "        CASE WHEN may_claim THEN now() + $13::integer * interval '1 second' END,"
    "        CASE WHEN may_claim THEN now() END"
    " FROM (SELECT $12::uuid IS NOT NULL"
    "              AND ($14::bigint IS NULL OR waybill.running_exports($14::bigint) < $14::bigint) AS may_claim"
    "       OFFSET 0) claim"
    " WHERE $7::bigint = 0 OR waybill.unfinished_tasks($7::bigint) < $7::bigint"
    " RETURNING task_id, state = 'running' AS is_claimed,"
    "           CASE WHEN kept AND state = 'queued' THEN " TASK_ANNOUNCE_WORK " END";

bool task_create(struct db *db, const struct task_spec *spec, int limit, struct new_task *ret_task, struct error *err)
{
    char export_size[16], limit_text[16], lease_seconds[16], half[16];
    const struct error *failure = spec->failure;
    const struct claim *claim = spec->claim;
    const char *const values[] = {spec->project_id, spec->enterprise_project_id, spec->enterprise_projects,
                                  export_size, spec->request, spec->request_id, limit_text,
                                  spec->kept ? "true" : "false", spec->task_id,
                                  failure == NULL ? NULL : error_info(failure->code)->api_code,
                                  failure == NULL ? NULL : failure->message, claim == NULL ? NULL : claim->lease,
                                  lease_seconds, claim == NULL || claim->terms.running_exports == 0 ? NULL : half};
    struct db_result *row;
    bool created;

    snprintf(export_size, sizeof(export_size), "%d", spec->export_size);
    snprintf(limit_text, sizeof(limit_text), "%d", limit);
    snprintf(lease_seconds, sizeof(lease_seconds), "%d", claim == NULL ? 0 : claim->terms.lease);
    snprintf(half, sizeof(half), "%d", claim == NULL ? 0 : claim->terms.running_exports / 2);
    row = db_query_prepared(db, DB_ONE_OR_NO_ROW, insert_sql, ARRAY_SIZE(values), values, err);
    if (row == NULL)
        return false;
    created = db_rows(row) == 1;
    if (created) {
        *ret_task = (struct new_task) {.is_new = true, .is_claimed = db_boolean(row, 0, "is_claimed")};
        snprintf(ret_task->task_id, sizeof(ret_task->task_id), "%s", db_text(row, 0, "task_id"));
    } else {
        error_set(err, ERROR_TOO_MANY,
                  "the project has reached the limit of %d unfinished export tasks; try again later", limit);
    }
    db_result_free(row);
    return created;
}

static void fill_text(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text == NULL ? "" : text);
}

/* `what` is "task" or "file". The message ends before a question mark in the id, like http_path_excerpt. */
static bool not_found(const char *what, const char *id, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    return error_set(err, ERROR_NOT_FOUND, "%s_id: no such %s in this project, or it is not visible to you, got %s",
                     what, what, text_excerpt(excerpt, id, strcspn(id, "?")));
}

/*
 * Selects the tasks that a viewer may see; $1 to $3 are its members. A task that exports all enterprise projects (NULL)
 * is visible only with a grant for all.
 */
#define VISIBLE                                                            \
    " project_id = $1"                                                     \
    " AND ($2::text[] IS NULL OR enterprise_projects <@ $2::text[])"       \
    " AND ($3::text IS NULL OR enterprise_project_id = $3::text)"

/* The columns that read_task reads. */
#define TASK_COLUMNS                                                                                             \
    " task_id, state, progress, exported_rows, truncated, " DB_MS("create_time") " AS create_ms"                  \
    ", " DB_MS("finish_time") " AS finish_ms, file_id, file_size, encode(sha256, 'hex') AS sha256"                \
    ", " DB_MS("expire_time") " AS expire_ms, expire_time <= now() AS expired, error_code, error_msg, gzip_size"

static void read_task(const struct db_result *rows, size_t row, struct task *task)
{
    *task = (struct task) {
        .progress = (int) db_integer(rows, row, "progress"),
        .exported_rows = db_integer(rows, row, "exported_rows"),
        .truncated = db_boolean(rows, row, "truncated"),
        .create_time = db_integer(rows, row, "create_ms"),
        .finish_time = db_integer(rows, row, "finish_ms"),
        .file_size = db_integer(rows, row, "file_size"),
        .expire_time = db_integer(rows, row, "expire_ms"),
        .expired = db_boolean(rows, row, "expired"),
        .gzip_size = db_integer(rows, row, "gzip_size"),
    };
    (void) task_parse_state(db_text(rows, row, "state"), &task->state); /* the table has no other states */
    fill_text(task->task_id, sizeof(task->task_id), db_text(rows, row, "task_id"));
    fill_text(task->file_id, sizeof(task->file_id), db_text(rows, row, "file_id"));
    fill_text(task->sha256, sizeof(task->sha256), db_text(rows, row, "sha256"));
    fill_text(task->error_code, sizeof(task->error_code), db_text(rows, row, "error_code"));
    fill_text(task->error_msg, sizeof(task->error_msg), db_text(rows, row, "error_msg"));
}

/*
 * Runs a constant statement for the task with the id ($4), which must be visible to the viewer ($1 to $3). Returns NULL
 * on failure, and with ERROR_NOT_FOUND if there is no such task. It is prepared, because waiting requests repeat it.
 */
static struct db_result *query_one(struct db *db, const char *sql, const char *what, const char *id,
                                   const struct task_viewer *viewer, struct error *err)
{
    const char *const values[] = {viewer->project_id, viewer->enterprise_projects, viewer->enterprise_project_id, id};
    struct db_result *row;

    if (!text_is_uuid(id)) {
        not_found(what, id, err);
        return NULL;
    }
    row = db_query_prepared(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);
    if (row == NULL || db_rows(row) == 1)
        return row;
    db_result_free(row);
    not_found(what, id, err);
    return NULL;
}

static bool find_one(struct db *db, const char *sql, const char *what, const char *id,
                     const struct task_viewer *viewer, struct task *ret_task, struct error *err)
{
    struct db_result *row = query_one(db, sql, what, id, viewer, err);

    if (row == NULL)
        return false;
    read_task(row, 0, ret_task);
    db_result_free(row);
    return true;
}

#define SELECT_TASK_BY(key) "SELECT" TASK_COLUMNS " FROM waybill.export_task WHERE " key " = $4::uuid AND" VISIBLE

bool task_find(struct db *db, const struct task_viewer *viewer, const char *task_id, struct task *ret_task,
               struct error *err)
{
    static const char sql[] = SELECT_TASK_BY("task_id");

    return find_one(db, sql, "task", task_id, viewer, ret_task, err);
}

bool task_find_by_file(struct db *db, const struct task_viewer *viewer, const char *file_id, struct task *ret_task,
                       struct error *err)
{
    static const char sql[] = SELECT_TASK_BY("file_id");

    return find_one(db, sql, "file", file_id, viewer, ret_task, err);
}

bool task_load(struct db *db, const char *task_id, struct task *ret_task, struct error *err)
{
    static const char sql[] = "SELECT" TASK_COLUMNS " FROM waybill.export_task WHERE task_id = $1::uuid";
    struct db_result *row = db_query(db, DB_ONE_OR_NO_ROW, sql, 1, &task_id, err);
    bool found;

    if (row == NULL)
        return false;
    found = db_rows(row) == 1 ? true : not_found("task", task_id, err);
    if (found)
        read_task(row, 0, ret_task);
    db_result_free(row);
    return found;
}

/*
 * Selects a page of tasks by their ids, and the total number of tasks of the viewer, in one snapshot. The result of an
 * empty page has one row, with the total.
 */
#define LIST_TASKS(ids)                                                                                                \
    "SELECT page.*, everything.total, everything.tallies"                                                              \
    " FROM (SELECT coalesce(sum(tasks), 0) AS total, count(*) AS tallies FROM waybill.task_tally"                      \
    "       WHERE" VISIBLE ") everything"                                                                              \
    " LEFT JOIN (SELECT" TASK_COLUMNS " FROM waybill.export_task WHERE task_id = ANY (ARRAY(" ids "))) page ON true"   \
    " ORDER BY page.create_ms DESC, page.task_id"

/* More than the groups of tasks of most projects. Each task that was created or removed in the last minute adds one. */
#define MANY_TALLIES 1000

#define NEWEST_FIRST " ORDER BY create_time DESC, task_id"

/*
 * A viewer that is restricted to some enterprise projects may see few of the tasks of the project, so the tasks of each
 * enterprise project are read separately, by index.
 */
static const char *list_sql(const struct task_viewer *viewer)
{
    static const char whole_project[] = LIST_TASKS(
        "SELECT task_id FROM waybill.export_task WHERE" VISIBLE NEWEST_FIRST " LIMIT $4::bigint OFFSET $5::bigint");
    static const char part[] = LIST_TASKS(
        "SELECT task_id FROM (SELECT DISTINCT enterprise_project_id FROM waybill.task_tally WHERE" VISIBLE ") seen,"
        " LATERAL (SELECT task_id, create_time FROM waybill.export_task"
        "          WHERE enterprise_project_id = seen.enterprise_project_id AND" VISIBLE
        NEWEST_FIRST " LIMIT $4::bigint + $5::bigint) task"
        NEWEST_FIRST " LIMIT $4::bigint OFFSET $5::bigint");

    return viewer->enterprise_projects == NULL && viewer->enterprise_project_id == NULL ? whole_project : part;
}

bool task_list(struct db *db, const struct task_viewer *viewer, int limit, int offset, struct task_page *ret_page,
               struct error *err)
{
    const char *const values[] = {viewer->project_id, viewer->enterprise_projects, viewer->enterprise_project_id};
    struct db_result *rows = db_query_page(db, list_sql(viewer), ARRAY_SIZE(values), values, limit, offset, err);

    if (rows == NULL)
        return false;
    *ret_page = (struct task_page) {
        .total = db_integer(rows, 0, "total"),
        .read_much = db_integer(rows, 0, "tallies") > MANY_TALLIES,
        .tasks = memory_zeroed(db_rows(rows), sizeof(struct task)),
    };
    while (ret_page->count < db_rows(rows) && !db_is_null(rows, ret_page->count, "task_id")) {
        read_task(rows, ret_page->count, &ret_page->tasks[ret_page->count]);
        ret_page->count++;
    }
    db_result_free(rows);
    return true;
}

bool task_remove(struct db *db, const struct task_viewer *viewer, const char *task_id,
                 char ret_file_id[TEXT_UUID_LENGTH + 1], struct error *err)
{
    static const char sql[] =
        "DELETE FROM waybill.export_task WHERE task_id = $4::uuid AND" VISIBLE
        " RETURNING CASE WHEN NOT file_removed THEN file_id END AS file_id, " TASK_ANNOUNCE_CHANGE;
    struct db_result *row = query_one(db, sql, "task", task_id, viewer, err);

    if (row == NULL)
        return false;
    fill_text(ret_file_id, TEXT_UUID_LENGTH + 1, db_text(row, 0, "file_id"));
    db_result_free(row);
    return true;
}
