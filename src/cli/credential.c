#include "cli/credential.h"

#include <stdio.h>
#include <time.h>

#include "access/access.h"
#include "cli/cli.h"
#include "cli/options.h"

/* A parser of cli_option for permissions. The target is an `unsigned`. */
static const char *parse_permissions(const char *value, void *target)
{
    return permissions_parse(value, target) ? NULL : "must be a comma-separated list of create, read and schedule, each"
                                                     " at most once";
}

bool cli_parse_credential(const char *command, int argc, char **argv, struct credential_spec *spec,
                          char **ret_enterprise_projects, struct error *err)
{
    const struct cli_option options[] = {
        {"--project", .parse = cli_parse_project, .target = &spec->project_id, .required = true},
        {"--enterprise-project", .parse = cli_parse_enterprise_projects, .target = ret_enterprise_projects},
        {"--permission", .parse = parse_permissions, .target = &spec->permissions},
        {"--expires", .duration = &spec->lifetime},
        {"--name", .text = &spec->name},
        {0},
    };

    *spec = (struct credential_spec) {.name = "", .permissions = PERMISSION_ALL};
    *ret_enterprise_projects = NULL; /* all */
    if (!cli_parse_options(command, argc, argv, options, err))
        return false;
    spec->enterprise_projects = *ret_enterprise_projects;
    return true;
}

static void print_credential(const struct credential_entry *entry)
{
    const char *const values[] = {entry->key, entry->state, entry->project_id,
                                  entry->enterprise_projects == NULL ? "all" : entry->enterprise_projects,
                                  entry->permissions, entry->create_time,
                                  entry->expire_time == NULL ? "never" : entry->expire_time,
                                  entry->last_use_time == NULL ? "never" : entry->last_use_time, entry->name};

    cli_print_line(values, ARRAY_SIZE(values));
}

bool cli_list_credentials(const char *command, int argc, char **argv, const struct config *config,
                          enum credential_kind kind, const char *key_header, struct error *err)
{
    const char *project_id = NULL;
    const struct cli_option options[] = {{"--project", .text = &project_id}, {0}};
    struct db *db;
    bool listed;

    if (!cli_parse_options(command, argc, argv, options, err))
        return false;
    db = cli_open_owner(config, err);
    if (db == NULL)
        return false;
    printf("%s\tSTATE\tPROJECT\tENTERPRISE PROJECTS\tPERMISSIONS\tCREATED\tEXPIRES\tLAST USED\tNAME\n", key_header);
    listed = credential_list(db, kind, project_id, print_credential, err);
    db_close(db);
    return listed;
}

bool cli_revoke_credential(const struct config *config, enum credential_kind kind, const char *key, struct error *err)
{
    const struct timespec cached = {.tv_sec = ACCESS_CACHE_MS / 1000, .tv_nsec = ACCESS_CACHE_MS % 1000 * 1000000L};
    struct db *db = cli_open_owner(config, err);
    bool revoked;

    if (db == NULL)
        return false;
    revoked = credential_revoke(db, kind, key, err);
    db_close(db);
    if (revoked)
        nanosleep(&cached, NULL);
    return revoked;
}
