#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define BLOCK_SIZE 64 /* bytes, of SHA-256 */
#define UUID_SIZE 16
#define STOCK_SIZE (32 * UUID_SIZE)

void check_libcrypto(int good)
{
    if (good != 1) {
        fputs("waybill: libcrypto failed\n", stderr);
        abort();
    }
}

/* The algorithm. Given EVP_sha256(), libcrypto searches for it in each call, which takes as long as a short digest. */
static EVP_MD *sha256;

static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    check_libcrypto(sha256 != NULL);
}

static const EVP_MD *get_sha256(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, fetch_sha256);
    return sha256;
}

struct digest *digest_new(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    check_libcrypto(context != NULL);
    check_libcrypto(EVP_DigestInit_ex2(context, get_sha256(), NULL));
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
    check_libcrypto(EVP_Digest(data, length, out, NULL, get_sha256(), NULL));
}

/* Computes one of the two digests of an HMAC: that of the padded key, with `mask`, and the data. */
static void digest_keyed(const unsigned char padded[BLOCK_SIZE], unsigned char mask, const void *data, size_t length,
                         unsigned char out[SHA256_SIZE])
{
    struct digest *digest = digest_new();
    unsigned char masked[BLOCK_SIZE];

    for (size_t i = 0; i < BLOCK_SIZE; i++)
        masked[i] = padded[i] ^ mask;
    digest_update(digest, masked, sizeof(masked));
    digest_update(digest, data, length);
    digest_finish(digest, out);
    digest_free(digest);
    memory_wipe(masked, sizeof(masked));
}

/* The functions of libcrypto for it take several times as long for a short text. */
void digest_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length,
                        unsigned char out[SHA256_SIZE])
{
    unsigned char padded[BLOCK_SIZE] = {0}, inner[SHA256_SIZE];

    if (key_length > sizeof(padded))
        digest_sha256(key, key_length, padded);
    else if (key_length > 0)
        memcpy(padded, key, key_length);
    digest_keyed(padded, 0x36, data, length, inner);
    digest_keyed(padded, 0x5C, inner, sizeof(inner), out);
    memory_wipe(padded, sizeof(padded));
    memory_wipe(inner, sizeof(inner));
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

/* Takes bytes for a UUID from a stock of the thread. A secret must not come from there: the stock is not wiped. */
static void take_random(unsigned char out[UUID_SIZE])
{
    static _Thread_local unsigned char stock[STOCK_SIZE];
    static _Thread_local size_t left;

    if (left == 0) {
        random_bytes(stock, sizeof(stock));
        left = sizeof(stock);
    }
    left -= UUID_SIZE;
    memcpy(out, stock + left, UUID_SIZE);
}

void random_uuid(char out[TEXT_UUID_LENGTH + 1])
{
    unsigned char bytes[UUID_SIZE];
    char hex[2 * sizeof(bytes) + 1];

    take_random(bytes);
    bytes[6] = (unsigned char) ((bytes[6] & 0x0F) | 0x40);
    bytes[8] = (unsigned char) ((bytes[8] & 0x3F) | 0x80);
    text_hex(hex, bytes, sizeof(bytes));
    snprintf(out, TEXT_UUID_LENGTH + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}
