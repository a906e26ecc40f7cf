/*
 * A library preloaded into waybill.fcgi. It removes the conditions on the project and on enterprise projects from the
 * statements that the process sends: a build of the service that has lost them, without a second build.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define NEXT(function) ((__typeof__(&function)) dlsym(RTLD_NEXT, #function))

/* The parts of a condition that decide, and what is always true in their place. The values after them stay. */
static const struct {
    const char *part;
    const char *instead;
} rewrites[] = {
    {" project_id = $1 AND ($2::text[] IS NULL OR enterprise_projects <@ $2::text[])",
     " '' <> $1 AND ($2::text[] IS NULL OR true)"},              /* src/export/task.c */
    {"c.project_id::text COLLATE \"C\" = ", "'' <> "},            /* src/inventory/conditions.c */
    {"c.enterprise_project_id::text COLLATE \"C\" = ANY (", "'' <> ALL ("},
};

typedef struct pg_conn PGconn;
int PQsendQuery(PGconn *connection, const char *sql);
int PQsendQueryParams(PGconn *connection, const char *sql, int count, const unsigned *types, const char *const *values,
                      const int *lengths, const int *formats, int result_format);
int PQsendPrepare(PGconn *connection, const char *name, const char *sql, int count, const unsigned *types);

/* Returns a copy, which is never longer. */
static char *rewritten(const char *sql)
{
    char *copy = strdup(sql);

    for (size_t i = 0; copy != NULL && i < sizeof(rewrites) / sizeof(rewrites[0]); i++) {
        size_t length = strlen(rewrites[i].part), shorter = strlen(rewrites[i].instead);
        char *at = copy;

        while ((at = strstr(at, rewrites[i].part)) != NULL) {
            memcpy(at, rewrites[i].instead, shorter);
            memmove(at + shorter, at + length, strlen(at + length) + 1);
        }
    }
    if (copy == NULL)
        abort();
    return copy;
}

int PQsendQuery(PGconn *connection, const char *sql)
{
    char *copy = rewritten(sql);
    int sent = NEXT(PQsendQuery)(connection, copy);

    free(copy);
    return sent;
}

int PQsendQueryParams(PGconn *connection, const char *sql, int count, const unsigned *types, const char *const *values,
                      const int *lengths, const int *formats, int result_format)
{
    char *copy = rewritten(sql);
    int sent = NEXT(PQsendQueryParams)(connection, copy, count, types, values, lengths, formats, result_format);

    free(copy);
    return sent;
}

int PQsendPrepare(PGconn *connection, const char *name, const char *sql, int count, const unsigned *types)
{
    char *copy = rewritten(sql);
    int sent = NEXT(PQsendPrepare)(connection, name, copy, count, types);

    free(copy);
    return sent;
}
