#include "access/access.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "access/access_key.h"
#include "access/credential_cache.h"
#include "access/key_ring.h"
#include "access/keystone.h"
#include "access/signins.h"
#include "access/token.h"
#include "access/token_cache.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "metrics/counters.h"

#define CACHED_TOKENS 4096      /* of Keystone */
#define CACHED_CREDENTIALS 1024 /* stored ones */

struct access {
    const struct config *config;
    struct db_pool *pool;
    struct key_ring *ring;
    struct access_keys *keys;
    struct signins *signins;
    struct credential_cache *stored; /* tokens and access keys in the database */
    struct keystone keystone;
    struct token_cache *cache; /* of Keystone's tokens; NULL: there is no Keystone */
    atomic_bool reported_ring; /* the log says that the keys cannot be used */
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
    access->ring = key_ring_new(config->key_file);
    access->keys = access_keys_new(access->ring);
    access->signins = signins_new(config->failed_signins);
    access->stored = credential_cache_new(CACHED_CREDENTIALS, ACCESS_CACHE_MS);
    credential_cache_enable(access->stored, false);
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
    credential_cache_free(access->stored);
    signins_free(access->signins);
    access_keys_free(access->keys);
    key_ring_free(access->ring);
    free(access);
}

void access_set_receiving(struct access *access, bool receiving)
{
    credential_cache_enable(access->stored, receiving);
}

void access_forget(struct access *access)
{
    credential_cache_clear(access->stored);
}

struct key_ring *access_key_ring(struct access *access)
{
    return access->ring;
}

/* The kinds of credentials, in the order of precedence. An empty token is none: some web servers pass it on. */
enum kind {
    KIND_NONE,
    KIND_SIGNATURE,
    KIND_TOKEN,
    KIND_LINK,
};

static enum kind kind_of(const struct credentials *credentials)
{
    if (signature_is_present(credentials->authorization))
        return KIND_SIGNATURE;
    if (credentials->token != NULL && *credentials->token != '\0')
        return KIND_TOKEN;
    return credentials->link == NULL ? KIND_NONE : KIND_LINK;
}

/*
 * Counts and logs a sign-in that has failed because the credentials are not valid. The message and the detail contain
 * neither a secret nor an unknown access key. Always returns false.
 */
static bool fail_signin(struct access *access, const struct credentials *credentials, const struct error *err)
{
    static const char *const names[] = {[KIND_SIGNATURE] = "access_key", [KIND_TOKEN] = "token", [KIND_LINK] = "link"};
    const char *kind = names[kind_of(credentials)];
    struct log_line line;

    if (err->code != ERROR_IDENTITY && err->code != ERROR_PERMISSION)
        return false;
    signins_count_failure(access->signins, credentials->address);
    counters_add(1, "waybill_failed_signins_total{credentials=\"%s\"}", kind);
    log_begin(&line, LOG_WARNING, "sign-in failed");
    log_text(&line, "request_id", credentials->request_id);
    log_text(&line, "address", credentials->address);
    log_text(&line, "credentials", kind);
    log_error(&line, err);
    log_end(&line);
    return false;
}

static bool check_signature(struct access *access, const struct credentials *credentials, struct error *err)
{
    struct signature signature;

    if (!signature_parse(credentials->authorization, &signature, err)
        || !signature_check(&signature, &credentials->request, clock_now_ms(), err))
        return false;
    return key_ring_exists(access->ring)
           ? true : error_set(err, ERROR_IDENTITY, "the service has no access keys; it accepts tokens in X-Auth-Token");
}

static bool check_form(struct access *access, const struct credentials *credentials, struct error *err)
{
    switch (kind_of(credentials)) {
    case KIND_SIGNATURE:
        return check_signature(access, credentials, err);
    case KIND_TOKEN:
        return token_check(credentials->token, err);
    case KIND_LINK:
        return link_check(credentials->link, err);
    case KIND_NONE:
        break;
    }
    return true;
}

bool access_check(struct access *access, const struct credentials *credentials, struct error *err)
{
    if (kind_of(credentials) == KIND_NONE)
        return error_set(err, ERROR_IDENTITY, "X-Auth-Token of 1 to %d characters, or Authorization with a signature,"
                         " is required, got neither", TOKEN_MAX_LENGTH);
    return signins_check(access->signins, credentials->address, err)
           && (check_form(access, credentials, err) || fail_signin(access, credentials, err));
}

bool access_needs_body(const struct credentials *credentials)
{
    return signature_is_present(credentials->authorization);
}

/* Keeps a valid credential for the next requests, if its use needs not be recorded again. Returns its identity. */
static struct identity keep_credential(struct access *access, const struct credential_lookup *lookup,
                                       struct credential *credential)
{
    struct identity identity = credential->identity;

    if (credential->use_is_recorded)
        credential_cache_add(access->stored, lookup, credential, INT64_MAX);
    credential->identity = (struct identity) {0};
    credential_clear(credential);
    return identity;
}

static bool identify_by_own_token(struct access *access, const char *token, struct identity *ret_identity,
                                  struct error *err)
{
    const struct credential_key key = credential_key_of(CREDENTIAL_TOKEN, token);
    struct credential_lookup lookup;
    struct credential credential;
    struct db *db;
    bool known;

    if (credential_cache_find(access->stored, &key, &credential)) {
        *ret_identity = credential.identity; /* a token has no other members to free */
        return true;
    }
    lookup = credential_cache_begin(access->stored, &key);
    db = db_pool_acquire(access->pool, err);
    if (db == NULL)
        return false;
    known = token_find(db, token, &credential, err);
    db_pool_release(access->pool, db);
    if (known)
        *ret_identity = keep_credential(access, &lookup, &credential);
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

/*
 * Verifies a signature with a cached secret. If that fails, the access key is looked up like any other: so the response
 * and its duration do not show that it is known, and its secret may have been encrypted anew.
 */
static bool verify_from_cache(struct access *access, const struct credential_key *key,
                              const struct signature *signature, const char *string_to_sign,
                              struct identity *ret_identity)
{
    struct credential credential;
    bool valid;

    if (!credential_cache_find(access->stored, key, &credential))
        return false;
    valid = access_keys_verify(access->keys, &credential, signature, string_to_sign);
    if (valid) {
        *ret_identity = credential.identity;
        credential.identity = (struct identity) {0};
    }
    credential_clear(&credential);
    return valid;
}

static bool verify(struct access *access, const struct signature *signature, const char *string_to_sign,
                   struct identity *ret_identity, struct error *err)
{
    const struct credential_key key = credential_key_of(CREDENTIAL_ACCESS_KEY, signature->access_key);
    struct credential_lookup lookup;
    struct credential credential;
    struct db *db;
    bool known;

    if (verify_from_cache(access, &key, signature, string_to_sign, ret_identity))
        return true;
    lookup = credential_cache_begin(access->stored, &key);
    db = db_pool_acquire(access->pool, err);
    if (db == NULL)
        return false;
    known = access_keys_find(access->keys, db, signature, string_to_sign, &credential, err);
    db_pool_release(access->pool, db);
    if (known)
        *ret_identity = keep_credential(access, &lookup, &credential);
    return known;
}

static bool identify_by_signature(struct access *access, const struct credentials *credentials,
                                  struct identity *ret_identity, struct error *err)
{
    struct signature signature;
    char *string_to_sign;
    bool known;

    if (!signature_parse(credentials->authorization, &signature, err))
        return false;
    string_to_sign = signature_string_to_sign(&signature, &credentials->request, credentials->body,
                                              credentials->body_length, err);
    if (string_to_sign == NULL)
        return false;
    known = verify(access, &signature, string_to_sign, ret_identity, err);
    free(string_to_sign);
    return known;
}

bool access_identify(struct access *access, const struct credentials *credentials, const struct access_pause *pause,
                     struct identity *ret_identity, struct error *err)
{
    bool known = false;

    switch (kind_of(credentials)) {
    case KIND_SIGNATURE:
        known = identify_by_signature(access, credentials, ret_identity, err);
        break;
    case KIND_TOKEN:
        known = identify_by_token(access, credentials->token, pause, ret_identity, err);
        break;
    case KIND_LINK:
        known = link_identify(access->ring, credentials->link, access->config->link_minutes, ret_identity, err);
        break;
    case KIND_NONE:
        break;
    }
    return known || fail_signin(access, credentials, err);
}

static void report_ring(struct access *access, const struct error *err)
{
    struct log_line line;

    if (!key_ring_exists(access->ring) || atomic_exchange(&access->reported_ring, true))
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
    if (!link_sign(access->ring, project_id, file_id, link.expires, link.signature, &err)) {
        report_ring(access, &err);
        return false;
    }
    atomic_store(&access->reported_ring, false);
    *ret_link = link;
    return true;
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
