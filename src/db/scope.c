#include "db/scope.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "db/internal.h"
#include "db/query.h"

/* The value of waybill.enterprise_projects for all. */
#define WHOLE "all"

/* The name of the statement that sets the scope. */
#define SCOPE_STATEMENT "waybill_scope"

void db_set_scope(struct db *db, const char *project_id, const char *enterprise_projects)
{
    PGTransactionStatusType status = PQtransactionStatus(db->connection);

    assert(status != PQTRANS_INTRANS && status != PQTRANS_INERROR);
    free(db->scope_project);
    free(db->scope_enterprise_projects);
    db->scope_project = db->scope_enterprise_projects = NULL;
    if (project_id == NULL)
        return;
    db->scope_project = memory_copy_text(project_id);
    db->scope_enterprise_projects = memory_copy_text(enterprise_projects == NULL ? WHOLE : enterprise_projects);
}

bool db_widen_scope(struct db *db, struct error *err)
{
    assert(PQtransactionStatus(db->connection) == PQTRANS_INTRANS);
    return db->scope_project == NULL || db_run_script(db, "SET LOCAL waybill.enterprise_projects = '" WHOLE "'", err);
}

static bool append_setting(struct db *db, const char *name, const char *value, struct buffer *script, struct error *err)
{
    char *literal = PQescapeLiteral(db->connection, value, strlen(value));

    if (literal == NULL)
        return db_fail(db, NULL, err);
    buffer_printf(script, "; SET LOCAL %s = ", name);
    buffer_append_text(script, literal);
    PQfreemem(literal);
    return true;
}

bool db_append_scope(struct db *db, struct buffer *script, struct error *err)
{
    return db->scope_project == NULL
           || (append_setting(db, "waybill.project_id", db->scope_project, script, err)
               && append_setting(db, "waybill.enterprise_projects", db->scope_enterprise_projects, script, err));
}

void db_append_scope_statement(struct buffer *script)
{
    buffer_append_text(script, "PREPARE " SCOPE_STATEMENT " AS"
                               " SELECT pg_catalog.set_config('waybill.project_id', $1, true),"
                               " pg_catalog.set_config('waybill.enterprise_projects', $2, true);");
}

bool db_begin_pipeline(struct db *db)
{
    const char *const values[] = {db->scope_project, db->scope_enterprise_projects};

    if (db->scope_project == NULL || PQtransactionStatus(db->connection) != PQTRANS_IDLE)
        return true;
    return PQenterPipelineMode(db->connection) == 1
           && PQsendQueryPrepared(db->connection, SCOPE_STATEMENT, ARRAY_SIZE(values), values, NULL, NULL, 0) == 1;
}
