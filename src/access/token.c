#include "access/token.h"

#include <string.h>

#include "base/digest.h"
#include "base/memory.h"
#include "base/text.h"

#define RANDOM_SIZE 32
#define PREFIX "wbt_" /* scanners for leaked secrets can recognize it */

static void hash_token(const char *token, char out[2 * SHA256_SIZE + 1])
{
    unsigned char sha256[SHA256_SIZE];

    digest_sha256(token, strlen(token), sha256);
    text_hex(out, sha256, sizeof(sha256));
}

bool token_check(const char *token, struct error *err)
{
    if (strlen(token) > TOKEN_MAX_LENGTH)
        return error_set(err, ERROR_IDENTITY, "X-Auth-Token must be 1 to %d characters long, got %zu", TOKEN_MAX_LENGTH,
                         strlen(token));
    return true;
}

bool token_is_own(const char *token)
{
    return strncmp(token, PREFIX, strlen(PREFIX)) == 0;
}

bool token_find(struct db *db, const char *token, struct credential *ret_credential, struct error *err)
{
    char hash[2 * SHA256_SIZE + 1];
    bool found;

    hash_token(token, hash);
    if (!credential_find(db, CREDENTIAL_TOKEN, hash, &found, ret_credential, err))
        return false;
    if (!found)
        return error_set(err, ERROR_IDENTITY,
                         "X-Auth-Token must be a valid token, got one that is unknown, expired or revoked");
    credential_record_use(db, ret_credential);
    return true;
}

bool token_create(struct db *db, const struct credential_spec *spec, char ret_token[TOKEN_SIZE], struct error *err)
{
    unsigned char secret[RANDOM_SIZE];
    char token[TOKEN_SIZE] = PREFIX, hash[2 * SHA256_SIZE + 1];
    bool added;

    random_bytes(secret, sizeof(secret));
    text_hex(token + strlen(PREFIX), secret, sizeof(secret));
    hash_token(token, hash);
    added = credential_add_token(db, spec, hash, err);
    if (added)
        memcpy(ret_token, token, sizeof(token));
    memory_wipe(secret, sizeof(secret));
    memory_wipe(token, sizeof(token));
    return added;
}
