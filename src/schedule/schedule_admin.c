#include "schedule/schedule_admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"
#include "db/query.h"
#include "schedule/notify_secret.h"

#define STRINGIFY_(number) #number
#define STRINGIFY(number) STRINGIFY_(number)

bool schedule_admin_health(struct db *db, struct schedule_health *ret_health, struct error *err)
{
    static const char sql[] =
        "SELECT count(*) FILTER (WHERE enabled) AS enabled, count(pause_reason) AS paused,"
        "       (SELECT coalesce(string_agg(format('%s of project %s: %s', name, project_id, pause_reason), '; '"
        "                                   ORDER BY project_id, name), '')"
        "        FROM (SELECT name, project_id, pause_reason FROM waybill.export_schedule"
        "              WHERE pause_reason IS NOT NULL ORDER BY project_id, name LIMIT 3) AS first) AS first_paused,"
        "       count(*) FILTER (WHERE age > " STRINGIFY(SCHEDULE_OVERDUE_S) ") AS overdue,"
        "       coalesce(max(age) FILTER (WHERE age > " STRINGIFY(SCHEDULE_OVERDUE_S) "), 0)::bigint AS overdue_s"
        " FROM waybill.export_schedule, extract(epoch FROM now() - next_run_time) AS age";
    struct db_result *row = db_query(db, DB_ONE_ROW, sql, 0, NULL, err);

    if (row == NULL)
        return false;
    ret_health->enabled = db_integer(row, 0, "enabled");
    ret_health->paused = db_integer(row, 0, "paused");
    snprintf(ret_health->first_paused, sizeof(ret_health->first_paused), "%s", db_text(row, 0, "first_paused"));
    text_trim_partial_utf8(ret_health->first_paused);
    ret_health->overdue = db_integer(row, 0, "overdue");
    ret_health->overdue_s = db_integer(row, 0, "overdue_s");
    db_result_free(row);
    return true;
}

static bool reseal_one(struct db *db, struct key_ring *ring, const struct db_result *rows, size_t row,
                       struct error *err)
{
    static const char sql[] = "UPDATE waybill.export_schedule SET notify_secret = $2 WHERE schedule_id = $1::uuid";
    const char *project_id = db_text(rows, row, "project_id");
    char *secret = notify_secret_unseal(ring, project_id, db_text(rows, row, "notify_secret"), err);
    char *sealed = secret == NULL ? NULL : notify_secret_seal(ring, project_id, secret, err);
    const char *const values[] = {db_text(rows, row, "schedule_id"), sealed};
    bool done = sealed != NULL && db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);

    memory_free_secret(secret);
    free(sealed);
    return done;
}

bool schedule_admin_reseal(struct db *db, struct key_ring *ring, struct error *err)
{
    static const char sql[] =
        "SELECT schedule_id, project_id, notify_secret FROM waybill.export_schedule WHERE notify_secret IS NOT NULL"
        " ORDER BY schedule_id FOR NO KEY UPDATE";
    struct db_result *rows;
    bool done;

    if (!db_begin(db, err))
        return false;
    rows = db_query(db, DB_ROWS, sql, 0, NULL, err);
    done = rows != NULL;
    for (size_t i = 0; done && i < db_rows(rows); i++)
        done = reseal_one(db, ring, rows, i, err);
    db_result_free(rows);
    if (done)
        return db_commit(db, err);
    db_rollback(db);
    return false;
}
