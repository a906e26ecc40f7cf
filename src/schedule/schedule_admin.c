#include "schedule/schedule_admin.h"

#include <stdio.h>

#include "access/reseal.h"
#include "base/compiler.h"
#include "base/text.h"
#include "db/query.h"
#include "schedule/notify_secret.h"

bool schedule_admin_health(struct db *db, struct schedule_health *ret_health, struct error *err)
{
    static const char sql[] =
        "SELECT count(*) FILTER (WHERE enabled) AS enabled, count(pause_reason) AS paused,"
        "       (SELECT coalesce(string_agg(format('%s of project %s: %s', name, project_id, pause_reason), '; '"
        "                                   ORDER BY project_id, name), '')"
        "        FROM (SELECT name, project_id, pause_reason FROM waybill.export_schedule"
        "              WHERE pause_reason IS NOT NULL ORDER BY project_id, name LIMIT 3) AS first) AS first_paused,"
        "       count(*) FILTER (WHERE age > " TEXT_OF(SCHEDULE_OVERDUE_S) ") AS overdue,"
        "       coalesce(max(age) FILTER (WHERE age > " TEXT_OF(SCHEDULE_OVERDUE_S) "), 0)::bigint AS overdue_s"
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

bool schedule_admin_reseal(struct db *db, struct key_ring *ring, struct error *err)
{
    const struct reseal reseal = {
        .select = "SELECT schedule_id AS id, project_id AS context, notify_secret AS secret"
                  " FROM waybill.export_schedule WHERE notify_secret IS NOT NULL"
                  " ORDER BY schedule_id FOR NO KEY UPDATE",
        .update = "UPDATE waybill.export_schedule SET notify_secret = $2 WHERE schedule_id = $1::uuid",
        .unseal = notify_secret_unseal,
        .seal = notify_secret_seal,
    };

    return reseal_secrets(db, ring, &reseal, err);
}
