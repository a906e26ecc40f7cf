#include "access/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/db.h"
#include "export/task.h"

void identity_clear(struct identity *identity)
{
    free(identity->project_id);
    for (size_t i = 0; i < identity->count; i++)
        free(identity->enterprise_projects[i]);
    free(identity->enterprise_projects);
    *identity = (struct identity) {0};
}

bool identity_may_use_project(const struct identity *identity, const char *project_id, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    if (strcmp(identity->project_id, project_id) == 0)
        return true;
    return error_set(err, ERROR_PERMISSION, "project_id must be the project that the token is for, got %s",
                     text_excerpt(excerpt, project_id, strlen(project_id)));
}

bool identity_may_see(const struct identity *identity, const char *enterprise_project_id, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    if (identity->all || strcmp(enterprise_project_id, TASK_ALL_GRANTED) == 0)
        return true;
    for (size_t i = 0; i < identity->count; i++) {
        if (strcmp(identity->enterprise_projects[i], enterprise_project_id) == 0)
            return true;
    }
    return error_set(err, ERROR_PERMISSION,
                     "enterprise_project_id must be granted to the token (all_granted_eps stands for all that are),"
                     " got %s",
                     text_excerpt(excerpt, enterprise_project_id, strlen(enterprise_project_id)));
}

char *identity_scope(const struct identity *identity, const char *enterprise_project_id)
{
    if (strcmp(enterprise_project_id, TASK_ALL_GRANTED) != 0)
        return db_array_literal(&enterprise_project_id, 1);
    if (identity->all)
        return NULL;
    return db_array_literal((const char *const *) identity->enterprise_projects, identity->count);
}
