/* Who is calling, and what they may see. */
#ifndef WAYBILL_ACCESS_IDENTITY_H
#define WAYBILL_ACCESS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"

struct identity {
    char *project_id;
    bool all;                   /* all enterprise projects of the project */
    size_t count;               /* else these */
    char **enterprise_projects;
};

/* Frees what it holds and leaves it empty. */
void identity_clear(struct identity *identity);

/* Whether the caller may use the project. ERROR_PERMISSION if not. */
MUST_CHECK bool identity_may_use_project(const struct identity *identity, const char *project_id, struct error *err);

/* Whether the caller may see the enterprise project; all_granted_eps is always fine. ERROR_PERMISSION if not. */
MUST_CHECK bool identity_may_see(const struct identity *identity, const char *enterprise_project_id, struct error *err);

/*
 * What the caller may see of an enterprise_project_id that identity_may_see has passed: text[] in PostgreSQL's
 * input form, to be freed; NULL is all of the project.
 */
char *identity_scope(const struct identity *identity, const char *enterprise_project_id);

#endif
