/* Statements, their results and transactions. The errors are those of db/connection.h. */
#ifndef WAYBILL_DB_QUERY_H
#define WAYBILL_DB_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/result.h"
#include "db/statement.h"

/* An SQL expression for a timestamptz as milliseconds since 1970, and the reverse. NULL stays NULL. */
#define DB_MS(time) "(extract(epoch FROM " time ") * 1000)::bigint"
#define DB_TIME(ms) "(timestamptz 'epoch' + " ms "::bigint * interval '1 millisecond')"

/* A LIMIT clause. `rows` is a number, or a macro that is one. */
#define DB_LIMIT(rows) " LIMIT " TEXT_OF(rows)

/* The expected result of a query. Any other result is ERROR_INTERNAL. */
enum db_expect {
    DB_NOTHING,    /* a command without rows: INSERT, UPDATE ... without RETURNING */
    DB_ONE_ROW,
    DB_ONE_OR_NO_ROW,
    DB_ROWS,       /* any number */
};

/*
 * Runs a statement with text parameters ($1 ...; NULL is SQL NULL), and checks its result. Free the result with
 * db_result_free. Returns NULL on failure.
 */
MUST_CHECK struct db_result *db_query(struct db *db, enum db_expect expect, const char *sql, size_t count,
                                      const char *const *values, struct error *err);

/* Like db_query, for a statement that was built with db/statement.h. Frees the statement. */
MUST_CHECK struct db_result *db_query_built(struct db *db, enum db_expect expect, struct statement *statement,
                                            struct error *err);

/*
 * Like db_query, for a statement that runs often and needs no new plan for each of its values. The connection prepares
 * it once. `sql` is a constant with static lifetime, which identifies the statement.
 */
MUST_CHECK struct db_result *db_query_prepared(struct db *db, enum db_expect expect, const char *sql, size_t count,
                                               const char *const *values, struct error *err);

/*
 * Like db_query_prepared, in one transaction and one round trip with the statement `before`, which runs first. `before`
 * is a constant like `sql`, has no parameters, and its rows are discarded. Must not be called in a transaction.
 */
MUST_CHECK struct db_result *db_query_after(struct db *db, const char *before, enum db_expect expect, const char *sql,
                                            size_t count, const char *const *values, struct error *err);

/* Like db_query with DB_NOTHING. *ret_changed is the number of changed rows; the pointer may be NULL. */
MUST_CHECK bool db_execute(struct db *db, const char *sql, size_t count, const char *const *values,
                           int64_t *ret_changed, struct error *err);

/*
 * Like db_query_prepared with DB_ROWS, for one page: the last two parameters of the statement are `limit` and `offset`,
 * after `count` values, at most DB_PAGE_MAX_VALUES.
 */
#define DB_PAGE_MAX_VALUES 6
MUST_CHECK struct db_result *db_query_page(struct db *db, const char *sql, size_t count, const char *const *values,
                                           int limit, int offset, struct error *err);

/* Runs a script of several statements, without values and without COPY to or from the client. */
MUST_CHECK bool db_run_script(struct db *db, const char *script, struct error *err);

/* Checks that the server responds. */
MUST_CHECK bool db_ping(struct db *db, struct error *err);

/* Begins a transaction. End it with db_commit, or db_rollback after a failure. */
MUST_CHECK bool db_begin(struct db *db, struct error *err);

/* Begins a transaction whose statements see one snapshot and change nothing. End it as above. */
MUST_CHECK bool db_begin_snapshot(struct db *db, struct error *err);

/*
 * Begins a transaction and acquires the advisory lock with this number, which nothing else may use. Later statements of
 * the transaction see everything that earlier holders committed. End it as above.
 */
MUST_CHECK bool db_begin_locked(struct db *db, int64_t lock, struct error *err);
MUST_CHECK bool db_commit(struct db *db, struct error *err);
void db_rollback(struct db *db); /* if it fails, the connection is lost */

/* Returns the number of the advisory lock of a subject. Different subjects have different locks, almost certainly. */
int64_t db_lock_of(const char *subject);

/* Returns texts in the input format of text[]: {"a","b"}. Free the result with free(). */
char *db_array_literal(const char *const *texts, size_t count);

#endif
