#include "access/access_key.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"

#define PREFIX "WBAK" /* scanners for leaked secrets can recognize it */
#define UPPER_CASE "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER_CASE "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

#define NO_ACCESS_KEY "-" /* the context of the decoy; no access key has this name */

struct access_keys {
    struct key_ring *ring;
    pthread_mutex_t lock; /* for the rest */
    char *decoy; /* a sealed secret that no caller has, in place of that of an unknown access key; NULL: not made yet */
};

struct access_keys *access_keys_new(struct key_ring *ring)
{
    struct access_keys *keys = memory_zeroed(1, sizeof(*keys));

    keys->ring = ring;
    pthread_mutex_init(&keys->lock, NULL);
    return keys;
}

void access_keys_free(struct access_keys *keys)
{
    if (keys == NULL)
        return;
    pthread_mutex_destroy(&keys->lock);
    free(keys->decoy);
    free(keys);
}

/* Fills `out` with random characters of the alphabet, each with the same probability, and a NUL. */
static void random_text(char *out, size_t length, const char *alphabet)
{
    size_t count = strlen(alphabet);
    unsigned limit = 256 / (unsigned) count * (unsigned) count;

    for (size_t i = 0; i < length;) {
        unsigned char byte;

        random_bytes(&byte, 1);
        if (byte < limit)
            out[i++] = alphabet[byte % count];
    }
    out[length] = '\0';
}

static void random_secret(char out[ACCESS_KEY_SECRET_SIZE])
{
    random_text(out, ACCESS_KEY_SECRET_SIZE - 1, UPPER_CASE LOWER_CASE DIGITS);
}

/* Returns a copy of the decoy, to be freed. Makes a new one if there is none, or if `replace` is set. */
static char *copy_decoy(struct access_keys *keys, bool replace, struct error *err)
{
    char secret[ACCESS_KEY_SECRET_SIZE];
    char *copy;

    pthread_mutex_lock(&keys->lock);
    if (keys->decoy == NULL || replace) {
        random_secret(secret);
        free(keys->decoy);
        keys->decoy = key_ring_seal(keys->ring, NO_ACCESS_KEY, secret, err);
        memory_wipe(secret, sizeof(secret));
    }
    copy = keys->decoy == NULL ? NULL : memory_copy_text(keys->decoy);
    pthread_mutex_unlock(&keys->lock);
    return copy;
}

/* Decrypts the decoy. After two rotations of the key ring, its key is gone, and a new decoy replaces it. */
static char *unseal_decoy(struct access_keys *keys, struct error *err)
{
    char *secret = NULL;

    for (int i = 0; secret == NULL && i < 2; i++) {
        char *sealed = copy_decoy(keys, i > 0, err);

        if (sealed == NULL)
            return NULL;
        secret = key_ring_unseal(keys->ring, NO_ACCESS_KEY, sealed, err);
        free(sealed);
    }
    return secret;
}

/* Verifies the signature with the secret of the credential, or with the decoy if it is NULL. */
static bool verify_signature(struct access_keys *keys, const struct credential *credential,
                             const struct signature *signature, const char *string_to_sign, struct error *err)
{
    char *secret = credential == NULL ? unseal_decoy(keys, err)
                                      : key_ring_unseal(keys->ring, signature->access_key, credential->sealed_secret,
                                                        err);
    bool matches;

    if (secret == NULL)
        return false;
    matches = signature_matches(signature, string_to_sign, secret);
    memory_free_secret(secret);
    if (matches && credential != NULL)
        return true;
    error_set(err, ERROR_IDENTITY, "the signature must be that of a valid access key for this request, got one of an"
              " access key that is unknown, expired or revoked, or one that does not match");
    if (credential != NULL)
        error_detail(err, "the signature of access key %s does not match", signature->access_key);
    return false;
}

bool access_keys_verify(struct access_keys *keys, const struct credential *credential,
                        const struct signature *signature, const char *string_to_sign)
{
    struct error ignored;

    return verify_signature(keys, credential, signature, string_to_sign, &ignored);
}

bool access_keys_find(struct access_keys *keys, struct db *db, const struct signature *signature,
                      const char *string_to_sign, struct credential *ret_credential, struct error *err)
{
    struct credential credential = {0};
    bool found;

    if (!credential_find(db, CREDENTIAL_ACCESS_KEY, signature->access_key, &found, &credential, err))
        return false;
    if (!verify_signature(keys, found ? &credential : NULL, signature, string_to_sign, err)) {
        credential_clear(&credential);
        return false;
    }
    credential_record_use(db, &credential);
    *ret_credential = credential;
    return true;
}

bool access_key_create(struct db *db, struct key_ring *ring, const struct credential_spec *spec,
                       char ret_access_key[ACCESS_KEY_SIZE], char ret_secret[ACCESS_KEY_SECRET_SIZE],
                       struct error *err)
{
    char access_key[ACCESS_KEY_SIZE] = PREFIX;
    char secret[ACCESS_KEY_SECRET_SIZE];
    char *sealed;
    bool added;

    random_text(access_key + strlen(PREFIX), sizeof(access_key) - 1 - strlen(PREFIX), UPPER_CASE DIGITS);
    random_secret(secret);
    sealed = key_ring_seal(ring, access_key, secret, err);
    added = sealed != NULL && credential_add_access_key(db, spec, access_key, sealed, err);
    if (added) {
        memcpy(ret_access_key, access_key, sizeof(access_key));
        memcpy(ret_secret, secret, sizeof(secret));
    }
    memory_wipe(secret, sizeof(secret));
    free(sealed);
    return added;
}
