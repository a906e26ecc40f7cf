#include "schedule/schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "db/query.h"
#include "db/scope.h"
#include "export/kept_task.h"
#include "schedule/notification.h"
#include "schedule/notify_secret.h"
#include "schedule/run.h"

#define ANNOUNCE_CHANGE "pg_catalog.pg_notify('" SCHEDULE_CHANNEL "', '')"

/*
 * Selects the schedules that a viewer may see; $1 and $2 are its members. A schedule that exports all enterprise
 * projects (NULL) is visible only with a grant for all.
 */
#define VISIBLE " project_id = $1 AND ($2::text[] IS NULL OR enterprise_projects <@ $2::text[])"

/* The columns that read_schedule reads. */
#define SCHEDULE_COLUMNS                                                                                             \
    " schedule.schedule_id, name, rule, time_zone, " DB_MS("start_time") " AS start_ms, enabled, keep"                \
    ", enterprise_project_id, export_size, request, notify_url, " DB_MS("create_time") " AS create_ms"                \
    ", " DB_MS("next_run_time") " AS next_ms, pause_reason, " DB_MS("last.occurrence_time") " AS last_ms"             \
    ", last.task_id AS last_task_id, last.state AS last_state"

/* The newest run that has a task. */
#define LAST_RUN                                                                                                     \
    " LEFT JOIN LATERAL (SELECT occurrence_time, task_id, state FROM waybill.schedule_run run"                        \
    "                    WHERE run.schedule_id = schedule.schedule_id AND task_id IS NOT NULL"                        \
    "                    ORDER BY occurrence_time DESC, run_id DESC LIMIT 1) last ON true"

void schedule_clear(struct schedule *schedule)
{
    schedule_definition_clear(&schedule->definition);
    free(schedule->pause_reason);
    *schedule = (struct schedule) {0};
}

static char *copied_text(const struct db_result *rows, size_t row, const char *column)
{
    const char *text = db_text(rows, row, column);

    return text == NULL ? NULL : memory_copy_text(text);
}

static void read_schedule(const struct db_result *rows, size_t row, struct schedule *schedule)
{
    *schedule = (struct schedule) {
        .definition = {
            .name = copied_text(rows, row, "name"),
            .rule = copied_text(rows, row, "rule"),
            .time_zone = copied_text(rows, row, "time_zone"),
            .start_time = db_integer(rows, row, "start_ms"),
            .enabled = db_boolean(rows, row, "enabled"),
            .keep = (int) db_integer(rows, row, "keep"),
            .enterprise_project_id = copied_text(rows, row, "enterprise_project_id"),
            .export_size = (int) db_integer(rows, row, "export_size"),
            .request = copied_text(rows, row, "request"),
            .notify_url = copied_text(rows, row, "notify_url"),
        },
        .create_time = db_integer(rows, row, "create_ms"),
        .next_run_time = db_integer(rows, row, "next_ms"),
        .pause_reason = copied_text(rows, row, "pause_reason"),
        .has_last_run = !db_is_null(rows, row, "last_ms"),
        .last_occurrence_time = db_integer(rows, row, "last_ms"),
    };
    snprintf(schedule->schedule_id, sizeof(schedule->schedule_id), "%s", db_text(rows, row, "schedule_id"));
    if (!schedule->has_last_run)
        return;
    snprintf(schedule->last_task_id, sizeof(schedule->last_task_id), "%s", db_text(rows, row, "last_task_id"));
    snprintf(schedule->last_state, sizeof(schedule->last_state), "%s", db_text(rows, row, "last_state"));
}

static bool no_such_schedule(const char *schedule_id, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    return error_set(err, ERROR_NOT_FOUND,
                     "schedule_id: no such schedule in this project, or it is not visible to you, got %s",
                     text_excerpt(excerpt, schedule_id, strlen(schedule_id)));
}

static bool name_is_taken(const char *name, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    return error_set(err, ERROR_PARAMETER, "name must be unique in the project, got %s, which another schedule has",
                     text_excerpt(excerpt, name, strlen(name)));
}

bool schedule_now(struct db *db, int64_t *ret_now, struct error *err)
{
    struct db_result *row = db_query(db, DB_ONE_ROW, "SELECT " DB_MS("clock_timestamp()") " AS now", 0, NULL, err);

    if (row == NULL)
        return false;
    *ret_now = db_integer(row, 0, "now");
    db_result_free(row);
    return true;
}

/*
 * Begins a transaction that may give a schedule a name. Such transactions of a project run one after the other. Returns
 * the time from which the occurrences of the schedule run.
 */
static bool begin_change(struct db *db, const char *project_id, int64_t *ret_now, struct error *err)
{
    char subject[sizeof("schedules of ") + 4 * 256];

    snprintf(subject, sizeof(subject), "schedules of %s", project_id);
    if (!db_begin_locked(db, db_lock_of(subject), err))
        return false;
    if (schedule_now(db, ret_now, err))
        return true;
    db_rollback(db);
    return false;
}

static bool end_change(struct db *db, bool changed, struct error *err)
{
    if (changed)
        return db_commit(db, err);
    db_rollback(db);
    return false;
}

/* The texts of the values that a definition gives to a row. */
struct row_values {
    char start_time[24];
    char keep[16];
    char export_size[16];
    char credential_id[24];
    char pending_from[24];
    char next_run_time[24];
    char secret[WEBHOOK_SECRET_SIZE]; /* for a new URL */
    char *stored_secret;              /* the same as it is stored; NULL without a URL */
};

#define ROW_VALUE_COUNT 17

/* Makes a secret for the notifications, if there are any. */
static bool make_secret(const struct schedule_owner *owner, const struct schedule_definition *definition,
                        struct row_values *texts, struct error *err)
{
    texts->secret[0] = '\0';
    texts->stored_secret = NULL;
    if (definition->notify_url == NULL)
        return true;
    webhook_new_secret(texts->secret);
    texts->stored_secret = notify_secret_seal(owner->ring, owner->project_id, texts->secret, err);
    return texts->stored_secret != NULL;
}

/* Wipes the secret and frees what fill_values has allocated. */
static void end_values(struct row_values *texts)
{
    memory_wipe(texts->secret, sizeof(texts->secret));
    memory_free_secret(texts->stored_secret);
}

/* Fills in the values of the columns as $1 to $17 of a statement. If it succeeds, call end_values later. */
static bool fill_values(const struct schedule_owner *owner, const struct schedule_definition *definition, int64_t now,
                        struct row_values *texts, const char *values[ROW_VALUE_COUNT], struct error *err)
{
    int64_t next = 0;

    if ((definition->enabled && !schedule_definition_next(definition, now, &next, err))
        || !make_secret(owner, definition, texts, err))
        return false;
    snprintf(texts->start_time, sizeof(texts->start_time), "%" PRId64, definition->start_time);
    snprintf(texts->keep, sizeof(texts->keep), "%d", definition->keep);
    snprintf(texts->export_size, sizeof(texts->export_size), "%d", definition->export_size);
    snprintf(texts->credential_id, sizeof(texts->credential_id), "%" PRId64, owner->credential_id);
    snprintf(texts->pending_from, sizeof(texts->pending_from), "%" PRId64, now);
    snprintf(texts->next_run_time, sizeof(texts->next_run_time), "%" PRId64, next);
    memcpy(values, (const char *[ROW_VALUE_COUNT]) {
        owner->project_id, owner->enterprise_projects, definition->name, definition->rule, definition->time_zone,
        texts->start_time, definition->enabled ? "true" : "false", texts->keep, definition->enterprise_project_id,
        texts->export_size, definition->request, definition->notify_url,
        texts->stored_secret, owner->credential_id == 0 ? NULL : texts->credential_id,
        texts->pending_from, next == 0 ? NULL : texts->next_run_time, NULL,
    }, sizeof(*values) * ROW_VALUE_COUNT);
    return true;
}

static bool insert(struct db *db, const struct schedule_owner *owner, const struct schedule_definition *definition,
                   int64_t now, char ret_schedule_id[TEXT_UUID_LENGTH + 1], char ret_secret[WEBHOOK_SECRET_SIZE],
                   struct error *err)
{
    static const char sql[] =
        "INSERT INTO waybill.export_schedule"
        " (project_id, enterprise_projects, name, rule, time_zone, start_time, enabled, keep, enterprise_project_id,"
        "  export_size, request, notify_url, notify_secret, credential_id, create_time, pending_from, next_run_time)"
        " VALUES ($1, $2::text[], $3, $4, $5, " DB_TIME("$6") ", $7::boolean, $8::integer, $9, $10::integer,"
        "         $11::json, $12, $13, $14::bigint, " DB_TIME("$15") ", " DB_TIME("$15") ", " DB_TIME("$16") ")"
        " ON CONFLICT (project_id, name) DO NOTHING RETURNING schedule_id, " ANNOUNCE_CHANGE;
    const char *values[ROW_VALUE_COUNT];
    struct row_values texts;
    struct db_result *row;
    bool created;

    if (!fill_values(owner, definition, now, &texts, values, err))
        return false;
    row = db_query(db, DB_ONE_OR_NO_ROW, sql, ROW_VALUE_COUNT - 1, values, err);
    created = row != NULL && (db_rows(row) == 1 || name_is_taken(definition->name, err));
    if (created) {
        snprintf(ret_schedule_id, TEXT_UUID_LENGTH + 1, "%s", db_text(row, 0, "schedule_id"));
        memcpy(ret_secret, texts.secret, sizeof(texts.secret));
    }
    db_result_free(row);
    end_values(&texts);
    return created;
}

bool schedule_create(struct db *db, const struct schedule_owner *owner, const struct schedule_definition *definition,
                     char ret_schedule_id[TEXT_UUID_LENGTH + 1], char ret_secret[WEBHOOK_SECRET_SIZE],
                     struct error *err)
{
    char schedule_id[TEXT_UUID_LENGTH + 1], secret[WEBHOOK_SECRET_SIZE];
    int64_t now;

    if (!begin_change(db, owner->project_id, &now, err)
        || !end_change(db, insert(db, owner, definition, now, schedule_id, secret, err), err))
        return false;
    memcpy(ret_schedule_id, schedule_id, sizeof(schedule_id));
    memcpy(ret_secret, secret, sizeof(secret));
    return true;
}

/* Queries a schedule ($3) that the viewer may see. Returns NULL on failure, with ERROR_NOT_FOUND if there is none. */
static struct db_result *query_visible(struct db *db, const char *sql, const struct task_viewer *viewer,
                                       const char *schedule_id, struct error *err)
{
    const char *const values[] = {viewer->project_id, viewer->enterprise_projects, schedule_id};
    struct db_result *row = NULL;

    if (text_is_uuid(schedule_id)) {
        row = db_query(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);
        if (row == NULL || db_rows(row) == 1)
            return row;
        db_result_free(row);
    }
    no_such_schedule(schedule_id, err);
    return NULL;
}

#define WHERE_VISIBLE " WHERE schedule.schedule_id = $3::uuid AND" VISIBLE

bool schedule_check(struct db *db, const struct task_viewer *viewer, const char *schedule_id, struct error *err)
{
    static const char sql[] = "SELECT FROM waybill.export_schedule schedule" WHERE_VISIBLE;
    struct db_result *row = query_visible(db, sql, viewer, schedule_id, err);

    db_result_free(row);
    return row != NULL;
}

bool schedule_lock(struct db *db, const struct task_viewer *viewer, const char *schedule_id, struct error *err)
{
    static const char sql[] = "SELECT FROM waybill.export_schedule schedule" WHERE_VISIBLE " FOR NO KEY UPDATE";
    struct db_result *row = query_visible(db, sql, viewer, schedule_id, err);

    db_result_free(row);
    return row != NULL;
}

/* Updates the row of a locked schedule. */
static bool update(struct db *db, const char *schedule_id, const struct schedule_owner *owner,
                   const struct schedule_definition *definition, int64_t now,
                   char ret_secret[WEBHOOK_SECRET_SIZE], struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_schedule"
        " SET enterprise_projects = $2::text[], name = $3, rule = $4, time_zone = $5, start_time = " DB_TIME("$6") ","
        "     enabled = $7::boolean, keep = $8::integer, enterprise_project_id = $9, export_size = $10::integer,"
        "     request = $11::json, notify_url = $12,"
        "     notify_secret = CASE WHEN notify_url IS NOT DISTINCT FROM $12 THEN notify_secret ELSE $13 END,"
        "     credential_id = $14::bigint, pending_from = " DB_TIME("$15") ", next_run_time = " DB_TIME("$16") ","
        "     pause_reason = NULL"
        " WHERE schedule_id = $17::uuid"
        " AND NOT EXISTS (SELECT FROM waybill.export_schedule"
        "                 WHERE project_id = $1 AND name = $3 AND schedule_id <> $17::uuid)"
        " RETURNING notify_secret = $13 AS is_new_secret, " ANNOUNCE_CHANGE;
    const char *values[ROW_VALUE_COUNT];
    struct row_values texts;
    struct db_result *row;
    bool changed;

    if (!fill_values(owner, definition, now, &texts, values, err))
        return false;
    values[ROW_VALUE_COUNT - 1] = schedule_id;
    row = db_query(db, DB_ONE_OR_NO_ROW, sql, ROW_VALUE_COUNT, values, err);
    changed = row != NULL && (db_rows(row) == 1 || name_is_taken(definition->name, err));
    if (changed)
        snprintf(ret_secret, WEBHOOK_SECRET_SIZE, "%s", db_boolean(row, 0, "is_new_secret") ? texts.secret : "");
    db_result_free(row);
    end_values(&texts);
    return changed;
}

static bool replace(struct db *db, const struct task_viewer *viewer, const char *schedule_id,
                    const struct schedule_owner *owner, const struct schedule_definition *definition, int64_t now,
                    char ret_secret[WEBHOOK_SECRET_SIZE], struct error *err)
{
    bool same_url;

    if (!schedule_lock(db, viewer, schedule_id, err)
        || !update(db, schedule_id, owner, definition, now, ret_secret, err))
        return false;
    same_url = definition->notify_url != NULL && *ret_secret == '\0';
    return (same_url || notification_redirect(db, schedule_id, definition->notify_url, err))
           && db_widen_scope(db, err) /* older runs may have exported what the viewer may not see */
           && schedule_run_prune(db, schedule_id, definition->keep, err);
}

bool schedule_replace(struct db *db, const struct task_viewer *viewer, const char *schedule_id,
                      const struct schedule_owner *owner, const struct schedule_definition *definition,
                      char ret_secret[WEBHOOK_SECRET_SIZE], struct error *err)
{
    char secret[WEBHOOK_SECRET_SIZE];
    int64_t now;

    if (!begin_change(db, owner->project_id, &now, err)
        || !end_change(db, replace(db, viewer, schedule_id, owner, definition, now, secret, err), err))
        return false;
    memcpy(ret_secret, secret, sizeof(secret));
    return true;
}

bool schedule_find(struct db *db, const struct task_viewer *viewer, const char *schedule_id,
                   struct schedule *ret_schedule, struct error *err)
{
    static const char sql[] =
        "SELECT" SCHEDULE_COLUMNS " FROM waybill.export_schedule schedule" LAST_RUN WHERE_VISIBLE;
    struct db_result *row = query_visible(db, sql, viewer, schedule_id, err);

    if (row == NULL)
        return false;
    read_schedule(row, 0, ret_schedule);
    db_result_free(row);
    return true;
}

bool schedule_find_id(struct db *db, const char *project_id, const char *name,
                      char ret_schedule_id[TEXT_UUID_LENGTH + 1], struct error *err)
{
    static const char sql[] = "SELECT schedule_id FROM waybill.export_schedule WHERE project_id = $1 AND name = $2";
    const char *const values[] = {project_id, name};
    struct db_result *row = db_query(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);
    char excerpt[TEXT_EXCERPT_SIZE];
    bool found;

    if (row == NULL)
        return false;
    found = db_rows(row) == 1;
    if (found)
        snprintf(ret_schedule_id, TEXT_UUID_LENGTH + 1, "%s", db_text(row, 0, "schedule_id"));
    else
        error_set(err, ERROR_NOT_FOUND, "the project has no schedule %s", text_excerpt(excerpt, name, strlen(name)));
    db_result_free(row);
    return found;
}

bool schedule_list(struct db *db, const struct task_viewer *viewer, int limit, int offset,
                   struct schedule_page *ret_page, struct error *err)
{
    /* The result of an empty page has one row, with the total. */
    static const char sql[] =
        "SELECT page.*, everything.total"
        " FROM (SELECT count(*) AS total FROM waybill.export_schedule WHERE" VISIBLE ") everything"
        " LEFT JOIN (SELECT" SCHEDULE_COLUMNS " FROM (SELECT * FROM waybill.export_schedule WHERE" VISIBLE
        "                   ORDER BY name LIMIT $3::bigint OFFSET $4::bigint) schedule" LAST_RUN ") page ON true"
        " ORDER BY page.name";
    const char *const values[] = {viewer->project_id, viewer->enterprise_projects};
    struct db_result *rows = db_query_page(db, sql, ARRAY_SIZE(values), values, limit, offset, err);

    if (rows == NULL)
        return false;
    *ret_page = (struct schedule_page) {
        .total = db_integer(rows, 0, "total"),
        .schedules = memory_zeroed(db_rows(rows), sizeof(struct schedule)),
    };
    while (ret_page->count < db_rows(rows) && !db_is_null(rows, ret_page->count, "schedule_id")) {
        read_schedule(rows, ret_page->count, &ret_page->schedules[ret_page->count]);
        ret_page->count++;
    }
    db_result_free(rows);
    return true;
}

void schedule_page_free(struct schedule_page *page)
{
    for (size_t i = 0; i < page->count; i++)
        schedule_clear(&page->schedules[i]);
    free(page->schedules);
    *page = (struct schedule_page) {0};
}

/* Removes the row, and with it the runs and notifications. */
static bool delete_row(struct db *db, const char *schedule_id, struct error *err)
{
    return db_execute(db, "DELETE FROM waybill.export_schedule WHERE schedule_id = $1::uuid", 1, &schedule_id, NULL,
                      err);
}

bool schedule_remove(struct db *db, const struct task_viewer *viewer, const char *schedule_id, int retention_hours,
                     struct error *err)
{
    char *task_ids = NULL;
    bool removed;

    if (!db_begin(db, err))
        return false;
    removed = schedule_lock(db, viewer, schedule_id, err)
              && db_widen_scope(db, err)
              && schedule_run_task_ids(db, schedule_id, &task_ids, err)
              && kept_task_release(db, task_ids, retention_hours, err)
              && delete_row(db, schedule_id, err);
    free(task_ids);
    return end_change(db, removed, err);
}

static bool change_state(struct db *db, const struct schedule *schedule, bool enabled, int64_t now, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_schedule"
        " SET enabled = $2::boolean, pending_from = " DB_TIME("$3") ", next_run_time = " DB_TIME("$4") ","
        "     pause_reason = NULL"
        " WHERE schedule_id = $1::uuid AND enabled <> $2::boolean"
        " RETURNING " ANNOUNCE_CHANGE;
    char now_text[24], next_text[24];
    const char *values[] = {schedule->schedule_id, enabled ? "true" : "false", now_text, next_text};
    struct db_result *row;
    int64_t next = 0;

    if (enabled && !schedule_definition_next(&schedule->definition, now, &next, err))
        return false;
    snprintf(now_text, sizeof(now_text), "%" PRId64, now);
    snprintf(next_text, sizeof(next_text), "%" PRId64, next);
    if (next == 0)
        values[3] = NULL;
    row = db_query(db, DB_ONE_OR_NO_ROW, sql, ARRAY_SIZE(values), values, err);
    db_result_free(row);
    return row != NULL;
}

bool schedule_set_enabled(struct db *db, const struct task_viewer *viewer, const char *schedule_id, bool enabled,
                          struct error *err)
{
    struct schedule schedule = {0};
    int64_t now;
    bool changed;

    if (!begin_change(db, viewer->project_id, &now, err))
        return false;
    changed = schedule_lock(db, viewer, schedule_id, err)
              && schedule_find(db, viewer, schedule_id, &schedule, err)
              && change_state(db, &schedule, enabled, now, err);
    schedule_clear(&schedule);
    return end_change(db, changed, err);
}
