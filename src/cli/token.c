/* waybill token create|list|revoke: manages the tokens of callers. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "access/token.h"
#include "cli/cli.h"
#include "cli/options.h"

static bool create_token(int argc, char **argv, const struct config *config, struct error *err)
{
    const char *name = "", *project_id = NULL;
    char *enterprise_projects = NULL; /* all */
    int64_t lifetime = 0;             /* 0: no expiry */
    const struct cli_option options[] = {
        {"--project", .parse = cli_parse_project, .target = &project_id, .required = true},
        {"--enterprise-project", .parse = cli_parse_enterprise_projects, .target = &enterprise_projects},
        {"--expires", .duration = &lifetime},
        {"--name", .text = &name},
        {0},
    };
    char token[TOKEN_SIZE];
    struct db *db = NULL;
    bool created;

    created = cli_parse_options("token create", argc, argv, options, err)
              && (db = cli_open_owner(config, err)) != NULL
              && token_create(db, name, project_id, enterprise_projects, lifetime, token, err);
    db_close(db);
    free(enterprise_projects);
    if (created)
        puts(token);
    return created;
}

static void print_token(const struct token_entry *entry)
{
    const char *const values[] = {entry->token_id, entry->state, entry->project_id,
                                  entry->enterprise_projects == NULL ? "all" : entry->enterprise_projects,
                                  entry->create_time, entry->expire_time == NULL ? "never" : entry->expire_time,
                                  entry->name};

    cli_print_line(values, ARRAY_SIZE(values));
}

static bool list_tokens(int argc, char **argv, const struct config *config, struct error *err)
{
    const char *project_id = NULL;
    const struct cli_option options[] = {{"--project", .text = &project_id}, {0}};
    struct db *db;
    bool listed;

    if (!cli_parse_options("token list", argc, argv, options, err))
        return false;
    db = cli_open_owner(config, err);
    if (db == NULL)
        return false;
    puts("ID\tSTATE\tPROJECT\tENTERPRISE PROJECTS\tCREATED\tEXPIRES\tNAME");
    listed = token_list(db, project_id, print_token, err);
    db_close(db);
    return listed;
}

static bool revoke_token(int argc, char **argv, const struct config *config, struct error *err)
{
    int64_t token_id = 0;
    const struct cli_option options[] = {
        {"ID", .integer = &token_id, .max = INT64_C(999999999999999999), .required = true},
        {0},
    };
    struct db *db;
    bool revoked;

    if (!cli_parse_options("token revoke", argc, argv, options, err))
        return false;
    db = cli_open_owner(config, err);
    if (db == NULL)
        return false;
    revoked = token_revoke(db, token_id, err);
    db_close(db);
    return revoked;
}

bool cli_token(int argc, char **argv, const struct config *config, struct error *err)
{
    static const struct cli_action actions[] = {
        {"create", create_token},
        {"list", list_tokens},
        {"revoke", revoke_token},
        {0},
    };

    return cli_run_action(actions, argc, argv, config, err);
}
