#include "export/retention.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "db/query.h"
#include "export/export_file.h"
#include "export/idempotency.h"

#define BATCH 1000

/* Limits a statement to one batch. LOCK_BATCH also skips rows that another process is changing. */
#define LIMIT_BATCH DB_LIMIT(BATCH)
#define LOCK_BATCH LIMIT_BATCH " FOR UPDATE SKIP LOCKED"

/* The arguments of the steps of a round. */
struct round {
    struct db *db;
    const struct retention *retention;
    struct retention_result *result;
};

static bool is_stopped(const struct round *round)
{
    return background_is_stopping(round->retention->thread);
}

/*
 * Repeats a statement until it changes fewer rows than half a batch or the round must end. The statement returns the
 * number of changed rows in the column `changed`, which is added to *total.
 */
static bool run_in_batches(const struct round *round, const char *sql, size_t count, const char *const *values,
                           int64_t *total, struct error *err)
{
    int64_t changed = BATCH;

    while (changed >= BATCH / 2 && !is_stopped(round)) {
        struct db_result *row = db_query(round->db, DB_ONE_ROW, sql, count, values, err);

        if (row == NULL)
            return false;
        changed = db_integer(row, 0, "changed");
        *total += changed;
        db_result_free(row);
    }
    return true;
}

#define HAS_FILE " state = 'success' AND NOT file_removed"
#define COUNT_CHANGED " RETURNING task_id) SELECT count(*) AS changed FROM changed"

static bool expire_old(const struct round *round, struct error *err)
{
    static const char sql[] =
        "WITH changed AS ("
        "    UPDATE waybill.export_task SET file_removed = true WHERE" HAS_FILE " AND task_id = ANY (ARRAY("
        "        SELECT task_id FROM waybill.export_task WHERE" HAS_FILE " AND expire_time <= now()"
        "        ORDER BY expire_time" LOCK_BATCH "))" COUNT_CHANGED;

    return run_in_batches(round, sql, 0, NULL, &round->result->files_expired, err);
}

/* A file that a schedule keeps has no expire_time, and only newer files of the schedule replace it. */
#define IS_EXPIRABLE HAS_FILE " AND expire_time IS NOT NULL"

/*
 * Expires the oldest files until the total size is within the limit. The newest file never expires here; otherwise an
 * export larger than the limit could not be downloaded. A file expires if the total size of all older files is less
 * than the excess. This counts files with locked rows, so newer files do not expire in their place.
 */
static bool expire_beyond_limit(const struct round *round, struct error *err)
{
    static const char sql[] =
        "WITH excess AS ("
        "    SELECT coalesce(sum(file_bytes), 0) - $1::bigint AS bytes FROM waybill.ended_tally"
        "), oldest AS ("
        "    SELECT task_id, finish_time, waybill.file_bytes(task) AS bytes FROM waybill.export_task task"
        "    WHERE" IS_EXPIRABLE " AND (SELECT bytes > 0 FROM excess) ORDER BY finish_time, task_id" LIMIT_BATCH
        "), placed AS ("
        "    SELECT task_id, sum(bytes) OVER (ORDER BY finish_time, task_id) - bytes AS older FROM oldest"
        "), newest AS ("
        "    SELECT task_id FROM waybill.export_task WHERE" IS_EXPIRABLE
        "    ORDER BY finish_time DESC, task_id DESC LIMIT 1"
        "), changed AS ("
        "    UPDATE waybill.export_task SET file_removed = true, expire_time = now()"
        "    WHERE" IS_EXPIRABLE " AND task_id = ANY (ARRAY("
        "        SELECT task_id FROM waybill.export_task WHERE task_id = ANY (ARRAY("
        "            SELECT task_id FROM placed WHERE older < (SELECT bytes FROM excess)"
        "            EXCEPT SELECT task_id FROM newest))" LOCK_BATCH "))" COUNT_CHANGED;
    char max_total[24];
    const char *const values[] = {max_total};

    if (round->retention->max_total_bytes == 0)
        return true;
    snprintf(max_total, sizeof(max_total), "%" PRId64, round->retention->max_total_bytes);
    return run_in_batches(round, sql, ARRAY_SIZE(values), values, &round->result->files_expired, err);
}

static bool purge(const struct round *round, struct error *err)
{
    static const char sql[] =
        "WITH changed AS ("
        "    DELETE FROM waybill.export_task WHERE task_id = ANY (ARRAY("
        "        SELECT task_id FROM waybill.export_task"
        "        WHERE (state = 'failure' OR file_removed) AND finish_time < now() - $1::integer * interval '1 hour'"
        "        ORDER BY finish_time" LOCK_BATCH "))" COUNT_CHANGED;
    char hours[16];
    const char *const values[] = {hours};

    snprintf(hours, sizeof(hours), "%d", round->retention->history_hours);
    return run_in_batches(round, sql, ARRAY_SIZE(values), values, &round->result->tasks_purged, err);
}

static bool forget_keys(const struct round *round, struct error *err)
{
    static const char sql[] =
        "WITH changed AS ("
        "    DELETE FROM waybill.idempotency_key WHERE ctid = ANY (ARRAY("
        "        SELECT ctid FROM waybill.idempotency_key key WHERE " IDEMPOTENCY_EXPIRED("key")
        "        ORDER BY create_time" LOCK_BATCH ")) RETURNING task_id"
        ")"
        " SELECT count(*) AS changed FROM changed";
    int64_t forgotten = 0;

    return run_in_batches(round, sql, 0, NULL, &forgotten, err);
}

/* Consolidates the rows that were added to the tallies into one row for each group. The sums do not change. */
static bool consolidate_tallies(const struct round *round, struct error *err)
{
    static const char tasks_sql[] =
        "WITH added AS ("
        "    DELETE FROM waybill.task_tally WHERE ctid = ANY (ARRAY("
        "        SELECT ctid FROM waybill.task_tally WHERE NOT folded" LOCK_BATCH ")) RETURNING *"
        "), known AS ("
        "    DELETE FROM waybill.task_tally WHERE ctid = ANY (ARRAY("
        "        SELECT ctid FROM waybill.task_tally tally WHERE folded AND EXISTS ("
        "            SELECT FROM added WHERE project_id = tally.project_id"
        "                                AND enterprise_project_id = tally.enterprise_project_id"
        "                                AND enterprise_projects IS NOT DISTINCT FROM tally.enterprise_projects)"
        "        FOR UPDATE SKIP LOCKED)) RETURNING *"
        "), sums AS ("
        "    INSERT INTO waybill.task_tally"
        "    SELECT project_id, enterprise_project_id, enterprise_projects, sum(tasks), true"
        "    FROM (SELECT * FROM added UNION ALL SELECT * FROM known) part GROUP BY 1, 2, 3 HAVING sum(tasks) <> 0"
        ")"
        " SELECT count(*) AS changed FROM added";
    static const char ended_sql[] =
        "WITH added AS ("
        "    DELETE FROM waybill.ended_tally WHERE ctid = ANY (ARRAY("
        "        SELECT ctid FROM waybill.ended_tally WHERE EXISTS (SELECT FROM waybill.ended_tally OFFSET 1)"
        "        " LOCK_BATCH ")) RETURNING *"
        "), sums AS ("
        "    INSERT INTO waybill.ended_tally"
        "    SELECT sum(success), sum(failure), sum(file_bytes) FROM added HAVING count(*) > 0"
        ")"
        " SELECT count(*) AS changed FROM added";
    int64_t folded = 0;

    return run_in_batches(round, tasks_sql, 0, NULL, &folded, err)
           && run_in_batches(round, ended_sql, 0, NULL, &folded, err);
}

/* Removes a file. On failure, logs the error and returns false, and a later round tries again. */
static bool remove_file(const char *directory, const char *file_id, int64_t *files_removed)
{
    bool removed = false;
    struct log_line line;
    struct error err;

    if (!export_file_remove(directory, file_id, &removed, &err)) {
        log_begin(&line, LOG_ERROR, "a discarded file cannot be removed");
        log_text(&line, "file_id", file_id);
        log_error(&line, &err);
        log_end(&line);
        return false;
    }
    if (removed)
        ++*files_removed;
    return true;
}

/* Deletes the records of removed files, but not before their forget_time. */
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

/* Removes the files of the next batch of records, those with ids greater than `after`, and advances `after`. */
static bool remove_batch(const struct round *round, char after[TEXT_UUID_LENGTH + 1], size_t *ret_count,
                         struct error *err)
{
    static const char sql[] =
        "SELECT file_id FROM waybill.discarded_file WHERE file_id > $1::uuid ORDER BY file_id" LIMIT_BATCH;
    const char *const values[] = {after};
    struct db_result *rows = db_query(round->db, DB_ROWS, sql, ARRAY_SIZE(values), values, err);
    const char *gone[BATCH];
    size_t gone_count = 0;
    bool done;

    if (rows == NULL)
        return false;
    for (size_t i = 0; i < db_rows(rows) && !is_stopped(round); i++) {
        if (remove_file(round->retention->directory, db_text(rows, i, "file_id"), &round->result->files_removed))
            gone[gone_count++] = db_text(rows, i, "file_id");
    }
    *ret_count = db_rows(rows);
    if (*ret_count > 0)
        snprintf(after, TEXT_UUID_LENGTH + 1, "%s", db_text(rows, *ret_count - 1, "file_id"));
    done = gone_count == 0 || forget(round->db, gone, gone_count, err);
    db_result_free(rows);
    return done;
}

static bool remove_discarded(const struct round *round, struct error *err)
{
    char after[TEXT_UUID_LENGTH + 1] = "00000000-0000-0000-0000-000000000000";
    size_t count;

    do {
        if (!remove_batch(round, after, &count, err))
            return false;
    } while (count == BATCH && !is_stopped(round));
    return true;
}

struct retention retention_configured(const struct config *config)
{
    return (struct retention) {
        .directory = config->directory,
        .history_hours = config->history_hours,
        .max_total_bytes = (int64_t) config->max_total_mib * 1024 * 1024,
    };
}

bool retention_round(struct db *db, const struct retention *retention, struct retention_result *result,
                     struct error *err)
{
    static bool (*const steps[])(const struct round *round, struct error *err) = {
        expire_old, expire_beyond_limit, purge, remove_discarded, forget_keys, consolidate_tallies,
    };
    const struct round round = {.db = db, .retention = retention, .result = result};
    struct error later;
    bool done = true;

    *result = (struct retention_result) {0};
    for (size_t i = 0; i < ARRAY_SIZE(steps) && !is_stopped(&round); i++)
        done &= steps[i](&round, done ? err : &later);
    return done;
}
