/* waybill token create|list|revoke: manages the tokens of callers. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "access/token.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/credential.h"
#include "cli/options.h"

static bool create_token(int argc, char **argv, const struct config *config, struct error *err)
{
    struct credential_spec spec;
    char *enterprise_projects;
    char token[TOKEN_SIZE];
    struct db *db = NULL;
    bool created;

    created = cli_parse_credential("token create", argc, argv, &spec, &enterprise_projects, err)
              && (db = cli_open_owner(config, err)) != NULL
              && token_create(db, &spec, token, err);
    db_close(db);
    free(enterprise_projects);
    if (created)
        puts(token);
    memory_wipe(token, sizeof(token));
    return created;
}

static bool list_tokens(int argc, char **argv, const struct config *config, struct error *err)
{
    return cli_list_credentials("token list", argc, argv, config, CREDENTIAL_TOKEN, "ID", err);
}

static bool revoke_token(int argc, char **argv, const struct config *config, struct error *err)
{
    int64_t token_id = 0;
    const struct cli_option options[] = {
        {"ID", .integer = &token_id, .max = INT64_C(999999999999999999), .required = true},
        {0},
    };
    char id[24];

    if (!cli_parse_options("token revoke", argc, argv, options, err))
        return false;
    snprintf(id, sizeof(id), "%" PRId64, token_id);
    return cli_revoke_credential(config, CREDENTIAL_TOKEN, id, err);
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
