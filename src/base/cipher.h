/* Authenticated encryption with AES-256-GCM (NIST SP 800-38D), from OpenSSL's libcrypto. */
#ifndef WAYBILL_BASE_CIPHER_H
#define WAYBILL_BASE_CIPHER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

#define CIPHER_KEY_SIZE 32
#define CIPHER_OVERHEAD (12 + 16) /* bytes that encryption adds: a random nonce and a tag */

/*
 * Encrypts `length` bytes, at most 64 KiB, into `out`, which has room for length + CIPHER_OVERHEAD bytes. `context` is
 * authenticated, but not part of the result. With one key, encrypt at most 2^32 times.
 */
void cipher_encrypt(const unsigned char key[CIPHER_KEY_SIZE], const char *context, const void *data, size_t length,
                    unsigned char *out);

/*
 * Decrypts such a result of `length` bytes into `out`, which has room for them without CIPHER_OVERHEAD. Returns false
 * if the key or the context differs, or if the data has changed; the content of `out` is undefined then.
 */
MUST_CHECK bool cipher_decrypt(const unsigned char key[CIPHER_KEY_SIZE], const char *context, const void *data,
                               size_t length, unsigned char *out);

#endif
