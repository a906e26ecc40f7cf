/*
 * The scope of a connection: what row level security lets its statements see and change (see
 * sql/migrations/0012_row_security.sql). It holds for roles with the privileges of waybill_service. Others, such as
 * waybill_worker, see what they were granted.
 *
 * The server forgets a scope at the end of each transaction. A connection sets it for each of its transactions anew,
 * without a round trip of its own. Without a scope, no row is visible.
 */
#ifndef WAYBILL_DB_SCOPE_H
#define WAYBILL_DB_SCOPE_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

/*
 * Sets the scope of later transactions, until the next call or until the connection is released to its pool: a project,
 * and its enterprise projects as text[] in its input format, or NULL for all. Copies both. project_id is NULL for no
 * scope. Must not be called in a transaction.
 */
void db_set_scope(struct db *db, const char *project_id, const char *enterprise_projects);

/*
 * Extends the scope, if there is one, to all enterprise projects of its project until the end of the transaction: for
 * what a caller may change that belongs to something else that the caller may see, and that the transaction has locked.
 */
MUST_CHECK bool db_widen_scope(struct db *db, struct error *err);

#endif
