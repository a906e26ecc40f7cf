/* SHA-256 and random numbers, from OpenSSL's libcrypto. */
#ifndef WAYBILL_BASE_DIGEST_H
#define WAYBILL_BASE_DIGEST_H

#include <stddef.h>

#include "base/text.h"

#define SHA256_SIZE 32

/* An incremental SHA-256. */
struct digest;

struct digest *digest_new(void);
void digest_update(struct digest *digest, const void *data, size_t length);
void digest_finish(struct digest *digest, unsigned char out[SHA256_SIZE]); /* call it once */
void digest_free(struct digest *digest); /* NULL is allowed */

void digest_sha256(const void *data, size_t length, unsigned char out[SHA256_SIZE]);

/* Fills `out` with cryptographically secure random bytes. */
void random_bytes(void *out, size_t length);

/* Writes a random UUID (RFC 9562 version 4) in lower case. */
void random_uuid(char out[TEXT_UUID_LENGTH + 1]);

#endif
