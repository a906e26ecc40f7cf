/* The database connections of operations, and the limits of what a caller may see. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"

const char *api_enterprise_project(const struct api_call *call)
{
    const char *given = call->enterprise_project_id;

    return given == NULL || strcmp(given, API_ALL_GRANTED) == 0 ? NULL : given;
}

struct db *api_acquire_db(struct api_call *call, struct error *err)
{
    return db_pool_acquire(call->api->pool, err);
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
