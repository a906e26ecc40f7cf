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

/* What a query must give; anything else is ERROR_INTERNAL. */
enum db_expect {
    DB_NOTHING,    /* no rows: INSERT, UPDATE ... without RETURNING */
    DB_ONE_ROW,
    DB_ONE_OR_NO_ROW,
    DB_ROWS,       /* any number */
};

/*
 * Sends one statement with its values as text parameters ($1 ...; a NULL value is SQL NULL), waits, and
 * checks what came back. NULL on failure, else free it with db_result_free.
 */
MUST_CHECK struct db_result *db_query(struct db *db, enum db_expect expect, const char *sql, size_t count,
                                      const char *const *values, struct error *err);

/* As db_query with DB_NOTHING; the number of rows it changed goes to *ret_changed, which may be NULL. */
MUST_CHECK bool db_execute(struct db *db, const char *sql, size_t count, const char *const *values,
                           int64_t *ret_changed, struct error *err);

/* Runs a script of several statements, without values and without COPY to or from the client. */
MUST_CHECK bool db_run_script(struct db *db, const char *script, struct error *err);

/* Asks the server for a sign of life. */
MUST_CHECK bool db_ping(struct db *db, struct error *err);

/*
 * A transaction that begins once it holds the advisory lock with this number, which only has to be nobody else's. What
 * follows sees all that earlier holders committed. End it with db_commit, or db_rollback when something failed.
 */
MUST_CHECK bool db_begin_locked(struct db *db, int64_t lock, struct error *err);
MUST_CHECK bool db_commit(struct db *db, struct error *err);
void db_rollback(struct db *db); /* if that fails, or the state is unknown, the connection is no longer usable */

/* Writes texts as the input form of text[]: {"a","b"}. Free with free(). */
char *db_array_literal(const char *const *texts, size_t count);

#endif
