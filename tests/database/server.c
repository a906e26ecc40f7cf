#include "server.h"

#include <stdlib.h>

#include "../unit/check.h"
#include "db/internal.h"

struct db *server_open(int query_timeout_ms)
{
    const struct db_settings settings = {
        .conninfo = getenv("WAYBILL_TEST_CONNINFO"),
        .application_name = "waybill test",
        .time_zone = "UTC",
        .connect_timeout_ms = SERVER_PATIENT_MS,
        .query_timeout_ms = query_timeout_ms,
    };
    struct error err;
    struct db *db;

    if (settings.conninfo == NULL)
        check_fail("WAYBILL_TEST_CONNINFO is not set: tests/integration/test_database.py sets it");
    db = db_open(&settings, &err);
    check_good(db != NULL, &err);
    return db;
}

void server_limit_client(struct db *db, int query_timeout_ms)
{
    db->query_timeout_ms = query_timeout_ms;
}

void server_run(struct db *db, const char *script)
{
    struct error err;

    check_good(db_run_script(db, script, &err), &err);
}

int64_t server_ask(struct db *db, const char *sql)
{
    struct error err;
    struct db_result *row = db_query(db, DB_ONE_ROW, sql, 0, NULL, &err);
    int64_t number;

    check_good(row != NULL, &err);
    number = db_integer(row, 0, "number");
    db_result_free(row);
    return number;
}

bool server_watcher_gives_up(void *context, struct error *err)
{
    ++*(int *) context;
    return error_set(err, ERROR_CANCELLED, "the watcher gave up");
}
