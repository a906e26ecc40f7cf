#include "access/access.h"

#include <stdlib.h>

#include "access/token.h"
#include "base/memory.h"

struct access {
    const struct config *config;
    struct db_pool *pool;
};

struct access *access_new(const struct config *config, struct db_pool *pool)
{
    struct access *access = memory_zeroed(1, sizeof(*access));

    access->config = config;
    access->pool = pool;
    return access;
}

void access_free(struct access *access)
{
    free(access);
}

bool access_check(const struct credentials *credentials, struct error *err)
{
    return token_check(credentials->token, err);
}

bool access_identify(struct access *access, const struct credentials *credentials, struct identity *ret_identity,
                     struct error *err)
{
    struct db *db = db_pool_acquire(access->pool, err);
    bool known;

    if (db == NULL)
        return false;
    known = token_identify(db, credentials->token, ret_identity, err);
    db_pool_release(access->pool, db);
    return known;
}

/* Whether the stored credential of the caller is still valid. */
static bool recheck_credential(struct access *access, const struct identity *identity, bool *ret_valid,
                               struct error *err)
{
    struct credential credential = {0};
    struct db *db = db_pool_acquire(access->pool, err);
    bool done;

    if (db == NULL)
        return false;
    done = credential_find_by_id(db, identity->credential_id, ret_valid, &credential, err);
    db_pool_release(access->pool, db);
    credential_clear(&credential);
    return done;
}

bool access_recheck(struct access *access, const struct identity *identity, struct error *err)
{
    bool valid = true;

    if (identity->credential_id != 0 && !recheck_credential(access, identity, &valid, err))
        return false;
    return valid ? true : error_set(err, ERROR_IDENTITY, "%s must be valid until the response, got one that has expired"
                                    " or was revoked meanwhile",
                                    identity->access_key == NULL ? "X-Auth-Token" : "the access key");
}
