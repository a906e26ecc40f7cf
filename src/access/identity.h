/* The identity of a caller, and the projects that it may access. */
#ifndef WAYBILL_ACCESS_IDENTITY_H
#define WAYBILL_ACCESS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define IDENTITY_ALL_GRANTED "all_granted_eps" /* as an enterprise project: all that are granted to the caller */

struct identity {
    int64_t token_id;           /* of the caller's token */
    char *project_id;
    bool all;                   /* all enterprise projects of the project */
    size_t count;               /* of enterprise_projects; unless `all` is set, the caller may see only these */
    char **enterprise_projects;
};

/* Frees the members and empties the identity. */
void identity_clear(struct identity *identity);

/* Whether the caller may use the project. */
MUST_CHECK bool identity_may_use_project(const struct identity *identity, const char *project_id);

/* Whether the caller may see the enterprise project. NULL means all that are granted, and is always allowed. */
MUST_CHECK bool identity_may_see(const struct identity *identity, const char *enterprise_project_id);

/*
 * Returns the enterprise projects that a query is limited to, as text[] in PostgreSQL's input format: the given one,
 * which identity_may_see must allow, or all that are granted if it is NULL. Returns NULL for the whole project. Free
 * the result with free().
 */
char *identity_scope(const struct identity *identity, const char *enterprise_project_id);

#endif
