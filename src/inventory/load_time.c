#include "inventory/load_time.h"

#include "db/query.h"

bool load_time_record(struct db *db, const char *project_id, struct error *err)
{
    static const char sql[] =
        "INSERT INTO waybill.inventory_load AS l VALUES ($1, clock_timestamp())"
        " ON CONFLICT (project_id) DO UPDATE SET load_time = excluded.load_time";

    return db_execute(db, sql, 1, &project_id, NULL, err);
}

/* Whether the role may read the table, without an error, which would end the transaction. */
static bool find_table(struct db *db, bool *ret_found, struct error *err)
{
    static const char sql[] =
        "SELECT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        "               WHERE n.nspname = 'waybill' AND c.relname = 'inventory_load'"
        "               AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')) AS found";
    struct db_result *row = db_query_prepared(db, DB_ONE_ROW, sql, 0, NULL, err);

    if (row == NULL)
        return false;
    *ret_found = db_boolean(row, 0, "found");
    db_result_free(row);
    return true;
}

bool load_time_find(struct db *db, const char *project_id, int64_t *ret_time, struct error *err)
{
    static const char sql[] =
        "SELECT " DB_MS("load_time") " AS load_ms FROM waybill.inventory_load WHERE project_id = $1";
    struct db_result *row;
    bool found;

    if (!find_table(db, &found, err))
        return false;
    if (!found) {
        *ret_time = LOAD_TIME_NONE;
        return true;
    }
    row = db_query(db, DB_ONE_OR_NO_ROW, sql, 1, &project_id, err);
    if (row == NULL)
        return false;
    *ret_time = db_rows(row) == 1 ? db_integer(row, 0, "load_ms") : LOAD_TIME_NONE;
    db_result_free(row);
    return true;
}
