#include "db/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "db/query.h"

bool db_estimate_rows(struct db *db, const struct statement *query, int64_t *ret_rows, struct error *err)
{
    struct buffer sql = {0};
    struct db_result *plan;
    const char *rows;

    buffer_printf(&sql, "EXPLAIN %s", buffer_text(&query->sql));
    plan = db_query(db, DB_ROWS, buffer_text(&sql), query->count, (const char *const *) query->values, err);
    buffer_free(&sql);
    if (plan == NULL)
        return false;

    /* The first line is the outermost node: Limit  (cost=0.42..8.44 rows=1 width=32) */
    rows = db_rows(plan) == 0 ? NULL : strstr(db_text(plan, 0, 0), " rows=");
    *ret_rows = rows == NULL ? 0 : strtoll(rows + strlen(" rows="), NULL, 10);
    db_result_free(plan);
    return true;
}
