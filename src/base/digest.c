#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void check_libcrypto(int good)
{
    if (good != 1) {
        fputs("waybill: libcrypto failed\n", stderr);
        abort();
    }
}

struct digest *digest_new(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    check_libcrypto(context != NULL);
    check_libcrypto(EVP_DigestInit_ex(context, EVP_sha256(), NULL));
    return (struct digest *) context;
}

void digest_update(struct digest *digest, const void *data, size_t length)
{
    check_libcrypto(EVP_DigestUpdate((EVP_MD_CTX *) digest, data, length));
}

void digest_finish(struct digest *digest, unsigned char out[SHA256_SIZE])
{
    check_libcrypto(EVP_DigestFinal_ex((EVP_MD_CTX *) digest, out, NULL));
}

void digest_free(struct digest *digest)
{
    EVP_MD_CTX_free((EVP_MD_CTX *) digest);
}

void digest_sha256(const void *data, size_t length, unsigned char out[SHA256_SIZE])
{
    check_libcrypto(EVP_Digest(data, length, out, NULL, EVP_sha256(), NULL));
}

void digest_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length,
                        unsigned char out[SHA256_SIZE])
{
    check_libcrypto(HMAC(EVP_sha256(), key, (int) key_length, data, length, out, NULL) != NULL);
}

bool digest_equal_texts(const char *a, const char *b)
{
    size_t length = strlen(a);

    return strlen(b) == length && CRYPTO_memcmp(a, b, length) == 0;
}

void base64_encode(char *out, const void *data, size_t length)
{
    EVP_EncodeBlock((unsigned char *) out, data, (int) length);
}

bool base64_decode(unsigned char *out, const char *text, size_t *ret_length)
{
    size_t length = strlen(text);
    size_t padding = length - strcspn(text, "=");
    int decoded = EVP_DecodeBlock(out, (const unsigned char *) text, (int) length);
    char *again;
    bool same;

    if (decoded < 0 || padding > 2)
        return false;
    /* libcrypto counts padding as bytes, skips whitespace around the text, and ignores unused bits. */
    again = memory_zeroed(BASE64_SIZE((size_t) decoded), 1);
    base64_encode(again, out, (size_t) decoded - padding);
    same = strcmp(again, text) == 0;
    memory_free_secret(again); /* the text may be one */
    if (same)
        *ret_length = (size_t) decoded - padding;
    return same;
}

void random_bytes(void *out, size_t length)
{
    check_libcrypto(RAND_bytes(out, (int) length));
}

void random_uuid(char out[TEXT_UUID_LENGTH + 1])
{
    unsigned char bytes[16];
    char hex[2 * sizeof(bytes) + 1];

    random_bytes(bytes, sizeof(bytes));
    bytes[6] = (unsigned char) ((bytes[6] & 0x0F) | 0x40);
    bytes[8] = (unsigned char) ((bytes[8] & 0x3F) | 0x80);
    text_hex(hex, bytes, sizeof(bytes));
    snprintf(out, TEXT_UUID_LENGTH + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}
