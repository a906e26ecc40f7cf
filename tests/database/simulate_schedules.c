/*
 * Runs the scheduler in simulated time, on the database in WAYBILL_TEST_CONNINFO, until no occurrence is left before
 * the time in argv[1] (milliseconds since 1970). Several processes may run at once, and may be killed at any moment.
 * The time is always that of the next occurrence, and it advances only when no run is unfinished. Tasks succeed without
 * an export. tests/integration/test_schedule_year.py starts it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "db/query.h"
#include "schedule/scheduler.h"

static _Noreturn void fail(const struct error *err)
{
    fprintf(stderr, "%s: %s\n", err->message, err->detail);
    exit(1);
}

static void finish_tasks(struct db *db)
{
    static const char sql[] =
        "UPDATE waybill.export_task SET state = 'success', file_id = gen_random_uuid(), finish_time = now()"
        " WHERE state = 'queued'";
    struct error err;

    if (!db_execute(db, sql, 0, NULL, NULL, &err))
        fail(&err);
}

/* Returns the time of the next occurrence, or 0 while a run is unfinished, or -1 if there is none before `end`. */
static int64_t next_time(struct db *db, const char *end)
{
    static const char sql[] =
        "SELECT CASE WHEN EXISTS (SELECT FROM waybill.schedule_run WHERE state = 'running' OR NOT is_settled) THEN 0"
        "       ELSE coalesce(" DB_MS("(SELECT min(next_run_time) FROM waybill.export_schedule"
        "                               WHERE next_run_time < " DB_TIME("$1") ")") ", -1) END AS next";
    struct error err;
    struct db_result *row = db_query(db, DB_ONE_ROW, sql, 1, &end, &err);
    int64_t next;

    if (row == NULL)
        fail(&err);
    next = db_integer(row, 0, "next");
    db_result_free(row);
    return next;
}

int main(int argc, char **argv)
{
    const struct db_settings settings = {
        .conninfo = getenv("WAYBILL_TEST_CONNINFO"),
        .application_name = "simulation",
        .time_zone = "UTC",
        .role = "waybill_worker",
        .connect_timeout_ms = 30000,
        .query_timeout_ms = 30000,
    };
    const struct timespec pause = {.tv_nsec = 1000000};
    struct scheduler_pass pass;
    struct error err;
    struct db *db;
    int64_t now, reached = 1;

    if (argc != 2 || (db = db_open(&settings, &err)) == NULL) {
        fputs("usage: WAYBILL_TEST_CONNINFO=CONNINFO simulate_schedules END\n", stderr);
        return 2;
    }
    while ((now = next_time(db, argv[1])) >= 0) {
        if (now > 0)
            reached = now;
        if (!scheduler_run_pass(db, reached, NULL, &pass, &err))
            fail(&err);
        finish_tasks(db);
        if (pass.started == 0 && now == 0)
            nanosleep(&pause, NULL);
    }
    db_close(db);
    return 0;
}
