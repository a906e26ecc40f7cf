/* waybill key init|rotate: manages the keys that encrypt the secrets of access keys and sign links. */
#include "access/credential.h"
#include "access/key_file.h"
#include "access/key_ring.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"

static const struct cli_option no_options[] = {{0}};

static bool init_key_file(int argc, char **argv, const struct config *config, struct error *err)
{
    return cli_parse_options("key init", argc, argv, no_options, err)
           && key_file_create(config->key_file, config->path, err);
}

static char *reseal(void *context, const char *access_key, const char *sealed_secret, struct error *err)
{
    char *secret = key_ring_unseal(context, access_key, sealed_secret, err);
    char *sealed = secret == NULL ? NULL : key_ring_seal(context, access_key, secret, err);

    memory_free_secret(secret);
    return sealed;
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
    done = credential_reseal(db, reseal, ring, err)
           && key_file_rotate(config->key_file, err)
           && credential_reseal(db, reseal, ring, err);
    key_ring_free(ring);
    db_close(db);
    return done;
}

bool cli_key(int argc, char **argv, const struct config *config, struct error *err)
{
    static const struct cli_action actions[] = {
        {"init", init_key_file},
        {"rotate", rotate_key},
        {0},
    };

    return cli_run_action(actions, argc, argv, config, err);
}
