#include "access/access.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "access/token.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

struct access {
    const struct config *config;
    struct db_pool *pool;
    struct key_ring *keys;
    atomic_bool reported_keys; /* the log says that they cannot be used */
};

struct access *access_new(const struct config *config, struct db_pool *pool)
{
    struct access *access = memory_zeroed(1, sizeof(*access));

    access->config = config;
    access->pool = pool;
    access->keys = key_ring_new(config->key_file);
    return access;
}

void access_free(struct access *access)
{
    if (access == NULL)
        return;
    key_ring_free(access->keys);
    free(access);
}

/* Whether the caller is to be identified by a link. Some web servers pass on an empty header, and others do not. */
static bool has_only_link(const struct credentials *credentials)
{
    return credentials->link != NULL && (credentials->token == NULL || *credentials->token == '\0');
}

bool access_check(const struct credentials *credentials, struct error *err)
{
    if (has_only_link(credentials))
        return link_check(credentials->link, err);
    return token_check(credentials->token, err);
}

static bool identify_by_token(struct access *access, const char *token, struct identity *ret_identity,
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

bool access_identify(struct access *access, const struct credentials *credentials, struct identity *ret_identity,
                     struct error *err)
{
    if (has_only_link(credentials))
        return link_identify(access->keys, credentials->link, access->config->link_minutes, ret_identity, err);
    return identify_by_token(access, credentials->token, ret_identity, err);
}

static void report_keys(struct access *access, const struct error *err)
{
    struct log_line line;

    if (key_ring_is_absent(access->keys) || atomic_exchange(&access->reported_keys, true))
        return;
    log_begin(&line, LOG_WARNING, "there are no download links, because the keys cannot be used");
    log_error(&line, err);
    log_end(&line);
}

bool access_make_link(struct access *access, const char *project_id, const char *file_id, struct access_link *ret_link)
{
    struct access_link link = {.expires = (clock_now_ms() + 999) / 1000 + (int64_t) access->config->link_minutes * 60};
    struct error err;

    if (access->config->link_minutes == 0)
        return false;
    if (!link_sign(access->keys, project_id, file_id, link.expires, link.signature, &err)) {
        report_keys(access, &err);
        return false;
    }
    atomic_store(&access->reported_keys, false);
    *ret_link = link;
    return true;
}
