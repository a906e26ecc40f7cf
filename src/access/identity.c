#include "access/identity.h"

#include <stdlib.h>
#include <string.h>

#include "db/query.h"

void identity_clear(struct identity *identity)
{
    free(identity->project_id);
    for (size_t i = 0; i < identity->count; i++)
        free(identity->enterprise_projects[i]);
    free(identity->enterprise_projects);
    *identity = (struct identity) {0};
}

bool identity_may_use_project(const struct identity *identity, const char *project_id)
{
    return strcmp(identity->project_id, project_id) == 0;
}

bool identity_may_see(const struct identity *identity, const char *enterprise_project_id)
{
    if (identity->all || enterprise_project_id == NULL)
        return true;
    for (size_t i = 0; i < identity->count; i++) {
        if (strcmp(identity->enterprise_projects[i], enterprise_project_id) == 0)
            return true;
    }
    return false;
}

char *identity_scope(const struct identity *identity, const char *enterprise_project_id)
{
    if (enterprise_project_id != NULL)
        return db_array_literal(&enterprise_project_id, 1);
    if (identity->all)
        return NULL;
    return db_array_literal((const char *const *) identity->enterprise_projects, identity->count);
}
