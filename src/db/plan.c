#include "db/plan.h"

#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "db/query.h"

/* Each node of a plan adds two levels. */
static const struct json_rules plan_rules = {.subject = "the plan", .max_levels = 1000};

/* Reads "Plan Rows" of the outermost node: [{"Plan": {"Plan Rows": 1, ...}}] */
static bool rows_of_plan(struct json_object *plan, int64_t *ret_rows)
{
    struct json_object *node, *rows;

    if (!json_object_is_type(plan, json_type_array) || json_object_array_length(plan) != 1
        || !json_object_object_get_ex(json_object_array_get_idx(plan, 0), "Plan", &node)
        || !json_object_object_get_ex(node, "Plan Rows", &rows) || !json_object_is_type(rows, json_type_int))
        return false;
    *ret_rows = json_object_get_int64(rows);
    return true;
}

bool db_estimate_rows(struct db *db, const struct statement *query, int64_t *ret_rows, struct error *err)
{
    struct json_object *plan = NULL;
    struct buffer sql = {0};
    struct db_result *row;
    struct error ignored;
    const char *text;

    buffer_printf(&sql, "EXPLAIN (FORMAT JSON) %s", buffer_text(&query->sql));
    row = db_query(db, DB_ONE_ROW, buffer_text(&sql), query->count, (const char *const *) query->values, err);
    buffer_free(&sql);
    if (row == NULL)
        return false;

    text = db_text(row, 0, "QUERY PLAN");
    if (!json_parse(text, strlen(text), &plan_rules, &plan, &ignored) || !rows_of_plan(plan, ret_rows))
        *ret_rows = 0;
    json_object_put(plan);
    db_result_free(row);
    return true;
}
