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
