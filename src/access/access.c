#include "access/access.h"

#include <stdlib.h>

#include "access/access_key.h"
#include "access/key_ring.h"
#include "access/signins.h"
#include "access/token.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "metrics/counters.h"

struct access {
    const struct config *config;
    struct db_pool *pool;
    struct key_ring *ring;
    struct access_keys *keys;
    struct signins *signins;
};

struct access *access_new(const struct config *config, struct db_pool *pool)
{
    struct access *access = memory_zeroed(1, sizeof(*access));

    access->config = config;
    access->pool = pool;
    access->ring = key_ring_new(config->key_file);
    access->keys = access_keys_new(access->ring);
    access->signins = signins_new(config->failed_signins);
    return access;
}

void access_free(struct access *access)
{
    if (access == NULL)
        return;
    signins_free(access->signins);
    access_keys_free(access->keys);
    key_ring_free(access->ring);
    free(access);
}

/*
 * Counts and logs a sign-in that has failed because the credentials are not valid. The message and the detail contain
 * neither a secret nor an unknown access key. Always returns false.
 */
static bool fail_signin(struct access *access, const struct credentials *credentials, const struct error *err)
{
    const char *kind = signature_is_present(credentials->authorization) ? "access_key" : "token";
    struct log_line line;

    if (err->code != ERROR_IDENTITY)
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

bool access_check(struct access *access, const struct credentials *credentials, struct error *err)
{
    bool is_signed = signature_is_present(credentials->authorization);

    if (!is_signed && (credentials->token == NULL || *credentials->token == '\0'))
        return error_set(err, ERROR_IDENTITY, "X-Auth-Token, or Authorization with a signature, is required, got"
                         " neither");
    if (!signins_check(access->signins, credentials->address, err))
        return false;
    return (is_signed ? check_signature(access, credentials, err) : token_check(credentials->token, err))
           || fail_signin(access, credentials, err);
}

bool access_needs_body(const struct credentials *credentials)
{
    return signature_is_present(credentials->authorization);
}

static bool identify_by_token(struct access *access, const struct credentials *credentials,
                              struct identity *ret_identity, struct error *err)
{
    struct db *db = db_pool_acquire(access->pool, err);
    bool known;

    if (db == NULL)
        return false;
    known = token_identify(db, credentials->token, ret_identity, err);
    db_pool_release(access->pool, db);
    return known;
}

static bool identify_by_signature(struct access *access, const struct credentials *credentials,
                                  struct identity *ret_identity, struct error *err)
{
    struct signature signature;
    char *string_to_sign;
    struct db *db;
    bool known = false;

    if (!signature_parse(credentials->authorization, &signature, err))
        return false;
    string_to_sign = signature_string_to_sign(&signature, &credentials->request, credentials->body,
                                              credentials->body_length, err);
    if (string_to_sign == NULL)
        return false;
    db = db_pool_acquire(access->pool, err);
    if (db != NULL) {
        known = access_keys_identify(access->keys, db, &signature, string_to_sign, ret_identity, err);
        db_pool_release(access->pool, db);
    }
    free(string_to_sign);
    return known;
}

bool access_identify(struct access *access, const struct credentials *credentials, struct identity *ret_identity,
                     struct error *err)
{
    bool known = signature_is_present(credentials->authorization)
                 ? identify_by_signature(access, credentials, ret_identity, err)
                 : identify_by_token(access, credentials, ret_identity, err);

    return known || fail_signin(access, credentials, err);
}
