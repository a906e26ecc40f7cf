#include "export/retention.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "export/export_file.h"

/* How many rows one statement changes, and that it leaves alone those that another process is changing. */
#define BATCH 1000
#define LIMIT_BATCH " LIMIT 1000 FOR UPDATE SKIP LOCKED"

/* Runs a statement again and again, until it changes less than a whole batch. */
static bool in_batches(struct db *db, const char *sql, size_t count, const char *const *values, int64_t *total,
                       struct error *err)
{
    int64_t changed;

    do {
        if (!db_execute(db, sql, count, values, &changed, err))
            return false;
        *total += changed;
    } while (changed == BATCH);
    return true;
}

#define HAS_FILE " state = 'success' AND NOT file_removed"

static bool expire_old(struct db *db, int64_t *expired, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task SET file_removed = true WHERE" HAS_FILE " AND task_id IN ("
        "    SELECT task_id FROM waybill.export_task WHERE" HAS_FILE " AND expire_time <= now()"
        "    ORDER BY expire_time" LIMIT_BATCH ")";

    return in_batches(db, sql, 0, NULL, expired, err);
}

/* The oldest go until the rest fits; the newest stays, or an export larger than the limit would never be seen. */
static bool expire_beyond_limit(struct db *db, int64_t max_total_bytes, int64_t *expired, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.export_task SET file_removed = true, expire_time = now() WHERE" HAS_FILE " AND task_id IN ("
        "    SELECT task.task_id FROM waybill.export_task task JOIN ("
        "        SELECT task_id, row_number() OVER newest AS place,"
        "               sum(file_size + coalesce(gzip_size, 0)) OVER newest AS total"
        "        FROM waybill.export_task WHERE" HAS_FILE " WINDOW newest AS (ORDER BY finish_time DESC, task_id)"
        "    ) file ON file.task_id = task.task_id AND file.place > 1 AND file.total > $1::bigint"
        "    ORDER BY task.finish_time LIMIT 1000 FOR UPDATE OF task SKIP LOCKED)";
    char max_total[24];
    const char *const values[] = {max_total};

    if (max_total_bytes == 0)
        return true;
    snprintf(max_total, sizeof(max_total), "%" PRId64, max_total_bytes);
    return in_batches(db, sql, ARRAY_SIZE(values), values, expired, err);
}

static bool purge(struct db *db, int history_hours, int64_t *purged, struct error *err)
{
    static const char sql[] =
        "DELETE FROM waybill.export_task WHERE task_id IN ("
        "    SELECT task_id FROM waybill.export_task"
        "    WHERE state IN ('success', 'failure') AND finish_time < now() - $1::integer * interval '1 hour'"
        "      AND (state = 'failure' OR file_removed)"
        "    ORDER BY finish_time" LIMIT_BATCH ")";
    char hours[16];
    const char *const values[] = {hours};

    snprintf(hours, sizeof(hours), "%d", history_hours);
    return in_batches(db, sql, ARRAY_SIZE(values), values, purged, err);
}

/* A file that can't be removed now stays on the list. */
static bool remove_file(const char *directory, const char *file_id, int64_t *files_removed)
{
    bool removed = false;
    struct log_line line;
    struct error err;

    if (!export_file_remove(directory, file_id, &removed, &err)) {
        log_begin(&line, LOG_ERROR, "a discarded file can't be removed");
        log_text(&line, "file_id", file_id);
        log_error(&line, &err);
        log_end(&line);
        return false;
    }
    if (removed)
        ++*files_removed;
    return true;
}

/* Names that need not be remembered any longer, now that nothing has them. */
static bool forget(struct db *db, const char *const *file_ids, size_t count, struct error *err)
{
    static const char sql[] =
        "DELETE FROM waybill.discarded_file WHERE file_id = ANY ($1::uuid[]) AND forget_time <= now()";
    char *list = db_array_literal(file_ids, count);
    const char *const values[] = {list};
    bool done = db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);

    free(list);
    return done;
}

/* Removes the files of a batch of names, from *after on, and moves *after to its end. */
static bool remove_batch(struct db *db, const char *directory, char after[TEXT_UUID_LENGTH + 1], size_t *ret_count,
                         int64_t *files_removed, struct error *err)
{
    static const char sql[] =
        "SELECT file_id FROM waybill.discarded_file WHERE file_id > $1::uuid ORDER BY file_id LIMIT 1000";
    const char *const values[] = {after};
    struct db_result *rows = db_query(db, DB_ROWS, sql, ARRAY_SIZE(values), values, err);
    const char *gone[BATCH];
    size_t gone_count = 0;
    bool done;

    if (rows == NULL)
        return false;
    for (size_t i = 0; i < db_rows(rows); i++) {
        if (remove_file(directory, db_text(rows, i, 0), files_removed))
            gone[gone_count++] = db_text(rows, i, 0);
    }
    *ret_count = db_rows(rows);
    if (*ret_count > 0)
        snprintf(after, TEXT_UUID_LENGTH + 1, "%s", db_text(rows, *ret_count - 1, 0));
    done = gone_count == 0 || forget(db, gone, gone_count, err);
    db_result_free(rows);
    return done;
}

static bool remove_discarded(struct db *db, const char *directory, int64_t *files_removed, struct error *err)
{
    char after[TEXT_UUID_LENGTH + 1] = "00000000-0000-0000-0000-000000000000";
    size_t count;

    do {
        if (!remove_batch(db, directory, after, &count, files_removed, err))
            return false;
    } while (count == BATCH);
    return true;
}

bool retention_round(struct db *db, const struct retention *retention, struct retention_result *result,
                     struct error *err)
{
    *result = (struct retention_result) {0};
    return expire_old(db, &result->files_expired, err)
           && expire_beyond_limit(db, retention->max_total_bytes, &result->files_expired, err)
           && purge(db, retention->history_hours, &result->tasks_purged, err)
           && remove_discarded(db, retention->directory, &result->files_removed, err);
}
