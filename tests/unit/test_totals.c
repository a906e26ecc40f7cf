/* Counts reach the database exactly once, or are kept. The linker replaces the database (--wrap). */
#include "metrics/totals.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

/* Another thread that takes the counters while a flush puts its counters back. */
static struct {
    int starts_at; /* the number of the call of counters_add at which it starts; 0: never */
    pthread_t thread;
    size_t taken;
} rival;

static void *take_as_rival(void *argument)
{
    (void) argument;
    free(counters_take(&rival.taken));
    return NULL;
}

static void start_rival(void)
{
    const struct timespec pause = {.tv_nsec = 100 * 1000000L};

    assert_int_equal(pthread_create(&rival.thread, NULL, take_as_rival, NULL), 0);
    nanosleep(&pause, NULL); /* it takes them now, unless it must wait */
}

void __real_counters_add(double amount, const char *name, ...) PRINTF_LIKE(2, 3);
void __wrap_counters_add(double amount, const char *name, ...) PRINTF_LIKE(2, 3);

void __wrap_counters_add(double amount, const char *name, ...)
{
    char full_name[COUNTERS_NAME_SIZE];
    va_list arguments;

    va_start(arguments, name);
    vsnprintf(full_name, sizeof(full_name), name, arguments);
    va_end(arguments);
    if (rival.starts_at > 0 && --rival.starts_at == 0)
        start_rival();
    __real_counters_add(amount, "%s", full_name);
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

/* A histogram stays whole: while a flush that failed puts its counters back, no other flush takes a part of them. */
static void keeps_all_or_nothing(void)
{
    struct error err;

    begin(true);
    counters_add(1, "one");
    counters_add(1, "three");
    counters_add(1, "two");
    rival.starts_at = 2;
    assert_false(totals_flush(NULL, &err));
    assert_int_equal(rival.starts_at, 0);
    pthread_join(rival.thread, NULL);
    assert_int_equal(rival.taken, 3);
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
    CHECK(keeps_all_or_nothing);
    CHECK(adds_the_failures_of_the_database);
    CHECK(keeps_the_failures_of_the_database);
    status = check_run("metrics/totals");
    free(database.names);
    free(database.amounts);
    return status;
}
