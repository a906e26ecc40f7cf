/* The database connections of operations, and the limits of what a caller may see. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "db/scope.h"

const char *api_limit_of(const char *enterprise_project_id)
{
    const char *given = enterprise_project_id;

    return given == NULL || strcmp(given, IDENTITY_ALL_GRANTED) == 0 ? NULL : given;
}

const char *api_enterprise_project(const struct api_call *call)
{
    return api_limit_of(call->enterprise_project_id);
}

bool api_check_enterprise_project(const struct api_call *call, const char *enterprise_project_id, struct error *err)
{
    const char *limit = api_limit_of(enterprise_project_id);
    char excerpt[TEXT_EXCERPT_SIZE];

    if (identity_may_see(&call->identity, limit))
        return true;
    return error_set(err, ERROR_PERMISSION,
                     "enterprise_project_id must be granted to the caller (" IDENTITY_ALL_GRANTED " selects all that"
                     " are granted), got %s",
                     text_excerpt(excerpt, limit, strlen(limit)));
}

/* The scope comes from the credentials, not from the request, so it does not depend on the checks of the request. */
struct db *api_acquire_from(struct api_call *call, struct db_pool *pool, struct error *err)
{
    struct db *db = db_pool_acquire(pool, err);
    char *enterprise_projects;

    if (db == NULL || call->identity.project_id == NULL)
        return db;
    enterprise_projects = identity_scope(&call->identity, NULL);
    db_set_scope(db, call->identity.project_id, enterprise_projects);
    free(enterprise_projects);
    return db;
}

struct db *api_acquire_db(struct api_call *call, struct error *err)
{
    return api_acquire_from(call, call->api->pool, err);
}

void api_release_db(struct api_call *call, struct db *db)
{
    db_pool_release(call->api->pool, db);
}

bool api_view_begin(struct api_call *call, struct api_view *view, struct error *err)
{
    view->db = api_acquire_db(call, err);
    if (view->db == NULL)
        return false;
    view->scope = identity_scope(&call->identity, NULL);
    view->viewer = (struct task_viewer) {
        .project_id = call->project_id,
        .enterprise_projects = view->scope,
        .enterprise_project_id = api_enterprise_project(call),
    };
    return true;
}

void api_view_end(struct api_call *call, struct api_view *view)
{
    api_release_db(call, view->db);
    free(view->scope);
}
