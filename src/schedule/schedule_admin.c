#include "schedule/schedule_admin.h"

#include <stdio.h>

#include "base/text.h"
#include "db/query.h"

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
