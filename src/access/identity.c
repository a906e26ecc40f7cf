#include "access/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "db/query.h"

static const struct {
    enum permission permission;
    const char *name;
} permissions[] = {
    {PERMISSION_CREATE, "create"},
    {PERMISSION_READ, "read"},
    {PERMISSION_SCHEDULE, "schedule"},
};

bool permissions_parse(const char *names, unsigned *ret_permissions)
{
    unsigned found = 0;

    for (;;) {
        size_t length = strcspn(names, ",");
        size_t i = 0;

        while (i < ARRAY_SIZE(permissions)
               && (strlen(permissions[i].name) != length || strncmp(permissions[i].name, names, length) != 0))
            i++;
        if (i == ARRAY_SIZE(permissions) || (found & permissions[i].permission) != 0)
            return false;
        found |= permissions[i].permission;
        if (names[length] == '\0')
            break;
        names += length + 1;
    }
    *ret_permissions = found;
    return true;
}

void permissions_format(unsigned given, char out[PERMISSIONS_SIZE])
{
    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(permissions); i++) {
        if ((given & permissions[i].permission) == 0)
            continue;
        if (out[0] != '\0')
            strcat(out, ",");
        strcat(out, permissions[i].name);
    }
}

void identity_clear(struct identity *identity)
{
    free(identity->access_key);
    free(identity->project_id);
    for (size_t i = 0; i < identity->count; i++)
        free(identity->enterprise_projects[i]);
    free(identity->enterprise_projects);
    *identity = (struct identity) {0};
}

struct identity identity_copy(const struct identity *identity)
{
    struct identity copy = *identity;

    copy.access_key = identity->access_key == NULL ? NULL : memory_copy_text(identity->access_key);
    copy.project_id = memory_copy_text(identity->project_id);
    copy.enterprise_projects = NULL;
    if (identity->count > 0)
        copy.enterprise_projects = memory_zeroed(identity->count, sizeof(char *));
    for (size_t i = 0; i < identity->count; i++)
        copy.enterprise_projects[i] = memory_copy_text(identity->enterprise_projects[i]);
    return copy;
}

bool identity_has_permissions(const struct identity *identity, unsigned needed)
{
    return (identity->permissions & needed) == needed;
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
