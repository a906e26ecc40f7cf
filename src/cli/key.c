/*
 * waybill key create|list|revoke: manages the access keys of callers. waybill key init|rotate: manages the keys that
 * encrypt their secrets and sign links.
 */
#include <stdio.h>
#include <stdlib.h>

#include "access/access_key.h"
#include "access/key_file.h"
#include "access/key_ring.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/credential.h"
#include "cli/options.h"
#include "schedule/schedule_admin.h"

static const struct cli_option no_options[] = {{0}};

static bool init_key_file(int argc, char **argv, const struct config *config, struct error *err)
{
    return cli_parse_options("key init", argc, argv, no_options, err)
           && key_file_create(config->key_file, config->path, err);
}

static bool reseal_all(struct db *db, struct key_ring *ring, struct error *err)
{
    return credential_reseal(db, ring, err) && schedule_admin_reseal(db, ring, err);
}

/*
 * The file keeps the previous key, so all secrets must have the current key before it changes. Processes that read the
 * new file meanwhile can decrypt both.
 */
static bool rotate_key(int argc, char **argv, const struct config *config, struct error *err)
{
    struct key_ring *ring;
    struct db *db;
    bool done;

    if (!cli_parse_options("key rotate", argc, argv, no_options, err))
        return false;
    db = cli_open_owner(config, err);
    if (db == NULL)
        return false;
    ring = key_ring_new(config->key_file);
    done = reseal_all(db, ring, err) && key_file_rotate(config->key_file, err) && reseal_all(db, ring, err);
    key_ring_free(ring);
    db_close(db);
    return done;
}

static bool create_access_key(int argc, char **argv, const struct config *config, struct error *err)
{
    struct key_ring *ring = key_ring_new(config->key_file);
    char access_key[ACCESS_KEY_SIZE], secret[ACCESS_KEY_SECRET_SIZE];
    struct credential_spec spec;
    char *enterprise_projects;
    struct db *db = NULL;
    bool created;

    created = cli_parse_credential("key create", argc, argv, &spec, &enterprise_projects, err)
              && key_ring_check(ring, err)
              && (db = cli_open_owner(config, err)) != NULL
              && access_key_create(db, ring, &spec, access_key, secret, err);
    db_close(db);
    free(enterprise_projects);
    key_ring_free(ring);
    if (created)
        printf("access_key=%s\nsecret_key=%s\n", access_key, secret);
    memory_wipe(secret, sizeof(secret));
    return created;
}

static bool list_access_keys(int argc, char **argv, const struct config *config, struct error *err)
{
    return cli_list_credentials("key list", argc, argv, config, CREDENTIAL_ACCESS_KEY, "ACCESS KEY", err);
}

static bool revoke_access_key(int argc, char **argv, const struct config *config, struct error *err)
{
    const char *access_key = NULL;
    const struct cli_option options[] = {{"ACCESS_KEY", .text = &access_key, .required = true}, {0}};

    return cli_parse_options("key revoke", argc, argv, options, err)
           && cli_revoke_credential(config, CREDENTIAL_ACCESS_KEY, access_key, err);
}

bool cli_key(int argc, char **argv, const struct config *config, struct error *err)
{
    static const struct cli_action actions[] = {
        {"create", create_access_key},
        {"list", list_access_keys},
        {"revoke", revoke_access_key},
        {"init", init_key_file},
        {"rotate", rotate_key},
        {0},
    };

    return cli_run_action(actions, argc, argv, config, err);
}
