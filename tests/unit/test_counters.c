/* Counts reach the database exactly once, or are kept. The linker replaces the database (--wrap). */
#include "export/counters.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/metrics.h"
#include "check.h"

static struct {
    bool fails;
    int calls;
    char *names, *amounts; /* of the last call */
} database;

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

    free(metrics_take(&count));
    database.calls = 0;
    database.fails = fails;
}

/* Returns the amount that the next flush would write. */
static double amount_of(const char *name)
{
    size_t count;
    struct metric *metrics = metrics_take(&count);
    double amount = 0;

    for (size_t i = 0; i < count; i++)
        amount += strcmp(metrics[i].name, name) == 0 ? metrics[i].amount : 0;
    free(metrics);
    return amount;
}

static void flushes_once(void)
{
    struct error err;

    begin(false);
    metrics_add(0.5, "one{label=\"x\"}");
    metrics_add(1, "one{label=\"x\"}");
    assert_true(counters_flush(NULL, &err));
    assert_string_equal(database.names, "{\"one{label=\\\"x\\\"}\"}");
    assert_string_equal(database.amounts, "{1.5}");
    assert_true(counters_flush(NULL, &err));
    assert_int_equal(database.calls, 1); /* nothing was left to flush */
}

/* Kept amounts are written in full, together with later counts. */
static void keeps_what_is_not_flushed(void)
{
    struct error err;

    begin(true);
    metrics_add(40, "one");
    metrics_add(2.5, "two");
    assert_false(counters_flush(NULL, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "no database");
    metrics_add(2, "one");
    assert_false(counters_flush(NULL, &err));
    database.fails = false;
    assert_true(counters_flush(NULL, &err));
    assert_int_equal(database.calls, 3);
    assert_non_null(strstr(database.names, "\"one\""));
    assert_non_null(strstr(database.amounts, "42"));
    assert_non_null(strstr(database.amounts, "2.5"));
    assert_true(amount_of("one") == 0);
    assert_true(amount_of("two") == 0);
}

int main(void)
{
    int status;

    CHECK(flushes_once);
    CHECK(keeps_what_is_not_flushed);
    status = check_run("export/counters");
    free(database.names);
    free(database.amounts);
    return status;
}
