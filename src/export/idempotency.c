#include "export/idempotency.h"

#include <stdio.h>
#include <string.h>

#include "db/query.h"

/*
 * The SHA-256 of a request: $3 is the body, $4 the enterprise_project_id, $5 the export_size, and $6 are the enterprise
 * projects. The text of a jsonb value does not depend on the order of members, whitespace or escapes.
 */
#define REQUEST_SHA256                                                                                                 \
    "sha256(convert_to(jsonb_build_array($3::jsonb, $4::text, $5::integer,"                                            \
    " (SELECT jsonb_agg(DISTINCT name COLLATE \"C\" ORDER BY name COLLATE \"C\")"                                      \
    "  FROM unnest($6::text[]) AS name))::text, 'UTF8'))"

/* $1 to $6 of the statements below. */
struct request {
    char export_size[16];
    const char *values[6];
};

static void fill_request(struct request *request, const char *key, const struct task_spec *spec)
{
    snprintf(request->export_size, sizeof(request->export_size), "%d", spec->export_size);
    request->values[0] = spec->project_id;
    request->values[1] = key;
    request->values[2] = spec->request;
    request->values[3] = spec->enterprise_project_id;
    request->values[4] = request->export_size;
    request->values[5] = spec->enterprise_projects;
}

/*
 * Stores the key with the task, or finds that the project has a valid key with this text (*ret_stored is false). The
 * statement waits for other transactions with the same key, also for those that delete it. In both cases it locks the
 * key, so that the next statement of the transaction finds it.
 */
static bool store_key(struct db *db, const struct request *request, const char *task_id, bool *ret_stored,
                      struct error *err)
{
    static const char sql[] =
        "INSERT INTO waybill.idempotency_key AS held (project_id, key, request_sha256, task_id)"
        " VALUES ($1, $2, " REQUEST_SHA256 ", $7::uuid)"
        " ON CONFLICT (project_id, key) DO UPDATE SET request_sha256 = excluded.request_sha256,"
        " task_id = excluded.task_id, create_time = excluded.create_time"
        " WHERE " IDEMPOTENCY_EXPIRED("held");
    const char *const values[] = {request->values[0], request->values[1], request->values[2], request->values[3],
                                  request->values[4], request->values[5], task_id};
    int64_t changed = 0;

    if (!db_execute(db, sql, ARRAY_SIZE(values), values, &changed, err))
        return false;
    *ret_stored = changed == 1;
    return true;
}

/* Finds the task of an equal request. */
static bool find_first(struct db *db, const struct request *request, char ret_task_id[TEXT_UUID_LENGTH + 1],
                       struct error *err)
{
    static const char sql[] =
        "SELECT task_id, request_sha256 = " REQUEST_SHA256 " AS is_equal FROM waybill.idempotency_key"
        " WHERE project_id = $1 AND key = $2";
    const char *key = request->values[1];
    struct db_result *row = db_query(db, DB_ONE_ROW, sql, ARRAY_SIZE(request->values), request->values, err);
    char excerpt[TEXT_EXCERPT_SIZE];
    bool is_equal;

    if (row == NULL)
        return false;
    is_equal = db_boolean(row, 0, "is_equal");
    if (is_equal)
        snprintf(ret_task_id, TEXT_UUID_LENGTH + 1, "%s", db_text(row, 0, "task_id"));
    else
        error_set(err, ERROR_KEY_REUSED, "Idempotency-Key must be a new key for each request, got %s, which another"
                  " request had in the last 24 hours: its body, query or grants differ",
                  text_excerpt(excerpt, key, strlen(key)));
    db_result_free(row);
    return is_equal;
}

bool idempotency_create_task(struct db *db, const char *key, const struct task_spec *spec, int limit,
                             struct new_task *ret_task, struct error *err)
{
    struct new_task task = {.is_new = false};
    struct request request;
    bool stored = false;

    fill_request(&request, key, spec);
    if (!db_begin(db, err))
        return false;
    if (!store_key(db, &request, spec->task_id, &stored, err)
        || !(stored ? task_create(db, spec, limit, &task, err) : find_first(db, &request, task.task_id, err))) {
        db_rollback(db);
        return false;
    }
    if (!stored)
        db_rollback(db);
    else if (!db_commit(db, err))
        return false;
    *ret_task = task;
    return true;
}
