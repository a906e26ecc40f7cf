/*
 * The keys of [access] key_file (access/key_file.h), as a process uses them: they encrypt secrets in the database, and
 * sign links. Each purpose has a key of its own, which is derived from that of the file. A process reads the file when
 * it first needs a key, and again when the file has changed. Any thread may call these functions. They fail with
 * ERROR_CONFIG if the file is missing or unusable; the detail is the reason.
 */
#ifndef WAYBILL_ACCESS_KEY_RING_H
#define WAYBILL_ACCESS_KEY_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/digest.h"
#include "base/error.h"

struct key_ring;

/* `path` must outlive it. The file need not exist yet. */
struct key_ring *key_ring_new(const char *path);

/* Wipes the keys. NULL is allowed. */
void key_ring_free(struct key_ring *ring);

/* Whether the file exists. A service without it has neither access keys nor links. */
MUST_CHECK bool key_ring_exists(const struct key_ring *ring);

/* Checks that the file is there and has a key. */
MUST_CHECK bool key_ring_check(struct key_ring *ring, struct error *err);

/*
 * Encrypts a secret with the current key. `context`, such as the name of the access key, is authenticated but not part
 * of the result: to decrypt, the same text is needed. Returns printable text, or NULL on failure. Free it with free().
 */
MUST_CHECK char *key_ring_seal(struct key_ring *ring, const char *context, const char *secret, struct error *err);

/*
 * Decrypts a result of key_ring_seal with the key that encrypted it. Returns NULL on failure, also if the file no
 * longer has that key, or if the text is damaged or belongs to another context. Free the secret with
 * memory_free_secret.
 */
MUST_CHECK char *key_ring_unseal(struct key_ring *ring, const char *context, const char *sealed, struct error *err);

#define KEY_RING_SIGNATURE_SIZE (2 * SHA256_SIZE + 1)

/* Signs a text with the current key: HMAC-SHA-256, in lower-case hexadecimal digits. */
MUST_CHECK bool key_ring_sign(struct key_ring *ring, const char *text, char ret_signature[KEY_RING_SIGNATURE_SIZE],
                              struct error *err);

/*
 * Verifies a signature, in constant time. `made` is the second since 1970 in which the signature was made at the
 * latest, as the signed text says: the previous key is accepted only for what was made before the rotation, so that
 * whoever steals an old key cannot sign anything new.
 */
MUST_CHECK bool key_ring_verify(struct key_ring *ring, const char *text, const char *signature, int64_t made,
                                bool *ret_authentic, struct error *err);

#endif
