/*
 * The scheduler's transactions in simulated time, one process: what is due, what becomes of it, and who may interfere.
 * The scheduler has the privileges of waybill_worker. The wrappers of functions interfere from another session, at the
 * moment of the call.
 */
#include "schedule/scheduler.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/check.h"
#include "base/buffer.h"
#include "db/scope.h"
#include "export/kept_task.h"
#include "schedule/due.h"
#include "schedule/recurrence.h"
#include "schedule/run.h"
#include "schedule/schedule.h"
#include "schedule/settle.h"
#include "server.h"

#define T0 INT64_C(1772409600000) /* 2026-03-02T00:00:00Z, when each schedule starts */
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

#define ID "00000000-0000-0000-0000-00000000000"
#define URL "https://receiver.example/hook"

static struct db *db;    /* the scheduler's */
static struct db *other; /* a superuser's */

static void run(const char *format, ...) PRINTF_LIKE(1, 2);

static void run(const char *format, ...)
{
    struct buffer script = {0};
    va_list arguments;

    va_start(arguments, format);
    buffer_vprintf(&script, format, arguments);
    va_end(arguments);
    server_run(other, script.data);
    buffer_free(&script);
}

/* Returns the number of rows of a FROM clause and what follows it. */
static int64_t count(const char *format, ...) PRINTF_LIKE(1, 2);

static int64_t count(const char *format, ...)
{
    struct buffer sql = {0};
    struct db_result *row;
    struct error err;
    va_list arguments;
    int64_t number;

    buffer_append_text(&sql, "SELECT count(*) AS n FROM (SELECT FROM ");
    va_start(arguments, format);
    buffer_vprintf(&sql, format, arguments);
    va_end(arguments);
    buffer_append_text(&sql, ") AS found");
    row = db_query(other, DB_ONE_ROW, sql.data, 0, NULL, &err);
    check_good(row != NULL, &err);
    number = db_integer(row, 0, "n");
    db_result_free(row);
    buffer_free(&sql);
    return number;
}

/* A time as SQL. */
#define AT "to_timestamp(%" PRId64 " / 1000.0)"

/* Adds a schedule whose first unprocessed occurrence is at `next`. */
static void add(int number, const char *rule, int64_t next)
{
    run("INSERT INTO waybill.export_schedule (schedule_id, project_id, name, rule, time_zone, start_time, enabled,"
        " keep, enterprise_project_id, export_size, request, create_time, pending_from, next_run_time)"
        " VALUES ('" ID "%d', 'p', 's%d', '%s', 'UTC', " AT ", true, 2, '0', 5,"
        " '{\"export_headers\": [[\"container_id\", \"ID\"]]}', now(), " AT ", " AT ")",
        number, number, rule, T0, next, next);
}

static void begin(void)
{
    db = server_open(SERVER_PATIENT_MS);
    other = server_open(SERVER_PATIENT_MS);
    server_run(db, "SET ROLE waybill_worker");
    run("TRUNCATE waybill.export_task, waybill.export_schedule, waybill.credential CASCADE");
    add(1, "FREQ=HOURLY", T0);
}

static void end(void)
{
    db_close(other);
    db_close(db);
}

static void expect_due(int64_t now, int64_t limit, int64_t expected_started, int64_t expected_failed)
{
    int64_t started = -1, failed = -1;
    struct error err;

    check_good(due_process(db, now, limit, NULL, &started, &failed, &err), &err);
    assert_int_equal(started, expected_started);
    assert_int_equal(failed, expected_failed);
}

static struct settle_result settle(int64_t now)
{
    struct settle_result result;
    struct error err;

    check_good(settle_ended(db, now, DUE_BATCH, NULL, &result, &err), &err);
    return result;
}

static struct settle_result retry(int64_t now)
{
    struct settle_result result;
    struct error err;

    check_good(settle_retry(db, now, DUE_BATCH, NULL, &result, &err), &err);
    return result;
}

static struct due_outlook look(int64_t now)
{
    struct due_outlook outlook;
    struct error err;

    check_good(due_look(db, now, &outlook, &err), &err);
    return outlook;
}

static struct scheduler_pass pass(int64_t now)
{
    struct scheduler_pass result;
    struct error err;

    check_good(scheduler_run_pass(db, now, NULL, &result, &err), &err);
    return result;
}

/* All tasks that are not finished succeed or fail at this time. */
static void succeed(int64_t time)
{
    run("UPDATE waybill.export_task SET state = 'success', file_id = gen_random_uuid(), finish_time = " AT
        " WHERE state = 'queued'", time);
}

static void fail_tasks(int64_t time)
{
    run("UPDATE waybill.export_task SET state = 'failure', error_code = 'HSS.0041', error_msg = 'it failed',"
        " finish_time = " AT " WHERE state = 'queued'", time);
}

/* Runs the occurrence of schedule 1 that is due at `now`, and fails it. */
static void fail_run(int64_t now)
{
    expect_due(now, 1, 1, 0);
    fail_tasks(now);
    assert_int_equal(settle(now).failure, 1);
}

static void retry_as_operator(void)
{
    run("UPDATE waybill.export_task SET " TASK_QUEUED_AGAIN " WHERE state = 'failure'");
}

static void expect_run(const char *state, int64_t occurrence, const char *reason)
{
    if (count("waybill.schedule_run WHERE state = '%s' AND occurrence_time = " AT " AND coalesce(reason, '') LIKE '%s'",
              state, occurrence, reason) != 1)
        check_fail("there is no run %s for the reason %s", state, reason);
}

static void expect_next(int64_t pending_from, int64_t next)
{
    assert_int_equal(count("waybill.export_schedule WHERE schedule_id = '" ID "1' AND enabled AND pending_from = " AT,
                           pending_from), 1);
    if (next == 0)
        assert_int_equal(count("waybill.export_schedule WHERE schedule_id = '" ID "1' AND next_run_time IS NULL"), 1);
    else
        assert_int_equal(count("waybill.export_schedule WHERE schedule_id = '" ID "1' AND next_run_time = " AT, next),
                         1);
}

/* ---- Interference ---- */

static void (*before_lock)(const char *task_ids);
static void (*before_expire)(const char *task_ids);
static void (*before_restart)(const char *task_ids);

bool __real_kept_task_lock(struct db *connection, const char *task_id, struct error *err);
bool __wrap_kept_task_lock(struct db *connection, const char *task_id, struct error *err);
bool __real_kept_task_expire(struct db *connection, const char *task_ids, struct error *err);
bool __wrap_kept_task_expire(struct db *connection, const char *task_ids, struct error *err);
bool __real_kept_task_restart(struct db *connection, const char *task_id, const char *enterprise_projects,
                              bool *ret_queued, struct error *err);
bool __wrap_kept_task_restart(struct db *connection, const char *task_id, const char *enterprise_projects,
                              bool *ret_queued, struct error *err);

static void interfere(void (**hook)(const char *task_ids), const char *task_ids)
{
    void (*work)(const char *task_ids) = *hook;

    *hook = NULL;
    if (work != NULL)
        work(task_ids);
}

bool __wrap_kept_task_lock(struct db *connection, const char *task_id, struct error *err)
{
    interfere(&before_lock, task_id);
    return __real_kept_task_lock(connection, task_id, err);
}

bool __wrap_kept_task_expire(struct db *connection, const char *task_ids, struct error *err)
{
    interfere(&before_expire, task_ids);
    return __real_kept_task_expire(connection, task_ids, err);
}

bool __wrap_kept_task_restart(struct db *connection, const char *task_id, const char *enterprise_projects,
                              bool *ret_queued, struct error *err)
{
    interfere(&before_restart, task_id);
    return __real_kept_task_restart(connection, task_id, enterprise_projects, ret_queued, err);
}

/* ---- What is due ---- */

static void looks_ahead(void)
{
    struct due_outlook outlook;

    begin();
    outlook = look(T0 - 1);
    assert_int_equal(outlook.schedules, 0);
    assert_int_equal(outlook.wait_ms, 1);
    outlook = look(T0);
    assert_int_equal(outlook.schedules, 1);
    assert_true(outlook.wait_ms == INT64_MAX);
    fail_run(T0);
    outlook = look(T0);
    assert_int_equal(outlook.schedules + outlook.ended + outlook.retries, 0);
    assert_int_equal(outlook.wait_ms, 5 * MINUTE); /* until the retry */
    run("INSERT INTO waybill.schedule_run (schedule_id, occurrence_time, state, task_id, finish_time, retry_time)"
        " VALUES ('" ID "1', now(), 'failure', gen_random_uuid(), now(), " AT ")", T0 + 7 * MINUTE);
    assert_int_equal(look(T0).wait_ms, 5 * MINUTE);
    run("UPDATE waybill.schedule_run SET retry_time = NULL WHERE retry_time = " AT, T0 + 7 * MINUTE);
    outlook = look(T0 + 5 * MINUTE);
    assert_int_equal(outlook.retries, 1);
    assert_int_equal(outlook.wait_ms, 55 * MINUTE); /* until the next occurrence */
    end();
}

static void counts_no_more_than_a_batch(void)
{
    struct due_outlook outlook;

    begin();
    run("INSERT INTO waybill.export_schedule SELECT (jsonb_populate_record(s, jsonb_build_object("
        "'schedule_id', gen_random_uuid(), 'name', 't' || i))).* FROM waybill.export_schedule s,"
        " generate_series(1, %d) i", DUE_BATCH);
    run("INSERT INTO waybill.schedule_run (schedule_id, occurrence_time, state, task_id, finish_time, retry_time,"
        " is_settled) SELECT schedule_id, now(), 'failure', gen_random_uuid(), now(), " AT ", false"
        " FROM waybill.export_schedule", T0);
    outlook = look(T0);
    assert_int_equal(outlook.schedules, DUE_BATCH);
    assert_int_equal(outlook.retries, DUE_BATCH);
    assert_int_equal(outlook.ended, DUE_BATCH);
    end();
}

/* ---- Occurrences ---- */

static void an_occurrence_at_this_moment(void)
{
    begin();
    expect_due(T0 - 1, 10, 0, 0);
    expect_due(T0, 10, 1, 0);
    expect_run("running", T0, "");
    expect_next(T0 + 1, T0 + HOUR);
    expect_due(T0, 10, 0, 0);
    assert_int_equal(count("waybill.export_task WHERE kept AND state = 'queued' AND export_size = 5"
                           " AND enterprise_project_id = '0' AND enterprise_projects = '{0}'"
                           " AND request_id = '" ID "1'"), 1);
    end();
}

static void missed_occurrences(void)
{
    begin();
    expect_due(T0 + 3 * HOUR + MINUTE, 10, 1, 0);
    expect_run("running", T0 + 3 * HOUR, "");
    expect_run("skipped", T0 + 2 * HOUR, "3 occurrences were skipped: the service was not running");
    expect_next(T0 + 3 * HOUR + MINUTE + 1, T0 + 4 * HOUR);
    succeed(T0);
    expect_due(T0 + 5 * HOUR, 10, 1, 0);
    expect_run("skipped", T0 + 4 * HOUR, "1 occurrence was skipped: %%");
    end();
}

static void very_many_missed_occurrences(void)
{
    begin();
    run("UPDATE waybill.export_schedule SET rule = 'FREQ=HOURLY;BYMINUTE=0,30'");
    expect_due(T0 + (RECURRENCE_COUNT_MAX + 10) * 30 * MINUTE, 10, 1, 0);
    assert_int_equal(count("waybill.schedule_run WHERE reason LIKE 'at least %d occurrences%%'",
                           RECURRENCE_COUNT_MAX - 1), 1);
    end();
}

static void occurrences_from_before_do_not_run(void)
{
    begin();
    run("UPDATE waybill.export_schedule SET pending_from = " AT, T0 + 1);
    expect_due(T0 + HOUR - 1, 10, 0, 0);
    assert_int_equal(count("waybill.schedule_run"), 0);
    expect_next(T0 + HOUR, T0 + HOUR);
    end();
}

/* The time zone database has changed since next_run_time was found. */
static void a_time_that_comes_too_early(void)
{
    begin();
    run("UPDATE waybill.export_schedule SET next_run_time = " AT ", pending_from = " AT, T0 + HOUR / 2, T0 + 1);
    expect_due(T0 + HOUR / 2, 10, 0, 0);
    assert_int_equal(count("waybill.schedule_run"), 0);
    expect_next(T0 + HOUR / 2 + 1, T0 + HOUR);
    expect_due(T0 + HOUR, 10, 1, 0);
    end();
}

static void a_time_that_comes_too_late(void)
{
    begin();
    run("UPDATE waybill.export_schedule SET next_run_time = " AT, T0 + HOUR / 2);
    expect_due(T0 + HOUR / 2, 10, 1, 0);
    expect_run("running", T0, "");
    expect_next(T0 + HOUR / 2 + 1, T0 + HOUR);
    end();
}

static void the_last_occurrence(void)
{
    begin();
    run("UPDATE waybill.export_schedule SET rule = 'FREQ=HOURLY;COUNT=1'");
    expect_due(T0, 10, 1, 0);
    expect_next(T0 + 1, 0);
    expect_due(T0 + 9 * HOUR, 10, 0, 0);
    end();
}

static void an_occurrence_that_has_a_run(void)
{
    begin();
    expect_due(T0, 10, 1, 0);
    succeed(T0);
    run("UPDATE waybill.export_schedule SET pending_from = " AT ", next_run_time = " AT, T0, T0);
    expect_due(T0, 10, 0, 0);
    assert_int_equal(count("waybill.export_task"), 1);
    expect_next(T0 + 1, T0 + HOUR);
    end();
}

static void an_unfinished_run(void)
{
    begin();
    expect_due(T0, 10, 1, 0);
    expect_due(T0 + 2 * HOUR, 10, 0, 0);
    expect_run("skipped", T0 + 2 * HOUR, "2 occurrences were skipped: the run before was unfinished");
    expect_next(T0 + 2 * HOUR + 1, T0 + 3 * HOUR);
    run("UPDATE waybill.schedule_run SET requested = true");
    expect_due(T0 + 3 * HOUR, 10, 1, 0);
    end();
}

/* Another process runs an occurrence while this one looks for what is due. */
static void a_run_that_another_process_starts_meanwhile(void)
{
    begin();
    run("CREATE EXTENSION dblink SCHEMA public;"
        "CREATE SEQUENCE waybill.calls;"
        "CREATE FUNCTION waybill.meanwhile() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
        "   IF nextval('waybill.calls') = 1 THEN PERFORM public.dblink_exec('%s', 'INSERT INTO waybill.schedule_run"
        "       (schedule_id, occurrence_time, state, task_id) VALUES (''" ID "1'', " AT ", ''running'',"
        "       gen_random_uuid()); UPDATE waybill.export_schedule SET pending_from = " AT ", next_run_time = " AT "');"
        "   END IF; RETURN true; END $$;"
        "ALTER TABLE waybill.export_schedule ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY meanwhile ON waybill.export_schedule USING (waybill.meanwhile())",
        getenv("WAYBILL_TEST_CONNINFO"), T0, T0 + 1, T0 + HOUR);
    expect_due(T0 + HOUR, 10, 0, 0);
    expect_run("skipped", T0 + HOUR, "1 occurrence was skipped: the run before was unfinished");
    run("ALTER TABLE waybill.export_schedule DISABLE ROW LEVEL SECURITY; DROP POLICY meanwhile"
        " ON waybill.export_schedule; DROP FUNCTION waybill.meanwhile; DROP SEQUENCE waybill.calls;"
        " DROP EXTENSION dblink");
    end();
}

static void schedules_in_the_order_of_their_times(void)
{
    begin();
    for (int i = 2; i <= 4; i++)
        add(i, "FREQ=HOURLY", i == 2 ? T0 - HOUR : T0);
    run("UPDATE waybill.export_schedule SET start_time = next_run_time");
    expect_due(T0, 2, 2, 0);
    assert_int_equal(count("waybill.schedule_run WHERE schedule_id IN ('" ID "1', '" ID "2')"
                           " AND state = 'running'"), 2);
    expect_due(T0, 10, 2, 0);
    end();
}

static void refuse_runs_of(const char *schedules)
{
    run("CREATE FUNCTION waybill.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON waybill.schedule_run FOR EACH ROW"
        " WHEN (NEW.schedule_id IN (%s)) EXECUTE FUNCTION waybill.refuse()", schedules);
}

static void refuse_no_more(void)
{
    run("DROP FUNCTION waybill.refuse CASCADE");
}

static void failing_schedules(void)
{
    begin();
    for (int i = 2; i <= 4; i++)
        add(i, "FREQ=HOURLY", T0);
    refuse_runs_of("'" ID "1', '" ID "3'");
    expect_due(T0, 10, 2, 2);
    assert_int_equal(count("waybill.export_schedule WHERE next_run_time = " AT, T0), 2);
    assert_int_equal(pass(T0).wait_ms, 5000);
    add(5, "FREQ=HOURLY", T0 + 1200);
    assert_int_equal(pass(T0).wait_ms, 1200); /* another schedule is not late because of them */
    refuse_no_more();
    assert_int_equal(pass(T0).started, 2);
    end();
}

static void rows_that_someone_holds(void)
{
    struct db *holder;

    begin();
    fail_run(T0);
    add(2, "FREQ=HOURLY", T0 + HOUR);
    holder = server_open(SERVER_PATIENT_MS);
    server_run(holder, "BEGIN; SELECT FROM waybill.schedule_run FOR UPDATE");
    expect_due(T0 + HOUR, 10, 1, 1); /* the run of schedule 1 awaits its retry */
    server_run(holder, "ROLLBACK; BEGIN; SELECT FROM waybill.export_schedule WHERE schedule_id = '" ID "1' FOR UPDATE");
    assert_int_equal(pass(T0 + HOUR).wait_ms, 250);
    server_run(holder, "ROLLBACK");
    assert_int_equal(pass(T0 + HOUR).started, 1);
    db_close(holder);
    end();
}

static void what_is_no_longer_valid(void)
{
    begin();
    run("UPDATE waybill.export_schedule SET time_zone = 'Mars/Base'");
    expect_due(T0 + 2 * HOUR, 10, 0, 0);
    assert_int_equal(count("waybill.export_schedule WHERE NOT enabled AND next_run_time IS NULL"
                           " AND pause_reason LIKE '%%time_zone%%'"), 1);
    assert_int_equal(count("waybill.schedule_run"), 0);
    end();
}

/* ---- Passes ---- */

static void waits_for_what_is_next(void)
{
    begin();
    assert_int_equal(pass(T0 - 1).wait_ms, 1);
    assert_int_equal(pass(T0 - 2 * MINUTE).wait_ms, 60000);
    assert_int_equal(pass(T0).wait_ms, 0);
    assert_int_equal(pass(T0 + MINUTE).wait_ms, 60000);
    succeed(T0);
    assert_int_equal(pass(T0 + MINUTE).wait_ms, 0);
    run("DELETE FROM waybill.export_schedule");
    assert_int_equal(pass(T0 + MINUTE).wait_ms, 60000);
    end();
}

static void an_occurrence_replaces_a_retry(void)
{
    begin();
    fail_run(T0);
    assert_int_equal(pass(T0 + HOUR).started, 1);
    expect_run("running", T0 + HOUR, "");
    expect_run("failure", T0, "it failed");
    assert_int_equal(count("waybill.schedule_run WHERE retry_time IS NOT NULL"), 0);
    end();
}

static void a_run_on_request_replaces_a_retry(void)
{
    const struct task_viewer viewer = {.project_id = "p"};
    char task_id[TEXT_UUID_LENGTH + 1];
    struct error err;

    begin();
    fail_run(T0);
    server_run(db, "SET ROLE waybill_service");
    db_set_scope(db, "p", NULL);
    check_good(schedule_run_now(db, &viewer, ID "1", "r", 10, task_id, &err), &err);
    assert_int_equal(count("waybill.schedule_run WHERE retry_time IS NOT NULL"), 0);
    assert_int_equal(count("waybill.schedule_run WHERE requested AND state = 'running' AND task_id = '%s'",
                           task_id), 1);
    assert_false(schedule_run_now(db, &viewer, ID "1", "r", 1, task_id, &err));
    check_refusal(&err, ERROR_TOO_MANY, "unfinished");
    assert_int_equal(count("waybill.schedule_run"), 2);
    assert_false(schedule_run_now(db, &(struct task_viewer) {.project_id = "q"}, ID "1", "r", 10, task_id, &err));
    check_refusal(&err, ERROR_NOT_FOUND, "no such schedule");
    assert_false(schedule_run_now(db, &viewer, "x", "r", 10, task_id, &err));
    check_refusal(&err, ERROR_NOT_FOUND, "no such schedule");
    end();
}

/* ---- Grants ---- */

struct grant_case {
    const char *label;
    const char *enterprise_project;
    const char *token;   /* its columns project_id, enterprise_projects, expire_time and revoke_time; NULL: none */
    const char *granted; /* what the task exports, as SQL; NULL: the run fails */
};

static const struct grant_case grant_cases[] = {
    {"operator", "ep-a", NULL, "= '{ep-a}'"},
    {"operator for all", "all_granted_eps", NULL, "IS NULL"},
    {"all", "ep-a", "'p', NULL, NULL, NULL", "= '{ep-a}'"},
    {"all for all", "all_granted_eps", "'p', NULL, NULL, NULL", "IS NULL"},
    {"some", "ep-a", "'p', '{ep-a,ep-b}', now() + interval '1 hour', NULL", "= '{ep-a}'"},
    {"some for all", "all_granted_eps", "'p', '{ep-a,ep-b}', NULL, NULL", "= '{ep-a,ep-b}'"},
    {"narrowed", "ep-a", "'p', '{ep-b}', NULL, NULL", NULL},
    {"expired", "all_granted_eps", "'p', NULL, now() - interval '1 second', NULL", NULL},
    {"revoked", "all_granted_eps", "'p', NULL, NULL, now()", NULL},
    {"of another project", "all_granted_eps", "'q', NULL, NULL, NULL", NULL},
};

static void grants(const void *row)
{
    const struct grant_case *c = row;

    begin();
    run("UPDATE waybill.export_schedule SET enterprise_project_id = '%s', enterprise_projects = '{was}'",
        c->enterprise_project);
    if (c->token != NULL)
        run("WITH token AS (INSERT INTO waybill.credential (name, token_sha256, project_id, enterprise_projects,"
            " expire_time, revoke_time) VALUES ('t', sha256('t'), %s) RETURNING credential_id)"
            " UPDATE waybill.export_schedule SET credential_id = token.credential_id FROM token", c->token);
    expect_due(T0, 10, 1, 0);
    if (c->granted != NULL) {
        assert_int_equal(count("waybill.export_task WHERE state = 'queued' AND enterprise_projects %s", c->granted), 1);
        end();
        return;
    }
    assert_int_equal(count("waybill.export_task WHERE state = 'failure' AND error_code = 'HSS.0013'"
                           " AND error_msg LIKE '%%token%%' AND enterprise_projects = '{was}'"), 1);
    expect_run("failure", T0, "%token%");
    assert_int_equal(settle(T0).failure, 1);
    assert_int_equal(retry(T0 + 5 * MINUTE).restarted, 0);
    assert_int_equal(settle(T0 + 5 * MINUTE).failure, 1);
    assert_int_equal(count("waybill.schedule_run WHERE attempts = 2 AND retry_time IS NULL AND is_settled"), 1);
    end();
}

static void a_token_that_no_longer_exists(void)
{
    begin();
    run("UPDATE waybill.export_schedule SET credential_id = 99999");
    expect_due(T0, 10, 1, 0);
    expect_run("failure", T0, "%token%");
    end();
}

/* ---- The end of a run ---- */

static void a_success(void)
{
    struct settle_result result;

    begin();
    expect_due(T0, 10, 1, 0);
    assert_int_equal(look(T0).ended, 0);
    succeed(T0);
    assert_int_equal(look(T0).ended, 1);
    result = settle(T0);
    assert_int_equal(result.success, 1);
    assert_int_equal(result.failure + result.notifications + result.failed, 0);
    assert_int_equal(settle(T0).success, 0);
    assert_int_equal(count("waybill.schedule_run WHERE has_file AND is_settled AND retry_time IS NULL"), 1);
    end();
}

static void notifications(void)
{
    begin();
    run("UPDATE waybill.export_schedule SET notify_url = '" URL "', notify_secret = 'whsec_x'");
    expect_due(T0, 10, 1, 0);
    succeed(T0);
    assert_int_equal(settle(T0).notifications, 1);
    assert_int_equal(count("waybill.notification WHERE body::json ->> 'schedule_id' = '" ID "1'"
                           " AND body::json ->> 'occurrence_time' = '%" PRId64 "'"
                           " AND body::json ->> 'task_status' = 'success'", T0), 1);
    expect_due(T0 + HOUR, 10, 1, 0);
    fail_tasks(T0);
    run("DELETE FROM waybill.export_task WHERE state = 'failure'");
    assert_int_equal(settle(T0).notifications, 0); /* the task was removed */
    assert_int_equal(look(T0).ended, 0);
    end();
}

/* Adds a run that has succeeded, with its task. */
static void add_success(int64_t occurrence, int64_t finish)
{
    run("WITH run AS (INSERT INTO waybill.schedule_run (schedule_id, occurrence_time, state, task_id, finish_time,"
        "  has_file, is_settled) VALUES ('" ID "1', " AT ", 'success', gen_random_uuid(), " AT ", true, false)"
        "  RETURNING task_id)"
        " INSERT INTO waybill.export_task (project_id, enterprise_project_id, export_size, request, request_id,"
        "  task_id, state, file_id, finish_time, kept) SELECT 'p', '0', 1, '{}', 'r', task_id, 'success',"
        "  gen_random_uuid(), " AT ", true FROM run", occurrence, finish, finish);
}

static void settle_first(const char *task_id)
{
    run("UPDATE waybill.schedule_run SET is_settled = true WHERE task_id = '%s'", task_id);
}

static void an_end_that_another_process_has_processed(void)
{
    begin();
    run("UPDATE waybill.export_schedule SET notify_url = '" URL "', notify_secret = 'whsec_x'");
    add_success(T0, T0);
    before_lock = settle_first;
    assert_int_equal(settle(T0).success, 0);
    assert_int_equal(count("waybill.notification"), 0);
    end();
}

static void expect_files(const char *occurrences)
{
    assert_int_equal(count("waybill.schedule_run WHERE has_file AND occurrence_time ="
                           " ANY (SELECT to_timestamp(hour * 3600 + %" PRId64 ")"
                           "      FROM unnest('{%s}'::integer[]) hour)", T0 / 1000, occurrences), 2);
    assert_int_equal(count("waybill.schedule_run WHERE has_file"), 2);
    assert_int_equal(count("waybill.schedule_run JOIN waybill.export_task USING (task_id)"
                           " WHERE has_file <> (expire_time IS NULL) OR expire_time > now()"), 0);
}

/* The newest are those that finished last, and of those that finished together, the runs that were added last. */
static void files_beyond_keep(void)
{
    begin();
    add_success(T0 + HOUR, T0 + 5 * HOUR);
    add_success(T0 + 2 * HOUR, T0 + 3 * HOUR);
    add_success(T0 + 3 * HOUR, T0 + 4 * HOUR);
    assert_int_equal(settle(T0).success, 3);
    expect_files("1, 3");
    add_success(T0 + 4 * HOUR, T0 + 5 * HOUR);
    assert_int_equal(settle(T0).success, 1);
    expect_files("1, 4");
    add_success(T0 + 5 * HOUR, T0 + 5 * HOUR);
    assert_int_equal(settle(T0).success, 1);
    expect_files("4, 5");
    end();
}

static void expect_free_run(const char *task_ids)
{
    if (*task_ids == '{')
        assert_int_equal(count("waybill.schedule_run WHERE task_id = ANY ('%s') FOR UPDATE SKIP LOCKED", task_ids), 1);
    else
        assert_int_equal(count("waybill.schedule_run WHERE task_id = '%s' FOR UPDATE SKIP LOCKED", task_ids), 1);
}

/* Whoever changes a task locks its run second, so the scheduler must too. */
static void locks_a_task_before_its_run(void)
{
    begin();
    for (int i = 1; i <= 2; i++)
        add_success(T0 + i * HOUR, T0 + i * HOUR);
    settle(T0);
    add_success(T0 + 3 * HOUR, T0 + 3 * HOUR);
    before_lock = expect_free_run;
    before_expire = expect_free_run;
    settle(T0);
    assert_null(before_lock);
    assert_null(before_expire);
    expect_files("2, 3");
    run("DELETE FROM waybill.schedule_run");
    fail_run(T0);
    before_lock = expect_free_run;
    assert_int_equal(retry(T0 + 5 * MINUTE).restarted, 1);
    assert_null(before_lock);
    end();
}

static void a_task_that_someone_holds(void)
{
    struct db *holder;
    struct settle_result result;

    begin();
    add_success(T0, T0);
    add_success(T0 + HOUR, T0);
    holder = server_open(SERVER_PATIENT_MS);
    server_run(holder, "BEGIN; SELECT FROM waybill.export_task ORDER BY create_time LIMIT 1 FOR UPDATE");
    result = settle(T0);
    assert_int_equal(result.success, 1);
    assert_int_equal(result.failed, 1);
    assert_int_equal(look(T0).ended, 1);
    server_run(holder, "ROLLBACK");
    assert_int_equal(settle(T0).success, 1);
    db_close(holder);
    end();
}

static void expect_short_wait(const char *task_id)
{
    struct error err;
    struct db_result *row = db_query(db, DB_ONE_ROW, "SELECT current_setting('lock_timeout') AS wait", 0, NULL, &err);

    (void) task_id;
    check_good(row != NULL, &err);
    assert_string_equal(db_text(row, 0, "wait"), "250ms");
    db_result_free(row);
}

static void waits_briefly_for_locks(void)
{
    begin();
    add_success(T0, T0);
    before_lock = expect_short_wait;
    settle(T0);
    assert_null(before_lock);
    end();
}

static void failing_ends(void)
{
    struct settle_result result;

    begin();
    add(2, "FREQ=HOURLY", T0);
    expect_due(T0, 10, 2, 0);
    fail_tasks(T0);
    refuse_runs_of("'" ID "1'");
    result = settle(T0);
    assert_int_equal(result.failure, 1);
    assert_int_equal(result.failed, 1);
    assert_int_equal(pass(T0).wait_ms, 5000);
    refuse_no_more();
    assert_int_equal(settle(T0).failure, 1);
    end();
}

static void no_more_ends_than_the_limit(void)
{
    struct settle_result result;
    struct error err;

    begin();
    add_success(T0, T0);
    add_success(T0 + HOUR, T0);
    check_good(settle_ended(db, T0, 1, NULL, &result, &err), &err);
    assert_int_equal(result.success, 1);
    end();
}

/* ---- Retries ---- */

static void a_retry_after_five_minutes(void)
{
    begin();
    fail_run(T0);
    assert_int_equal(retry(T0 + 5 * MINUTE - 1).restarted, 0);
    run("UPDATE waybill.export_task SET enterprise_projects = '{was}'");
    assert_int_equal(retry(T0 + 5 * MINUTE).restarted, 1);
    expect_run("running", T0, "");
    assert_int_equal(count("waybill.export_task WHERE state = 'queued' AND enterprise_projects = '{0}'"), 1);
    fail_tasks(T0);
    assert_int_equal(settle(T0 + HOUR / 2).failure, 1);
    assert_int_equal(count("waybill.schedule_run WHERE attempts = 2 AND retry_time IS NULL AND is_settled"), 1);
    end();
}

static void a_failure_with_a_newer_run(void)
{
    begin();
    add_success(T0 + HOUR, T0 + HOUR);
    fail_run(T0);
    assert_int_equal(count("waybill.schedule_run WHERE retry_time IS NOT NULL"), 0);
    end();
}

static void a_failure_with_newer_skipped_occurrences(void)
{
    begin();
    expect_due(T0, 10, 1, 0);
    expect_due(T0 + HOUR, 10, 0, 0);
    fail_tasks(T0);
    settle(T0);
    assert_int_equal(count("waybill.schedule_run WHERE retry_time IS NOT NULL"), 1);
    end();
}

static void a_retry_of_a_paused_schedule(void)
{
    begin();
    fail_run(T0);
    run("UPDATE waybill.export_schedule SET enabled = false, next_run_time = NULL");
    assert_int_equal(retry(T0 + HOUR).restarted, 0);
    assert_int_equal(count("waybill.schedule_run WHERE retry_time IS NULL AND is_settled AND attempts = 1"
                           " AND reason = 'it failed'"), 1);
    end();
}

/* The status and the notification have the new reason. */
static void a_retry_whose_grants_are_revoked(void)
{
    begin();
    run("UPDATE waybill.export_schedule SET notify_url = '" URL "', notify_secret = 'whsec_x'");
    fail_run(T0);
    run("UPDATE waybill.export_schedule SET credential_id = 99999; DELETE FROM waybill.notification");
    assert_int_equal(retry(T0 + 5 * MINUTE).restarted, 0);
    expect_run("failure", T0, "%token%");
    assert_int_equal(count("waybill.export_task WHERE error_code = 'HSS.0013' AND error_msg LIKE '%%token%%'"), 1);
    assert_int_equal(settle(T0 + 5 * MINUTE).notifications, 1);
    assert_int_equal(count("waybill.notification WHERE body::json ->> 'error_code' = 'HSS.0013'"), 1);
    assert_int_equal(count("waybill.schedule_run WHERE attempts = 2 AND retry_time IS NULL"), 1);
    end();
}

static void retry_and_fail_as_operator(const char *task_id)
{
    (void) task_id;
    retry_as_operator();
    fail_tasks(T0 + 6 * MINUTE);
}

static void a_retry_beside_that_of_the_operator(void)
{
    begin();
    fail_run(T0);
    before_lock = retry_and_fail_as_operator;
    assert_int_equal(retry(T0 + 6 * MINUTE).restarted, 0);
    assert_int_equal(count("waybill.schedule_run WHERE state = 'failure' AND attempts = 1 AND NOT is_settled"), 1);
    assert_int_equal(settle(T0 + 7 * MINUTE).failure, 1);
    end();
}

static void a_revoked_retry_beside_that_of_the_operator(void)
{
    begin();
    fail_run(T0);
    run("UPDATE waybill.export_schedule SET credential_id = 99999");
    before_lock = retry_and_fail_as_operator;
    assert_int_equal(retry(T0 + 6 * MINUTE).failed, 0);
    expect_run("failure", T0, "it failed");
    end();
}

static void expect_held_task(const char *task_id)
{
    assert_int_equal(count("waybill.export_task WHERE task_id = '%s' FOR UPDATE SKIP LOCKED", task_id), 0);
}

static void a_retry_holds_its_task(void)
{
    begin();
    fail_run(T0);
    before_restart = expect_held_task;
    assert_int_equal(retry(T0 + 6 * MINUTE).restarted, 1);
    assert_null(before_restart);
    end();
}

static void remove_task(const char *task_id)
{
    run("DELETE FROM waybill.export_task WHERE task_id = '%s'", task_id);
}

static void a_retry_beside_the_removal_of_the_task(void)
{
    begin();
    fail_run(T0);
    before_lock = remove_task;
    assert_int_equal(retry(T0 + 6 * MINUTE).restarted, 0);
    assert_int_equal(count("waybill.schedule_run WHERE state = 'failure' AND retry_time IS NULL"), 1);
    end();
}

/* ---- Tasks that change ---- */

static void tasks_that_are_removed(void)
{
    begin();
    expect_due(T0, 10, 1, 0);
    run("DELETE FROM waybill.export_task");
    expect_run("failure", T0, "the task was removed");
    assert_int_equal(look(T0).ended + look(T0).retries, 0);
    add_success(T0 + HOUR, T0);
    run("DELETE FROM waybill.export_task");
    assert_int_equal(count("waybill.schedule_run WHERE has_file"), 0);
    end();
}

/* ---- The purge ---- */

static void purge(int64_t now)
{
    struct error err;

    check_good(settle_purge(db, now, 2, NULL, &err), &err);
}

static void old_runs(void)
{
    begin();
    for (int i = 1; i <= 6; i++)
        add_success(T0 + i * HOUR, T0);
    run("UPDATE waybill.schedule_run SET is_settled = true, has_file = false");
    run("UPDATE waybill.schedule_run SET is_settled = false WHERE occurrence_time = " AT, T0 + HOUR);
    run("UPDATE waybill.schedule_run SET has_file = true WHERE occurrence_time = " AT, T0 + 2 * HOUR);
    run("UPDATE waybill.schedule_run SET state = 'failure', retry_time = " AT " WHERE occurrence_time = " AT,
        T0, T0 + 3 * HOUR);
    run("UPDATE waybill.schedule_run SET finish_time = " AT " WHERE occurrence_time = " AT, T0 + 1, T0 + 4 * HOUR);
    run("UPDATE waybill.schedule_run SET state = 'skipped', task_id = NULL WHERE occurrence_time = " AT, T0 + 6 * HOUR);
    purge(T0 + 2 * HOUR);
    assert_int_equal(count("waybill.schedule_run"), 6);
    purge(T0 + 2 * HOUR + 1);
    assert_int_equal(count("waybill.schedule_run"), 6); /* the last run with a task, and newer ones, stay */
    add_success(T0 + 7 * HOUR, T0);
    purge(T0 + 2 * HOUR + 1);
    assert_int_equal(count("waybill.schedule_run"), 5);
    assert_int_equal(count("waybill.schedule_run WHERE occurrence_time IN (" AT ", " AT ")", T0 + 5 * HOUR,
                           T0 + 6 * HOUR), 0);
    end();
}

/* They are deleted in batches, so that no statement takes too long. */
static void very_many_old_runs(void)
{
    begin();
    run("INSERT INTO waybill.schedule_run (schedule_id, occurrence_time, state, reason, finish_time)"
        " SELECT '" ID "1', " AT " + i * interval '1 second', 'skipped', '', " AT " FROM generate_series(1, 2500) AS i",
        T0, T0);
    add_success(T0 + 7 * HOUR, T0);
    purge(T0 + 2 * HOUR + 1);
    assert_int_equal(count("waybill.schedule_run"), 1);
    end();
}

int main(void)
{
    CHECK(looks_ahead);
    CHECK(counts_no_more_than_a_batch);
    CHECK(an_occurrence_at_this_moment);
    CHECK(missed_occurrences);
    CHECK(very_many_missed_occurrences);
    CHECK(occurrences_from_before_do_not_run);
    CHECK(a_time_that_comes_too_early);
    CHECK(a_time_that_comes_too_late);
    CHECK(the_last_occurrence);
    CHECK(an_occurrence_that_has_a_run);
    CHECK(an_unfinished_run);
    CHECK(a_run_that_another_process_starts_meanwhile);
    CHECK(schedules_in_the_order_of_their_times);
    CHECK(failing_schedules);
    CHECK(rows_that_someone_holds);
    CHECK(what_is_no_longer_valid);
    CHECK(waits_for_what_is_next);
    CHECK(an_occurrence_replaces_a_retry);
    CHECK(a_run_on_request_replaces_a_retry);
    CHECK_EACH(grants, grant_cases, label);
    CHECK(a_token_that_no_longer_exists);
    CHECK(a_success);
    CHECK(an_end_that_another_process_has_processed);
    CHECK(notifications);
    CHECK(files_beyond_keep);
    CHECK(locks_a_task_before_its_run);
    CHECK(a_task_that_someone_holds);
    CHECK(waits_briefly_for_locks);
    CHECK(failing_ends);
    CHECK(no_more_ends_than_the_limit);
    CHECK(a_retry_after_five_minutes);
    CHECK(a_failure_with_a_newer_run);
    CHECK(a_failure_with_newer_skipped_occurrences);
    CHECK(a_retry_of_a_paused_schedule);
    CHECK(a_retry_whose_grants_are_revoked);
    CHECK(a_retry_beside_that_of_the_operator);
    CHECK(a_revoked_retry_beside_that_of_the_operator);
    CHECK(a_retry_holds_its_task);
    CHECK(a_retry_beside_the_removal_of_the_task);
    CHECK(tasks_that_are_removed);
    CHECK(old_runs);
    CHECK(very_many_old_runs);
    return check_run("schedule/scheduler");
}
