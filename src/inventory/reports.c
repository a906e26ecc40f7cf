#include "inventory/reports.h"

#include "base/json.h"
#include "db/query.h"

/* The columns of a container that a report fills, and their values in waybill.image_report. */
#define REPORTED_COLUMNS "risky, low_risk, medium_risk, high_risk, fatal_risk, risks_reported"
#define REPORTED_VALUES \
    "greatest(r.low_risk, r.medium_risk, r.high_risk, r.fatal_risk) > 0, r.low_risk, r.medium_risk, r.high_risk," \
    " r.fatal_risk, true"

void reports_add(struct json_object *reports, const char *image, const struct image_risks *risks)
{
    struct json_object *report = json_object_new_object();

    json_add_text(report, "image", image);
    json_object_object_add(report, "low", json_object_new_int64(risks->low));
    json_object_object_add(report, "medium", json_object_new_int64(risks->medium));
    json_object_object_add(report, "high", json_object_new_int64(risks->high));
    json_object_object_add(report, "fatal", json_object_new_int64(risks->fatal));
    json_object_array_add(reports, report);
}

/* Puts the newest report on each image into a temporary table. */
static bool stage_reports(struct db *db, struct json_object *reports, struct error *err)
{
    static const char create[] =
        "CREATE TEMPORARY TABLE report (image_key text COLLATE \"C\" PRIMARY KEY, low_risk integer,"
        " medium_risk integer, high_risk integer, fatal_risk integer)";
    static const char insert[] =
        "INSERT INTO pg_temp.report"
        " SELECT DISTINCT ON (image_key) image_key, low, medium, high, fatal"
        " FROM (SELECT waybill.image_key(image) AS image_key, low, medium, high, fatal, number"
        "  FROM ROWS FROM (json_to_recordset($1) AS (image text, low integer, medium integer, high integer,"
        "   fatal integer)) WITH ORDINALITY AS report (image, low, medium, high, fatal, number)) AS report"
        " ORDER BY image_key, number DESC";
    const char *const values[] = {json_object_to_json_string_ext(reports, JSON_C_TO_STRING_PLAIN)};

    return db_execute(db, create, 0, NULL, NULL, err)
           && db_execute(db, insert, ARRAY_SIZE(values), values, NULL, err)
           && db_execute(db, "ANALYZE pg_temp.report", 0, NULL, NULL, err);
}

bool reports_store(struct db *db, const char *project_id, struct json_object *reports, struct error *err)
{
    static const char sql[] =
        "INSERT INTO waybill.image_report AS r"
        " (project_id, image_key, low_risk, medium_risk, high_risk, fatal_risk, load_time)"
        " SELECT $1, image_key, low_risk, medium_risk, high_risk, fatal_risk, clock_timestamp() FROM pg_temp.report"
        " ON CONFLICT (project_id, image_key) DO UPDATE SET"
        " (low_risk, medium_risk, high_risk, fatal_risk, load_time)"
        " = ROW(excluded.low_risk, excluded.medium_risk, excluded.high_risk, excluded.fatal_risk, excluded.load_time)";
    const char *const values[] = {project_id};

    return stage_reports(db, reports, err) && db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);
}

/* Without reports in the project, the names of the images are not read. */
bool reports_fill_staging(struct db *db, const char *project_id, struct error *err)
{
    static const char sql[] =
        "UPDATE pg_temp.staging AS s SET (" REPORTED_COLUMNS ") = ROW(" REPORTED_VALUES ")"
        " FROM (SELECT DISTINCT image_name FROM pg_temp.staging"
        "  WHERE EXISTS (SELECT FROM waybill.image_report WHERE project_id = $1)) AS i"
        " JOIN waybill.image_report AS r ON r.project_id = $1 AND r.image_key = waybill.image_key(i.image_name)"
        " WHERE s.image_name = i.image_name AND NOT s.is_refused"
        " AND num_nonnulls(s.risky, s.low_risk, s.medium_risk, s.high_risk, s.fatal_risk) = 0";
    const char *const values[] = {project_id};

    return db_execute(db, sql, ARRAY_SIZE(values), values, NULL, err);
}

/* The combinations of names lead from the images to their containers (inventory/combinations.h). */
bool reports_apply(struct db *db, const char *project_id, int64_t *ret_changed, struct error *err)
{
    static const char sql[] =
        "UPDATE waybill.container AS c SET (" REPORTED_COLUMNS ") = ROW(" REPORTED_VALUES ")"
        " FROM waybill.inventory_label AS l JOIN pg_temp.report AS r ON r.image_key = waybill.image_key(l.image_name)"
        " WHERE l.project_id = $1 AND c.label_key = l.key AND c.project_id = $1 AND c.image_name = l.image_name"
        " AND (c.risks_reported"
        "  OR num_nonnulls(c.risky, c.low_risk, c.medium_risk, c.high_risk, c.fatal_risk) = 0)"
        " AND (c.risky, c.low_risk, c.medium_risk, c.high_risk, c.fatal_risk, c.risks_reported)"
        "  IS DISTINCT FROM (" REPORTED_VALUES ")";
    const char *const values[] = {project_id};

    return db_execute(db, sql, ARRAY_SIZE(values), values, ret_changed, err);
}
