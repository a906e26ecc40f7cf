#include "access/access.h"

#include <stdlib.h>

#include "access/keystone.h"
#include "access/token.h"
#include "access/token_cache.h"
#include "base/memory.h"

#define CACHED_TOKENS 4096

struct access {
    const struct config *config;
    struct db_pool *pool;
    struct keystone keystone;
    struct token_cache *cache; /* of Keystone's tokens; NULL: there is no Keystone */
};

static bool look_up_in_keystone(void *context, const char *token, struct identity *ret_identity,
                                int64_t *ret_expire_time, struct error *err)
{
    const struct access *access = context;

    return keystone_validate(&access->keystone, token, ret_identity, ret_expire_time, err);
}

/* Half of the request threads, at least one, may be occupied by a slow Keystone. */
static struct token_cache *new_cache(struct access *access)
{
    int half = (access->config->request_threads + 1) / 2;
    const struct token_cache_terms terms = {
        .look_up = look_up_in_keystone,
        .context = access,
        .capacity = CACHED_TOKENS,
        .lifetime_ms = access->config->cache_s * 1000,
        .lookups = half,
        .blocked = half,
        .patience_ms = KEYSTONE_TIMEOUT_MS,
    };

    return token_cache_new(&terms);
}

struct access *access_new(const struct config *config, struct db_pool *pool)
{
    struct access *access = memory_zeroed(1, sizeof(*access));

    access->config = config;
    access->pool = pool;
    access->keystone = keystone_configured(config);
    if (config->provider == CONFIG_PROVIDER_KEYSTONE)
        access->cache = new_cache(access);
    return access;
}

void access_free(struct access *access)
{
    if (access == NULL)
        return;
    token_cache_free(access->cache);
    free(access);
}

bool access_check(const struct credentials *credentials, struct error *err)
{
    return token_check(credentials->token, err);
}

static bool identify_by_own_token(struct access *access, const char *token, struct identity *ret_identity,
                                  struct error *err)
{
    struct db *db = db_pool_acquire(access->pool, err);
    bool known;

    if (db == NULL)
        return false;
    known = token_identify(db, token, ret_identity, err);
    db_pool_release(access->pool, db);
    return known;
}

/*
 * A token in the form of our own never goes to Keystone. Others may nevertheless be our own, if an older version has
 * created them: these are looked up in our table first, unless the cache shows that they are Keystone's.
 */
static bool identify_by_token(struct access *access, const char *token, const struct access_pause *pause,
                              struct identity *ret_identity, struct error *err)
{
    bool may_be_foreign = access->cache != NULL && !token_is_own(token);

    if (may_be_foreign && token_cache_find(access->cache, token, ret_identity))
        return true;
    if (identify_by_own_token(access, token, ret_identity, err))
        return true;
    return may_be_foreign && err->code == ERROR_IDENTITY
           && token_cache_identify(access->cache, token, pause, ret_identity, err);
}

bool access_identify(struct access *access, const struct credentials *credentials, const struct access_pause *pause,
                     struct identity *ret_identity, struct error *err)
{
    return identify_by_token(access, credentials->token, pause, ret_identity, err);
}
