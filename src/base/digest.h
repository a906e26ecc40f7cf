/* SHA-256, HMAC-SHA-256, base64 and random numbers, from OpenSSL's libcrypto. */
#ifndef WAYBILL_BASE_DIGEST_H
#define WAYBILL_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/text.h"

#define SHA256_SIZE 32

/*
 * Ends the process if `good` is not 1, the result of a call of libcrypto that fails only if it cannot get memory, or
 * random numbers from the kernel. base/cipher.c uses it too.
 */
void check_libcrypto(int good);

/* An incremental SHA-256. */
struct digest;

struct digest *digest_new(void);
void digest_update(struct digest *digest, const void *data, size_t length);
void digest_finish(struct digest *digest, unsigned char out[SHA256_SIZE]); /* call it once */
void digest_free(struct digest *digest); /* NULL is allowed */

void digest_sha256(const void *data, size_t length, unsigned char out[SHA256_SIZE]);

/* HMAC-SHA-256 (RFC 2104). */
void digest_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length,
                        unsigned char out[SHA256_SIZE]);

/* Compares two texts. The time depends only on their lengths. */
MUST_CHECK bool digest_equal_texts(const char *a, const char *b);

/* The size of `length` bytes in base64, including the NUL. */
#define BASE64_SIZE(length) (((length) + 2) / 3 * 4 + 1)

/* The size of the buffer that base64_decode needs for a text of `length` characters. */
#define BASE64_DECODED_SIZE(length) ((length) / 4 * 3)

/* Writes base64 with padding (RFC 4648 section 4) and a NUL, BASE64_SIZE(length) bytes in total. */
void base64_encode(char *out, const void *data, size_t length);

/*
 * Decodes such a text. Returns false if base64_encode cannot have written it: padding is missing, unused bits are set,
 * or there are other characters, such as whitespace. The content of `out` is undefined then.
 */
MUST_CHECK bool base64_decode(unsigned char *out, const char *text, size_t *ret_length);

/* Fills `out` with cryptographically secure random bytes. */
void random_bytes(void *out, size_t length);

/* Writes a random UUID (RFC 9562 version 4) in lower case. */
void random_uuid(char out[TEXT_UUID_LENGTH + 1]);

#endif
