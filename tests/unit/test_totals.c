/* Counts reach the database exactly once, or are kept. The linker replaces the database (--wrap). */
#include "metrics/totals.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check.h"
#include "metrics/counters.h"

static struct {
    bool fails;
    int calls;
    char *names, *amounts; /* of the last call */
    uint64_t failures[ERROR_CODE_COUNT];
} database;

uint64_t __wrap_db_failures_take(enum error_code code);

uint64_t __wrap_db_failures_take(enum error_code code)
{
    uint64_t failures = database.failures[code];

    database.failures[code] = 0;
    return failures;
}

bool __wrap_db_execute(struct db *db, const char *sql, size_t count, const char *const *values, int64_t *ret_changed,
                       struct error *err);

bool __wrap_db_execute(struct db *db, const char *sql, size_t count, const char *const *values, int64_t *ret_changed,
                       struct error *err)
{
    (void) db;
    (void) sql;
    (void) ret_changed;
    assert_int_equal(count, 2);
    free(database.names);
    free(database.amounts);
    database.names = memory_copy_text(values[0]);
    database.amounts = memory_copy_text(values[1]);
    database.calls++;
    return database.fails ? error_set(err, ERROR_UNAVAILABLE, "no database") : true;
}

static void begin(bool fails)
{
    size_t count;

    free(counters_take(&count));
    database.calls = 0;
    database.fails = fails;
}

/* Returns the amount that the next flush would write. */
static double amount_of(const char *name)
{
    size_t count;
    struct counter *counters = counters_take(&count);
    double amount = 0;

    for (size_t i = 0; i < count; i++)
        amount += strcmp(counters[i].name, name) == 0 ? counters[i].amount : 0;
    free(counters);
    return amount;
}

static void flushes_once(void)
{
    struct error err;

    begin(false);
    counters_add(0.5, "one{label=\"x\"}");
    counters_add(1, "one{label=\"x\"}");
    assert_true(totals_flush(NULL, &err));
    assert_string_equal(database.names, "{\"one{label=\\\"x\\\"}\"}");
    assert_string_equal(database.amounts, "{1.5}");
    assert_true(totals_flush(NULL, &err));
    assert_int_equal(database.calls, 1); /* nothing was left to flush */
}

/* Kept amounts are written in full, together with later counts. */
static void keeps_what_is_not_flushed(void)
{
    struct error err;

    begin(true);
    counters_add(40, "one");
    counters_add(2.5, "two");
    assert_false(totals_flush(NULL, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "no database");
    counters_add(2, "one");
    assert_false(totals_flush(NULL, &err));
    database.fails = false;
    assert_true(totals_flush(NULL, &err));
    assert_int_equal(database.calls, 3);
    assert_non_null(strstr(database.names, "\"one\""));
    assert_non_null(strstr(database.amounts, "42"));
    assert_non_null(strstr(database.amounts, "2.5"));
    assert_true(amount_of("one") == 0);
    assert_true(amount_of("two") == 0);
}

/* Each reason is a counter of its own, and one without failures is none. */
static void adds_the_failures_of_the_database(void)
{
    struct error err;

    begin(false);
    database.failures[0] = 4;
    database.failures[ERROR_UNAVAILABLE] = 2;
    database.failures[ERROR_CODE_COUNT - 1] = 3;
    assert_true(totals_flush(NULL, &err));
    assert_string_equal(database.names, "{\"waybill_database_errors_total{reason=\\\"none\\\"}\","
                        "\"waybill_database_errors_total{reason=\\\"unavailable\\\"}\","
                        "\"waybill_database_errors_total{reason=\\\"usage\\\"}\"}");
    assert_string_equal(database.amounts, "{4,2,3}");
    assert_true(totals_flush(NULL, &err));
    assert_int_equal(database.calls, 1);
}

/* A flush that fails keeps the earlier failures, and the next one adds its own. */
static void keeps_the_failures_of_the_database(void)
{
    static const char name[] = "waybill_database_errors_total{reason=\"timeout\"}";
    struct error err;

    begin(true);
    database.failures[ERROR_TIMEOUT] = 2;
    assert_false(totals_flush(NULL, &err));
    database.failures[ERROR_TIMEOUT] = 1;
    assert_false(totals_flush(NULL, &err));
    assert_true(amount_of(name) == 3);
}

int main(void)
{
    int status;

    CHECK(flushes_once);
    CHECK(keeps_what_is_not_flushed);
    CHECK(adds_the_failures_of_the_database);
    CHECK(keeps_the_failures_of_the_database);
    status = check_run("metrics/totals");
    free(database.names);
    free(database.amounts);
    return status;
}
