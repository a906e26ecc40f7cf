/* The identity of a caller, and the projects that it may access. */
#ifndef WAYBILL_ACCESS_IDENTITY_H
#define WAYBILL_ACCESS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define IDENTITY_ALL_GRANTED "all_granted_eps" /* as an enterprise project: all that are granted to the caller */

/* What a caller may do. Each operation needs one of some permissions (api/routes.c). */
enum permission {
    PERMISSION_CREATE = 1,   /* create and remove tasks */
    PERMISSION_READ = 2,     /* read everything: tasks, files, containers, schedules */
    PERMISSION_SCHEDULE = 4, /* create, change, remove and run schedules */
};

#define PERMISSION_ALL (PERMISSION_CREATE | PERMISSION_READ | PERMISSION_SCHEDULE)

struct identity {
    int64_t credential_id;      /* of the caller's token or access key (access/credential.h); 0: not stored */
    char *access_key;           /* the caller's access key; NULL: other credentials */
    unsigned permissions;       /* bits of enum permission */
    char *project_id;
    bool all;                   /* all enterprise projects of the project */
    size_t count;               /* of enterprise_projects; unless `all` is set, the caller may see only these */
    char **enterprise_projects;
};

/* Frees the members and empties the identity. */
void identity_clear(struct identity *identity);

/* Returns a copy, to be freed with identity_clear. */
struct identity identity_copy(const struct identity *identity);

/*
 * Parses names of permissions that are separated by commas, such as "create,read". Returns false if a name is unknown,
 * empty or given twice.
 */
MUST_CHECK bool permissions_parse(const char *names, unsigned *ret_permissions);

/* The size of the text of all permissions, with the NUL. */
#define PERMISSIONS_SIZE 32

/* Writes the names of permissions, separated by commas, in the order of enum permission. */
void permissions_format(unsigned permissions, char out[PERMISSIONS_SIZE]);

/* Whether the caller has all of these permissions. */
MUST_CHECK bool identity_has_permissions(const struct identity *identity, unsigned permissions);

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
