/*
 * What the tests of tests/database share. They run against a real PostgreSQL, in a database of their own that has
 * Waybill's schema: WAYBILL_TEST_CONNINFO is its connection string, for a superuser. tests/integration/test_database.py
 * starts them.
 */
#ifndef WAYBILL_TESTS_DATABASE_SERVER_H
#define WAYBILL_TESTS_DATABASE_SERVER_H

#include "db/query.h"

#define SERVER_PATIENT_MS 30000 /* a time limit that only a fault can reach */

/* Opens a connection whose statements have this time limit, or fails the test. Close it with db_close. */
struct db *server_open(int query_timeout_ms);

/* From now on the client waits no longer than this for a statement, and half a second. The server's limit stays. */
void server_limit_client(struct db *db, int query_timeout_ms);

/* Runs a script, or fails the test. */
void server_run(struct db *db, const char *script);

/* Returns the number that a query computes as `number`, or fails the test. */
int64_t server_ask(struct db *db, const char *sql);

/* A db_watcher that counts its calls in an int and returns false with ERROR_CANCELLED and "the watcher gave up". */
bool server_watcher_gives_up(void *context, struct error *err);

#endif
