/*
 * What all unit tests share. Each row of a table is a separate test, named after its function and the row, so that a
 * failure shows which case it is:
 *
 *     static void durations(const void *row) { const struct duration_case *c = row; ... }
 *     int main(void) { CHECK_EACH(durations, duration_cases, text); return check_run("base/clock"); }
 */
#ifndef WAYBILL_TESTS_UNIT_CHECK_H
#define WAYBILL_TESTS_UNIT_CHECK_H

/* cmocka.h needs the first four of these headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"

/* Bytes that may contain NUL: {BYTES("a\0b")} initializes a pointer and a length. */
#define BYTES(literal) (literal), sizeof(literal) - 1

/* Adds the test of one row. `label` distinguishes it from the others. The row must live until check_run. */
void check_add(const char *function, const char *label, void (*run)(const void *row), const void *row);

/* Adds a test without a table. */
void check_add_alone(const char *function, void (*run)(void));

#define CHECK(function) check_add_alone(#function, function)

#define CHECK_EACH(function, table, member)                              \
    for (size_t check_at = 0; check_at < ARRAY_SIZE(table); check_at++) \
        check_add(#function, (table)[check_at].member, function, &(table)[check_at])

/* Runs the added tests in order, prints TAP, and returns the exit status of the program. */
int check_run(const char *subject);

/* Fails the test and prints the reason as a TAP comment. */
NORETURN void check_fail(const char *format, ...) PRINTF_LIKE(1, 2);

/* Fails the test with the error's message if `good` is false. */
void check_good(bool good, const struct error *err);

/* Fails the test unless the error has this code and its message contains `fragment`. */
void check_refusal(const struct error *err, enum error_code code, const char *fragment);

#endif
