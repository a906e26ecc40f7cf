#include "base/cipher.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/digest.h"

#define NONCE_SIZE 12
#define TAG_SIZE 16
#define MAX_LENGTH (64 * 1024)

_Static_assert(NONCE_SIZE + TAG_SIZE == CIPHER_OVERHEAD, "cipher.h must state the size of the nonce and the tag");

/* Returns a context that has authenticated the text `context`. */
static EVP_CIPHER_CTX *begin(const unsigned char *key, const unsigned char *nonce, const char *context, int encrypt)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int ignored;

    check_libcrypto(cipher != NULL);
    check_libcrypto(EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, nonce, encrypt));
    check_libcrypto(EVP_CipherUpdate(cipher, NULL, &ignored, (const unsigned char *) context, (int) strlen(context)));
    return cipher;
}

void cipher_encrypt(const unsigned char key[CIPHER_KEY_SIZE], const char *context, const void *data, size_t length,
                    unsigned char *out)
{
    EVP_CIPHER_CTX *cipher;
    int written, last;

    assert(length <= MAX_LENGTH);
    random_bytes(out, NONCE_SIZE);
    cipher = begin(key, out, context, 1);
    check_libcrypto(EVP_CipherUpdate(cipher, out + NONCE_SIZE, &written, data, (int) length));
    check_libcrypto(EVP_CipherFinal_ex(cipher, out + NONCE_SIZE + written, &last));
    check_libcrypto(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, out + NONCE_SIZE + length));
    EVP_CIPHER_CTX_free(cipher); /* wipes the key */
}

bool cipher_decrypt(const unsigned char key[CIPHER_KEY_SIZE], const char *context, const void *data, size_t length,
                    unsigned char *out)
{
    const unsigned char *bytes = data;
    unsigned char tag[TAG_SIZE];
    EVP_CIPHER_CTX *cipher;
    int written, last;
    bool good;

    if (length < CIPHER_OVERHEAD || length > MAX_LENGTH + CIPHER_OVERHEAD)
        return false;
    memcpy(tag, bytes + length - TAG_SIZE, TAG_SIZE);
    cipher = begin(key, bytes, context, 0);
    good = EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag) == 1
           && EVP_CipherUpdate(cipher, out, &written, bytes + NONCE_SIZE, (int) (length - CIPHER_OVERHEAD)) == 1
           && EVP_CipherFinal_ex(cipher, out + written, &last) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return good;
}
