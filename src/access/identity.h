/* The identity of a caller, and what it may see. */
#ifndef WAYBILL_ACCESS_IDENTITY_H
#define WAYBILL_ACCESS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct identity {
    char *project_id;
    bool all;                   /* all enterprise projects of the project */
    size_t count;               /* otherwise only these */
    char **enterprise_projects;
};

/* Frees the members and empties the identity. */
void identity_clear(struct identity *identity);

/* Whether the caller may use the project. */
MUST_CHECK bool identity_may_use_project(const struct identity *identity, const char *project_id);

/* Whether the caller may see the enterprise project. NULL is all that are granted, which is always allowed. */
MUST_CHECK bool identity_may_see(const struct identity *identity, const char *enterprise_project_id);

/*
 * The scope of an enterprise project that identity_may_see allows, or of all that are granted (NULL): text[] in
 * PostgreSQL's input form. Free it with free(). The result is NULL if the scope is the whole project.
 */
char *identity_scope(const struct identity *identity, const char *enterprise_project_id);

#endif
