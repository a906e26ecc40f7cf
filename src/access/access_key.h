/*
 * Access keys that `waybill key create` prints. The caller signs requests with the secret of the key (signature.h). The
 * secret is stored encrypted (key_ring.h).
 */
#ifndef WAYBILL_ACCESS_ACCESS_KEY_H
#define WAYBILL_ACCESS_ACCESS_KEY_H

#include "access/credential.h"
#include "access/key_ring.h"
#include "access/signature.h"
#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

#define ACCESS_KEY_SIZE 21        /* of a generated access key, with the NUL */
#define ACCESS_KEY_SECRET_SIZE 41 /* likewise of its secret */

/* What verifies signatures. The requests of a process share it. */
struct access_keys;

/* `ring` must outlive it. */
struct access_keys *access_keys_new(struct key_ring *ring);

/* NULL is allowed. */
void access_keys_free(struct access_keys *keys);

/*
 * Finds the valid access key that has made a signature, and records its use. Fails with ERROR_IDENTITY if the access
 * key is unknown, expired or revoked, or has not made the signature. The message does not reveal which, nor does the
 * work that is done: the secret of an unknown access key is decrypted and compared too, but it is that of no caller.
 * The detail names the access key if it is valid. Fails as key_ring_unseal does if the secret cannot be decrypted. Free
 * the credential with credential_clear.
 */
MUST_CHECK bool access_keys_find(struct access_keys *keys, struct db *db, const struct signature *signature,
                                 const char *string_to_sign, struct credential *ret_credential, struct error *err);

/* Whether the access key of a credential has made the signature, as far as its secret can be decrypted now. */
MUST_CHECK bool access_keys_verify(struct access_keys *keys, const struct credential *credential,
                                   const struct signature *signature, const char *string_to_sign);

/* Creates an access key and its secret. Wipe the secret after use. */
MUST_CHECK bool access_key_create(struct db *db, struct key_ring *ring, const struct credential_spec *spec,
                                  char ret_access_key[ACCESS_KEY_SIZE], char ret_secret[ACCESS_KEY_SECRET_SIZE],
                                  struct error *err);

#endif
