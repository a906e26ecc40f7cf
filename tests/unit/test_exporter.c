#include "export/exporter.h"

#include <stdio.h>
#include <time.h>

#include "check.h"
#include "db/scope.h"
#include "inventory/rows_csv.h"

#define START 1000000  /* when each export begins, on a clock that stands still unless the test moves it */
#define LEASE 30       /* seconds */
#define TIMEOUT 3600   /* seconds */

static int64_t now;
static char place; /* what pointers to opaque structures point to */

/* What the export of a test meets. */
static bool (*rows)(const struct inventory_watcher *watcher, struct inventory_progress *progress, struct error *err);
static enum error_code renewal; /* how each renewal fails; ERROR_NONE: it succeeds */
static int renewals;
static int good_renewal;    /* the number of the renewal from which on all succeed; 0: none */
static int64_t confirmed;   /* of the claim; 0: it is durable */
static int percent;         /* of the last renewal */
static int64_t rows_so_far; /* of the last renewal */
static atomic_bool stop;
static bool changed; /* the watch of the claim has a change that was not taken */
static struct claim *claim;

/* What it came to. */
static struct attempt settled;
static struct error reason; /* ERROR_NONE for success */
static bool published;
static struct inventory_query asked;
static const char *scope_project, *scope_enterprise_projects; /* of the connection to the inventory */
static char written[64]; /* to the file */

int64_t __wrap_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void)
{
    return now;
}

struct db *__wrap_db_pool_acquire(struct db_pool *pool, struct error *err);
struct db *__wrap_db_pool_acquire(struct db_pool *pool, struct error *err)
{
    (void) err;
    return (struct db *) pool;
}

void __wrap_db_pool_release(struct db_pool *pool, struct db *db);
void __wrap_db_pool_release(struct db_pool *pool, struct db *db)
{
    assert_ptr_equal(pool, db);
}

bool __wrap_claim_renew(struct db *db, struct claim *renewed, int progress, int64_t exported_rows, struct error *err);
bool __wrap_claim_renew(struct db *db, struct claim *renewed, int progress, int64_t exported_rows, struct error *err)
{
    (void) db;
    renewals++;
    rows_so_far = exported_rows;
    percent = progress;
    if (renewals == good_renewal)
        renewal = ERROR_NONE;
    if (renewal != ERROR_NONE)
        return error_set(err, renewal, "no renewal");
    renewed->lease_end = now + renewed->terms.lease * 1000;
    renewed->confirmed = 0;
    return true;
}

bool __wrap_claim_is_durable(const struct claim *asked_for);
bool __wrap_claim_is_durable(const struct claim *asked_for)
{
    return asked_for->confirmed == 0;
}

/* Pauses take the time of the clock. */
int __wrap_nanosleep(const struct timespec *pause, struct timespec *left);
int __wrap_nanosleep(const struct timespec *pause, struct timespec *left)
{
    (void) left;
    assert_false(published);
    now += pause->tv_sec * 1000 + pause->tv_nsec / 1000000;
    return 0;
}

enum watch_event __wrap_watch_wait(struct watch *watch, int timeout_ms);
enum watch_event __wrap_watch_wait(struct watch *watch, int timeout_ms)
{
    bool event = changed;

    assert_ptr_equal(watch, &claim->watch);
    assert_int_equal(timeout_ms, 0);
    changed = false;
    return event ? WATCH_CHANGED : WATCH_TIMEOUT;
}

struct export_file *__wrap_export_file_begin(const char *directory, const char *file_id, bool gzip, struct error *err);
struct export_file *__wrap_export_file_begin(const char *directory, const char *file_id, bool gzip, struct error *err)
{
    assert_string_equal(directory, "the directory");
    assert_string_equal(file_id, claim->lease);
    assert_true(gzip);
    (void) err;
    return (struct export_file *) &place;
}

bool __wrap_export_file_publish(struct export_file *file, struct error *err);
bool __wrap_export_file_publish(struct export_file *file, struct error *err)
{
    assert_non_null(file);
    (void) err;
    published = true;
    return true;
}

bool __wrap_export_file_write(struct export_file *file, const char *data, size_t length, struct error *err);
bool __wrap_export_file_write(struct export_file *file, const char *data, size_t length, struct error *err)
{
    assert_ptr_equal(file, &place);
    snprintf(written, sizeof(written), "%.*s", (int) length, data);
    return error_set(err, ERROR_STORAGE, "as a test");
}

void __wrap_export_file_free(struct export_file *file);
void __wrap_export_file_free(struct export_file *file)
{
    (void) file;
}

bool __wrap_inventory_rows_csv(struct db *db, const struct inventory_query *query, const struct csv_options *options,
                               const struct csv_output *output, const struct inventory_watcher *watcher,
                               struct inventory_progress *progress, struct error *err);
bool __wrap_inventory_rows_csv(struct db *db, const struct inventory_query *query, const struct csv_options *options,
                               const struct csv_output *output, const struct inventory_watcher *watcher,
                               struct inventory_progress *progress, struct error *err)
{
    assert_ptr_equal(db, &place);
    assert_true(options->bom);
    assert_false(output->write(output->context, "a row", 5, err));
    assert_int_equal(err->code, ERROR_STORAGE);
    assert_string_equal(written, "a row");
    assert_int_equal(query->selection->header_count, 1);
    assert_string_equal(query->selection->headers[0].name, "R");
    asked = *query;
    assert_string_equal(scope_project, "p1");
    assert_string_equal(scope_enterprise_projects, "{\"0\"}");
    return rows(watcher, progress, err);
}

void __wrap_db_set_scope(struct db *db, const char *project_id, const char *enterprise_projects);
void __wrap_db_set_scope(struct db *db, const char *project_id, const char *enterprise_projects)
{
    assert_ptr_equal(db, &place);
    scope_project = project_id;
    scope_enterprise_projects = enterprise_projects;
}

enum outcome __wrap_outcome_settle(const struct attempt *attempt, const struct error *why);
enum outcome __wrap_outcome_settle(const struct attempt *attempt, const struct error *why)
{
    settled = *attempt;
    reason.code = ERROR_NONE;
    if (why != NULL)
        reason = *why;
    return OUTCOME_ABANDONED;
}

/* Runs an export for which `make_rows` plays the inventory. */
static void run_export(bool inventory_is_new,
                       bool (*make_rows)(const struct inventory_watcher *, struct inventory_progress *, struct error *))
{
    static char project_id[] = "p1", projects[] = "{\"0\"}", request[] = "{\"export_headers\":[[\"risky\",\"R\"]]}";
    static struct claim own;
    const struct exporter exporter = {
        .relation = "waybill.container",
        .directory = "the directory",
        .gzip = true,
        .csv = {.bom = true},
        .timeout = TIMEOUT,
        .terms = {.lease = LEASE},
        .retention_hours = 24,
        .tasks = (struct db_pool *) &place,
        .stop = &stop,
    };

    own = (struct claim) {
        .lease = "lease",
        .terms = {.lease = LEASE},
        .confirmed = confirmed,
        .lease_end = START + LEASE * 1000,
        .export_size = 17,
        .project_id = project_id,
        .enterprise_projects = projects,
        .request = request,
    };
    claim = &own;
    now = START;
    renewals = good_renewal = 0;
    renewal = ERROR_NONE;
    published = false;
    atomic_store(&stop, false);
    rows = make_rows;
    scope_project = scope_enterprise_projects = NULL;
    assert_int_equal(exporter_run(&exporter, (struct db *) &place, inventory_is_new, claim), OUTCOME_ABANDONED);
}

/* Calls the watcher at this time. */
static bool watch_at(int64_t time, const struct inventory_watcher *watcher, const struct inventory_progress *progress,
                     struct error *err)
{
    now = START + time;
    return watcher->may_continue(watcher->context, progress, err);
}

static bool all_rows(const struct inventory_watcher *watcher, struct inventory_progress *progress, struct error *err)
{
    (void) watcher;
    (void) err;
    *progress = (struct inventory_progress) {.rows = 8, .answered = true};
    return true;
}

static void makes_the_file(void)
{
    run_export(false, all_rows);
    assert_int_equal(reason.code, ERROR_NONE);
    assert_true(published);
    assert_string_equal(asked.relation, "waybill.container");
    assert_string_equal(asked.project_id, "p1");
    assert_string_equal(asked.enterprise_projects, "{\"0\"}");
    assert_int_equal(asked.limit, 17);
    assert_ptr_equal(settled.file, &place);
    assert_ptr_equal(settled.claim, claim);
    assert_int_equal(settled.progress.rows, 8);
    assert_int_equal(settled.retention_hours, 24);
    assert_int_equal(settled.started, START);
    assert_int_equal(settled.deadline, START + TIMEOUT * 1000);
    assert_false(settled.connection_was_dead);
}

/* The first renewal comes after a second, the others after a third of the lease, or as soon as there is doubt. */
static bool rows_with_renewals(const struct inventory_watcher *watcher, struct inventory_progress *progress,
                               struct error *err)
{
    static const struct {
        int64_t time, rows;
        bool changed;
        int renewals, percent;
        int64_t rows_so_far;
    } calls[] = {
        {250, 0, false, 0, -1, -1},
        {999, 0, false, 0, -1, -1},
        {1000, 8, false, 1, 46, 8},
        {10999, 9, false, 1, 46, 8},
        {11000, 12, false, 2, 69, 12},
        {12000, 12, true, 3, 69, 12},
        {21999, 17, false, 3, 69, 12},
        {22000, 17, false, 4, 99, 17},
    };

    percent = -1;
    rows_so_far = -1;
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        progress->rows = calls[i].rows;
        changed = calls[i].changed;
        check_good(watch_at(calls[i].time, watcher, progress, err), err);
        assert_int_equal(renewals, calls[i].renewals);
        assert_int_equal(percent, calls[i].percent);
        assert_int_equal(rows_so_far, calls[i].rows_so_far);
        assert_false(changed);
    }
    return true;
}

static void renews_the_lease(void)
{
    run_export(false, rows_with_renewals);
    assert_int_equal(reason.code, ERROR_NONE);
    assert_true(published);
}

/* While the database cannot be asked, each second, until the lease has expired. */
static bool rows_without_database(const struct inventory_watcher *watcher, struct inventory_progress *progress,
                                  struct error *err)
{
    renewal = ERROR_TIMEOUT;
    check_good(watch_at(29000, watcher, progress, err), err);
    assert_int_equal(renewals, 1);
    check_good(watch_at(29999, watcher, progress, err), err);
    assert_int_equal(renewals, 1);
    assert_false(watch_at(30000, watcher, progress, err));
    assert_int_equal(renewals, 2);
    return false;
}

static bool rows_of_a_lost_lease(const struct inventory_watcher *watcher, struct inventory_progress *progress,
                                 struct error *err)
{
    renewal = ERROR_LEASE;
    return watch_at(1000, watcher, progress, err);
}

static bool rows_of_a_stopping_process(const struct inventory_watcher *watcher, struct inventory_progress *progress,
                                       struct error *err)
{
    atomic_store(&stop, true);
    return watch_at(1000, watcher, progress, err);
}

static bool rows_until_the_time_limit(const struct inventory_watcher *watcher, struct inventory_progress *progress,
                                      struct error *err)
{
    check_good(watch_at(TIMEOUT * 1000, watcher, progress, err), err);
    return watch_at(TIMEOUT * 1000 + 1, watcher, progress, err);
}

/* A claim that is not on the disk of the server must be renewed before the file is published, whatever that takes. */
static bool rows_without_database_for_a_while(const struct inventory_watcher *watcher,
                                              struct inventory_progress *progress, struct error *err)
{
    renewal = ERROR_TIMEOUT;
    good_renewal = 4;
    return all_rows(watcher, progress, err);
}

static bool rows_before_an_outage(const struct inventory_watcher *watcher, struct inventory_progress *progress,
                                  struct error *err)
{
    renewal = ERROR_UNAVAILABLE;
    return all_rows(watcher, progress, err);
}

static void publishes_only_a_durable_claim(void)
{
    confirmed = START - 1;
    run_export(false, all_rows);
    assert_int_equal(renewals, 1);
    assert_true(published);
    run_export(false, rows_without_database_for_a_while);
    assert_int_equal(renewals, 4);
    assert_int_equal(now, START + 3000);
    assert_true(published);
    run_export(false, rows_before_an_outage);
    assert_false(published);
    assert_int_equal(reason.code, ERROR_LEASE);
    confirmed = 0;
    run_export(false, all_rows);
    assert_int_equal(renewals, 0);
}

/* The last row is there, but the process was stopped for longer than the lease. */
static bool rows_before_a_pause(const struct inventory_watcher *watcher, struct inventory_progress *progress,
                                struct error *err)
{
    renewal = ERROR_LEASE;
    now = START + 60000;
    return all_rows(watcher, progress, err);
}

static const struct stop_case {
    const char *label;
    bool (*rows)(const struct inventory_watcher *watcher, struct inventory_progress *progress, struct error *err);
    enum error_code code;
} stop_cases[] = {
    {"lease expired", rows_without_database, ERROR_LEASE},
    {"lease lost", rows_of_a_lost_lease, ERROR_LEASE},
    {"process stops", rows_of_a_stopping_process, ERROR_CANCELLED},
    {"time limit", rows_until_the_time_limit, ERROR_TIMEOUT},
    {"lease lost before the file is published", rows_before_a_pause, ERROR_LEASE},
};

static void stops(const void *row)
{
    const struct stop_case *c = row;

    run_export(true, c->rows);
    assert_int_equal(reason.code, c->code);
    assert_false(published);
}

static bool rows_of_a_dead_connection(const struct inventory_watcher *watcher, struct inventory_progress *progress,
                                      struct error *err)
{
    (void) watcher;
    progress->answered = false;
    return error_set(err, ERROR_UNAVAILABLE, "no connection");
}

static bool rows_of_a_dying_connection(const struct inventory_watcher *watcher, struct inventory_progress *progress,
                                       struct error *err)
{
    (void) watcher;
    progress->answered = true;
    return error_set(err, ERROR_UNAVAILABLE, "no connection");
}

/* Only an old connection can have died while it was idle. */
static void dead_connections(void)
{
    run_export(false, rows_of_a_dead_connection);
    assert_true(settled.connection_was_dead);
    assert_int_equal(reason.code, ERROR_UNAVAILABLE);
    run_export(true, rows_of_a_dead_connection);
    assert_false(settled.connection_was_dead);
    run_export(false, rows_of_a_dying_connection);
    assert_false(settled.connection_was_dead);
}

int main(void)
{
    CHECK(makes_the_file);
    CHECK(renews_the_lease);
    CHECK(publishes_only_a_durable_claim);
    CHECK_EACH(stops, stop_cases, label);
    CHECK(dead_connections);
    return check_run("export/exporter");
}
