#include "access/key_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/key_file.h"
#include "base/memory.h"
#include "base/text.h"

/*
 * The time between the rotation and the moment from which every process signs with the new key: another host may get
 * the file later.
 */
#define ROTATION_SECONDS 300

static const char sealing[] = "waybill 1 secrets";
static const char signing[] = "waybill 1 links";

struct key_ring {
    const char *path;
    pthread_mutex_t lock; /* for the rest */
    struct key_file file; /* without keys: not read yet */
    struct stat read;     /* of the file that was read */
};

struct key_ring *key_ring_new(const char *path)
{
    struct key_ring *ring = memory_zeroed(1, sizeof(*ring));

    ring->path = path;
    pthread_mutex_init(&ring->lock, NULL);
    return ring;
}

void key_ring_free(struct key_ring *ring)
{
    if (ring == NULL)
        return;
    pthread_mutex_destroy(&ring->lock);
    memory_wipe(&ring->file, sizeof(ring->file));
    free(ring);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size
           && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec
           && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool cannot_open(const struct key_ring *ring, struct error *err)
{
    int reason = errno;

    error_set(err, ERROR_CONFIG, "[access] key_file cannot be used");
    return error_detail(err, "%s: %s", ring->path, strerror(reason));
}

/* Reads the file. Called with the lock held. */
static bool read_key_file(struct key_ring *ring, struct error *err)
{
    int fd = open(ring->path, O_RDONLY | O_CLOEXEC);
    bool done;

    memory_wipe(&ring->file, sizeof(ring->file));
    if (fd < 0)
        return cannot_open(ring, err);
    done = fstat(fd, &ring->read) == 0 ? key_file_read(fd, &ring->file, err) : cannot_open(ring, err);
    close(fd);
    return done;
}

/* Copies the keys of the file as it is now. Wipe them after use. */
static bool copy_keys(struct key_ring *ring, struct key_file *ret_keys, struct error *err)
{
    struct stat now;
    bool done;

    pthread_mutex_lock(&ring->lock);
    if (stat(ring->path, &now) != 0) {
        memory_wipe(&ring->file, sizeof(ring->file));
        done = cannot_open(ring, err);
    } else {
        done = (ring->file.count > 0 && is_same_file(&now, &ring->read)) || read_key_file(ring, err);
    }
    if (done)
        *ret_keys = ring->file;
    pthread_mutex_unlock(&ring->lock);
    return done;
}

bool key_ring_exists(const struct key_ring *ring)
{
    return access(ring->path, F_OK) == 0 || errno != ENOENT;
}

bool key_ring_check(struct key_ring *ring, struct error *err)
{
    struct key_file keys;

    if (!copy_keys(ring, &keys, err))
        return false;
    memory_wipe(&keys, sizeof(keys));
    return true;
}

static void derive(const struct key_file_key *key, const char *purpose, unsigned char out[CIPHER_KEY_SIZE])
{
    _Static_assert(CIPHER_KEY_SIZE == SHA256_SIZE, "a derived key is an HMAC-SHA-256");
    digest_hmac_sha256(key->bytes, sizeof(key->bytes), purpose, strlen(purpose), out);
}

/* Encrypts the secret: the ID of the key, a colon, and base64. */
static char *seal(const struct key_file_key *key, const char *context, const char *secret)
{
    size_t length = strlen(secret) + CIPHER_OVERHEAD;
    unsigned char *encrypted = memory_zeroed(length, 1);
    char *sealed = memory_zeroed(KEY_FILE_ID_SIZE + BASE64_SIZE(length), 1);
    unsigned char derived[CIPHER_KEY_SIZE];

    derive(key, sealing, derived);
    cipher_encrypt(derived, context, secret, strlen(secret), encrypted);
    memory_wipe(derived, sizeof(derived));
    snprintf(sealed, KEY_FILE_ID_SIZE + 1, "%s:", key->id);
    base64_encode(sealed + KEY_FILE_ID_SIZE, encrypted, length);
    free(encrypted);
    return sealed;
}

char *key_ring_seal(struct key_ring *ring, const char *context, const char *secret, struct error *err)
{
    struct key_file keys;
    char *sealed;

    if (!copy_keys(ring, &keys, err))
        return NULL;
    sealed = seal(&keys.keys[0], context, secret);
    memory_wipe(&keys, sizeof(keys));
    return sealed;
}

static const struct key_file_key *find_key(const struct key_file *keys, const char *sealed)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strncmp(sealed, keys->keys[i].id, KEY_FILE_ID_SIZE - 1) == 0 && sealed[KEY_FILE_ID_SIZE - 1] == ':')
            return &keys->keys[i];
    }
    return NULL;
}

/* Decrypts what follows the colon. Returns NULL if it is not authentic. */
static char *unseal(const struct key_file_key *key, const char *context, const char *encoded)
{
    size_t size = BASE64_DECODED_SIZE(strlen(encoded)), length = 0;
    unsigned char *encrypted = memory_zeroed(size + 1, 1);
    char *secret = memory_zeroed(size + 1, 1);
    unsigned char derived[CIPHER_KEY_SIZE];
    bool good;

    derive(key, sealing, derived);
    good = base64_decode(encrypted, encoded, &length)
           && cipher_decrypt(derived, context, encrypted, length, (unsigned char *) secret);
    memory_wipe(derived, sizeof(derived));
    free(encrypted);
    if (good)
        return secret;
    memory_wipe(secret, size);
    free(secret);
    return NULL;
}

char *key_ring_unseal(struct key_ring *ring, const char *context, const char *sealed, struct error *err)
{
    const struct key_file_key *key;
    struct key_file keys;
    char *secret = NULL;

    if (!copy_keys(ring, &keys, err))
        return NULL;
    key = find_key(&keys, sealed);
    if (key != NULL)
        secret = unseal(key, context, sealed + KEY_FILE_ID_SIZE);
    if (secret == NULL) {
        error_set(err, ERROR_CONFIG, "a stored secret cannot be decrypted");
        error_detail(err, key == NULL ? "%s does not have the key that encrypted the secret of %s"
                                      : "%s does not decrypt the secret of %s, which has been changed",
                     ring->path, context);
    }
    memory_wipe(&keys, sizeof(keys));
    return secret;
}

static void sign(const struct key_file_key *key, const char *text, char out[KEY_RING_SIGNATURE_SIZE])
{
    unsigned char derived[CIPHER_KEY_SIZE], hmac[SHA256_SIZE];

    derive(key, signing, derived);
    digest_hmac_sha256(derived, sizeof(derived), text, strlen(text), hmac);
    memory_wipe(derived, sizeof(derived));
    text_hex(out, hmac, sizeof(hmac));
}

bool key_ring_sign(struct key_ring *ring, const char *text, char ret_signature[KEY_RING_SIGNATURE_SIZE],
                   struct error *err)
{
    struct key_file keys;

    if (!copy_keys(ring, &keys, err))
        return false;
    sign(&keys.keys[0], text, ret_signature);
    memory_wipe(&keys, sizeof(keys));
    return true;
}

bool key_ring_verify(struct key_ring *ring, const char *text, const char *signature, int64_t made,
                     bool *ret_authentic, struct error *err)
{
    char expected[KEY_RING_SIGNATURE_SIZE];
    bool authentic = false;
    struct key_file keys;

    if (!copy_keys(ring, &keys, err))
        return false;
    for (size_t i = 0; i < keys.count; i++) {
        bool allowed = i == 0 || made <= keys.keys[0].made + ROTATION_SECONDS;

        sign(&keys.keys[i], text, expected);
        authentic |= allowed && digest_equal_texts(expected, signature);
    }
    memory_wipe(expected, sizeof(expected));
    memory_wipe(&keys, sizeof(keys));
    *ret_authentic = authentic;
    return true;
}
