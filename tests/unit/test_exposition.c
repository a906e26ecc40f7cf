/* The text of the metrics; the linker replaces the totals (--wrap). */
#include "metrics/exposition.h"

#include <string.h>

#include "check.h"
#include "metrics/totals.h"

enum step { NO_STEP, FLUSH, READ, READ_GAUGES };

#define DATABASE ((struct db *) &database) /* nobody looks into it */

static const struct total {
    const char *name, *value;
} *totals; /* ended by a name of NULL */

static struct {
    enum step failing;
    int calls;
} database;

bool __wrap_totals_flush(struct db *db, struct error *err);
bool __wrap_totals_read(struct db *db, void (*each)(void *context, const char *name, const char *value), void *context,
                        struct error *err);
bool __wrap_totals_read_gauges(struct db *db, struct totals_gauges *ret_gauges, struct error *err);

static bool works(enum step step, struct error *err)
{
    assert_int_equal(++database.calls, step); /* each once, in this order */
    return database.failing == step ? error_set(err, ERROR_UNAVAILABLE, "no database") : true;
}

bool __wrap_totals_flush(struct db *db, struct error *err)
{
    assert_ptr_equal(db, DATABASE);
    return works(FLUSH, err);
}

/* Fails after some totals, as a connection can be lost. */
bool __wrap_totals_read(struct db *db, void (*each)(void *context, const char *name, const char *value), void *context,
                        struct error *err)
{
    assert_ptr_equal(db, DATABASE);
    for (const struct total *total = totals; total->name != NULL; total++)
        each(context, total->name, total->value);
    return works(READ, err);
}

bool __wrap_totals_read_gauges(struct db *db, struct totals_gauges *ret_gauges, struct error *err)
{
    assert_ptr_equal(db, DATABASE);
    *ret_gauges = (struct totals_gauges) {
        .queued = 1, .running = 2, .success = INT64_C(30000000000), .failure = 4, .oldest_queued = 5.25,
        .oldest_due = 7.5, .files_bytes = INT64_C(60000000000),
    };
    return works(READ_GAUGES, err);
}

static void check_text(struct db *db, const char *expected)
{
    struct buffer text = {0};

    database.calls = 0;
    exposition_write(&text, db);
    assert_string_equal(buffer_text(&text), expected);
    buffer_free(&text);
}

#define INFO                                                    \
    "# HELP waybill_build_info The version of Waybill, as a label.\n"      \
    "# TYPE waybill_build_info gauge\n"                         \
    "waybill_build_info{version=\"" WAYBILL_VERSION "\"} 1\n"
#define GAUGES                                                                              \
    "# HELP waybill_tasks Tasks in the database, by state.\n"                               \
    "# TYPE waybill_tasks gauge\n"                                                          \
    "waybill_tasks{state=\"queued\"} 1\n"                                                   \
    "waybill_tasks{state=\"running\"} 2\n"                                                  \
    "waybill_tasks{state=\"success\"} 30000000000\n"                                        \
    "waybill_tasks{state=\"failure\"} 4\n"                                                  \
    "# HELP waybill_queue_oldest_seconds Age of the oldest queued task.\n"     \
    "# TYPE waybill_queue_oldest_seconds gauge\n"                                           \
    "waybill_queue_oldest_seconds 5.250\n"                                                  \
    "# HELP waybill_schedule_oldest_due_seconds Age of the oldest occurrence that is due and has not run.\n" \
    "# TYPE waybill_schedule_oldest_due_seconds gauge\n"                                   \
    "waybill_schedule_oldest_due_seconds 7.500\n"                                          \
    "# HELP waybill_files_bytes Total size of all files that can be downloaded.\n"               \
    "# TYPE waybill_files_bytes gauge\n"                                                    \
    "waybill_files_bytes 60000000000\n"
#define UP(number)                                              \
    "# HELP waybill_database_up Whether the database responds.\n" \
    "# TYPE waybill_database_up gauge\n"                        \
    "waybill_database_up " number "\n"

static const struct total mixed[] = {
    {"waybill", "0.1"},
    {"waybill_exports", "0.2"},
    {"waybill_exports_total", "0.3"},
    {"waybill_exports_total_count", "0.4"}, /* a counter has no such sample */
    {"waybill_exports_total{outcome=\"failure\"}", "12345678901234567890"},
    {"waybill_exports_totals{outcome=\"failure\"}", "0.5"},
    {"waybill_http_request_duration_seconds", "0.6"}, /* nor has a histogram this one */
    {"waybill_http_request_duration_seconds_bucket{operation=\"list\",le=\"+Inf\"}", "7"},
    {"waybill_http_request_duration_seconds_bucket_sum{operation=\"list\"}", "0.7"},
    {"waybill_http_request_duration_seconds_count{operation=\"list\"}", "8"},
    {"waybill_http_request_duration_seconds_max{operation=\"list\"}", "0.8"},
    {"waybill_http_request_duration_seconds_sum{operation=\"list\"}", "9.5"},
    {"waybill_http_requests_total{operation=\"list\",status=\"200\"}", "10"},
    {"waybill_unknown_total", "0.9"},
    {NULL, NULL},
};

/* Families come in the order of their table, samples in the order of the totals; unknown names are left out. */
static void writes_families(void)
{
    totals = mixed;
    database.failing = NO_STEP;
    check_text(DATABASE, INFO
               "# HELP waybill_http_requests_total Requests served, by operation and HTTP status.\n"
               "# TYPE waybill_http_requests_total counter\n"
               "waybill_http_requests_total{operation=\"list\",status=\"200\"} 10\n"
               "# HELP waybill_http_request_duration_seconds Duration of requests, including waits for exports.\n"
               "# TYPE waybill_http_request_duration_seconds histogram\n"
               "waybill_http_request_duration_seconds_bucket{operation=\"list\",le=\"+Inf\"} 7\n"
               "waybill_http_request_duration_seconds_count{operation=\"list\"} 8\n"
               "waybill_http_request_duration_seconds_sum{operation=\"list\"} 9.5\n"
               "# HELP waybill_exports_total Export attempts, by outcome.\n"
               "# TYPE waybill_exports_total counter\n"
               "waybill_exports_total 0.3\n"
               "waybill_exports_total{outcome=\"failure\"} 12345678901234567890\n"
               GAUGES UP("1"));
    assert_int_equal(database.calls, READ_GAUGES);
}

/* Every counter of the table. */
static void knows_counters(const void *row)
{
    const struct total *total = row;
    const struct total one[] = {*total, {NULL, NULL}};
    struct buffer text = {0}, line = {0};

    totals = one;
    database.calls = 0;
    database.failing = NO_STEP;
    exposition_write(&text, DATABASE);
    buffer_printf(&line, " counter\n%s %s\n", total->name, total->value);
    assert_non_null(strstr(buffer_text(&text), buffer_text(&line)));
    buffer_free(&line);
    buffer_free(&text);
}

static const struct total counter_rows[] = {
    {"waybill_http_requests_total{operation=\"none\",status=\"404\"}", "1"},
    {"waybill_exports_total{outcome=\"success\"}", "2"},
    {"waybill_exported_rows_total", "3"},
    {"waybill_exported_bytes_total", "4"},
    {"waybill_database_errors_total{reason=\"timeout\"}", "5"},
};

static void leaves_out_empty_families(void)
{
    static const struct total none[] = {{NULL, NULL}};

    totals = none;
    database.failing = NO_STEP;
    check_text(DATABASE, INFO GAUGES UP("1"));
}

static const struct failure_case {
    const char *label;
    enum step failing;
} failure_cases[] = {{"flush", FLUSH}, {"read", READ}, {"read the gauges", READ_GAUGES}};

/* No part of the totals appears: a counter would seem to have vanished. */
static void writes_only_its_own_without_the_database(const void *row)
{
    totals = mixed;
    database.failing = ((const struct failure_case *) row)->failing;
    check_text(DATABASE, INFO UP("0"));
    assert_int_equal(database.calls, database.failing);
}

static void writes_only_its_own_without_a_connection(void)
{
    check_text(NULL, INFO UP("0"));
    assert_int_equal(database.calls, 0);
}

int main(void)
{
    CHECK(writes_families);
    CHECK_EACH(knows_counters, counter_rows, name);
    CHECK(leaves_out_empty_families);
    CHECK_EACH(writes_only_its_own_without_the_database, failure_cases, label);
    CHECK(writes_only_its_own_without_a_connection);
    return check_run("metrics/exposition");
}
