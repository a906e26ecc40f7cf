/* The keys of [access] key_file: base/cipher.c, access/key_file.c and access/key_ring.c. */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/key_file.h"
#include "access/key_ring.h"
#include "base/cipher.h"
#include "base/memory.h"
#include "check.h"
#include "scratch.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* the bytes 0 to 31 */
#define OTHER_KEY "//////////////////////////////////////////8="

void __real_free(void *memory);
void __wrap_free(void *memory);

/* While `on` is set, `count` is the number of freed blocks that contain a key of the file or a secret. */
static struct {
    bool on;
    int count;
} watch;

void __wrap_free(void *memory)
{
    static const char bytes[] = "\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F"; /* of KEY */
    static const char *const secrets[] = {KEY, bytes, "the secret"};

    for (size_t i = 0; memory != NULL && watch.on && i < ARRAY_SIZE(secrets); i++)
        watch.count += memmem(memory, malloc_usable_size(memory), secrets[i], strlen(secrets[i])) != NULL;
    __real_free(memory);
}

static const unsigned char key[CIPHER_KEY_SIZE] = "0123456789abcdef0123456789abcdef";

static void decrypts_what_was_encrypted(void)
{
    static const char *const texts[] = {"", "x", "a secret of forty characters, more or less"};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        size_t length = strlen(texts[i]);
        unsigned char encrypted[128], again[128];
        char decrypted[128];

        cipher_encrypt(key, "context", texts[i], length, encrypted);
        cipher_encrypt(key, "context", texts[i], length, again);
        assert_memory_not_equal(encrypted, again, length + CIPHER_OVERHEAD); /* each has a nonce of its own */
        assert_true(cipher_decrypt(key, "context", encrypted, length + CIPHER_OVERHEAD, (unsigned char *) decrypted));
        assert_memory_equal(decrypted, texts[i], length);
        assert_false(cipher_decrypt(key, "Context", encrypted, length + CIPHER_OVERHEAD, (unsigned char *) decrypted));
        assert_false(cipher_decrypt(key, "", encrypted, length + CIPHER_OVERHEAD, (unsigned char *) decrypted));
    }
}

static void refuses_changed_data(void)
{
    static const char secret[] = "secret";
    unsigned char encrypted[sizeof(secret) + CIPHER_OVERHEAD], decrypted[sizeof(encrypted)], other[CIPHER_KEY_SIZE];

    cipher_encrypt(key, "c", secret, sizeof(secret), encrypted);
    for (size_t bit = 0; bit < 8 * sizeof(encrypted); bit++) {
        encrypted[bit / 8] ^= (unsigned char) (1 << bit % 8);
        assert_false(cipher_decrypt(key, "c", encrypted, sizeof(encrypted), decrypted));
        encrypted[bit / 8] ^= (unsigned char) (1 << bit % 8);
    }
    for (size_t length = 0; length < sizeof(encrypted); length++)
        assert_false(cipher_decrypt(key, "c", encrypted, length, decrypted));
    memcpy(other, key, sizeof(other));
    other[31] ^= 1;
    assert_false(cipher_decrypt(other, "c", encrypted, sizeof(encrypted), decrypted));
    assert_true(cipher_decrypt(key, "c", encrypted, sizeof(encrypted), decrypted));
}

static const struct file_case {
    const char *label;
    const char *text;
    size_t count; /* of keys; 0: the file is refused */
} file_cases[] = {
    {"one key", "0123456789abcdef 1764470000 " KEY "\n", 1},
    {"no newline at the end", "0123456789abcdef 1764470000 " KEY, 1},
    {"two keys", "0123456789abcdef 1764470000 " KEY "\nfedcba9876543210 1 " OTHER_KEY "\n", 2},
    {"comments and empty lines", "# a\n\n0123456789abcdef 0 " KEY "\n#b\n\n", 1},
    {"three keys", "0123456789abcdef 1 " KEY "\n1123456789abcdef 1 " KEY "\n2123456789abcdef 1 " KEY "\n", 0},
    {"an ID twice", "0123456789abcdef 2 " KEY "\n0123456789abcdef 1 " OTHER_KEY "\n", 0},
    {"empty", "", 0},
    {"only a comment", "# a\n", 0},
    {"an ID that is too short", "0123456789abcde 1 " KEY "\n", 0},
    {"an ID that is too long", "0123456789abcdef0 1 " KEY "\n", 0},
    {"an ID in upper case", "0123456789ABCDEF 1 " KEY "\n", 0},
    {"no time", "0123456789abcdef " KEY "\n", 0},
    {"a time that is no number", "0123456789abcdef now " KEY "\n", 0},
    {"a negative time", "0123456789abcdef -1 " KEY "\n", 0},
    {"a key that is too short", "0123456789abcdef 1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\n", 0},
    {"a key that is too long", "0123456789abcdef 1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\n", 0},
    {"a key that is much too long", "0123456789abcdef 1 " KEY KEY KEY KEY KEY KEY KEY KEY KEY KEY KEY KEY "\n", 0},
    {"a key that is no base64", "0123456789abcdef 1 ?AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0},
    {"no key", "0123456789abcdef 1\n", 0},
    {"more after the key", "0123456789abcdef 1 " KEY " x\n", 0},
    {"a carriage return", "0123456789abcdef 1 " KEY "\r\n", 0},
};

static void files(const void *row)
{
    const struct file_case *c = row;
    struct key_file file = {.count = 99};

    assert_int_equal(key_file_parse(c->text, &file), c->count > 0);
    assert_int_equal(file.count, c->count > 0 ? c->count : 99);
    if (c->count == 0)
        return;
    assert_string_equal(file.keys[0].id, "0123456789abcdef");
    for (unsigned char i = 0; i < CIPHER_KEY_SIZE; i++)
        assert_int_equal(file.keys[0].bytes[i], i);
    if (c->count == 2) {
        assert_int_equal(file.keys[0].made, 1764470000);
        assert_int_equal(file.keys[1].made, 1);
        assert_int_equal(file.keys[1].bytes[0], 0xFF);
    }
}

static void rejects_nul_bytes_and_long_files(void)
{
    static const char line[] = "0123456789abcdef 1 " KEY "\n\0#";
    char *path = scratch_write("nul.key", line, sizeof(line) - 1);
    char *long_text = memory_zeroed(6000, 1);
    struct key_file file;
    struct error err;
    int fd = open(path, O_RDONLY);

    assert_false(key_file_read(fd, &file, &err));
    check_refusal(&err, ERROR_CONFIG, "key_file");
    close(fd);
    free(path);
    memset(long_text, '#', 5000);
    memcpy(long_text + 5000, "\n", 2);
    strcat(long_text, "0123456789abcdef 1 " KEY "\n");
    path = scratch_write("long.key", long_text, strlen(long_text));
    fd = open(path, O_RDONLY);
    assert_false(key_file_read(fd, &file, &err));
    close(fd);
    free(path);
    free(long_text);
}

/* Reads the key file at a path. */
static struct key_file read_keys(const char *path)
{
    struct key_file file = {0};
    struct error err;
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    check_good(key_file_read(fd, &file, &err), &err);
    close(fd);
    return file;
}

static void is_created_once(void)
{
    char *like = scratch_write("like.conf", "", 0), *path = scratch_path("created.key");
    struct key_file keys, again;
    struct stat found;
    struct error err;

    umask(0);
    check_good(key_file_create(path, like, &err), &err);
    umask(022);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0640);
    keys = read_keys(path);
    assert_int_equal(keys.count, 1);
    assert_true(keys.keys[0].made > 1700000000);
    assert_false(key_file_create(path, like, &err));
    check_refusal(&err, ERROR_CONFIG, "exists already");
    again = read_keys(path);
    assert_memory_equal(&keys, &again, sizeof(keys));
    assert_int_equal(unlink(path), 0);
    assert_false(key_file_create(path, "/no/such/file", &err));
    check_refusal(&err, ERROR_CONFIG, "/no/such/file");
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(symlink("/no/such/target", path), 0);
    assert_false(key_file_create(path, like, &err));
    assert_false(key_file_create("/no/such/directory/key", like, &err));
    check_refusal(&err, ERROR_STORAGE, "cannot be written");
    assert_int_equal(unlink(path), 0);
    free(like);
    free(path);
}

static void a_rotation_keeps_the_previous_key(void)
{
    char *like = scratch_write("like.conf", "", 0);
    char *path = scratch_path("rotated.key"), *link = scratch_path("link.key");
    struct key_file first, second, third;
    struct stat found;
    struct error err;

    assert_false(key_file_rotate(path, &err));
    check_refusal(&err, ERROR_CONFIG, "rotated.key: No such file or directory");
    check_good(key_file_create(path, like, &err), &err);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(chmod(path, 0400), 0);
    first = read_keys(path);
    check_good(key_file_rotate(link, &err), &err);
    assert_int_equal(lstat(link, &found), 0);
    assert_true(S_ISLNK(found.st_mode));
    second = read_keys(path);
    assert_int_equal(second.count, 2);
    assert_string_equal(second.keys[1].id, first.keys[0].id);
    assert_memory_equal(second.keys[1].bytes, first.keys[0].bytes, CIPHER_KEY_SIZE);
    assert_memory_not_equal(second.keys[0].bytes, first.keys[0].bytes, CIPHER_KEY_SIZE);
    check_good(key_file_rotate(path, &err), &err);
    third = read_keys(path);
    assert_int_equal(third.count, 2);
    assert_string_equal(third.keys[1].id, second.keys[0].id);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0400);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(link), 0);
    free(scratch_write("rotated.key", "no keys\n", 8));
    assert_false(key_file_rotate(path, &err));
    check_refusal(&err, ERROR_CONFIG, "key_file");
    free(like);
    free(path);
    free(link);
}

static void a_ring_needs_the_file(void)
{
    struct key_ring *ring = key_ring_new("/no/such/file");
    char signature[KEY_RING_SIGNATURE_SIZE] = "untouched";
    bool authentic = true;
    struct error err;

    assert_false(key_ring_check(ring, &err));
    check_refusal(&err, ERROR_CONFIG, "key_file");
    assert_null(strstr(err.message, "/no/such")); /* only the log has the path */
    assert_non_null(strstr(err.detail, "/no/such/file: No such file or directory"));
    assert_null(key_ring_seal(ring, "c", "secret", &err));
    assert_null(key_ring_unseal(ring, "c", "0123456789abcdef:AAAA", &err));
    assert_false(key_ring_sign(ring, "text", signature, &err));
    assert_string_equal(signature, "untouched");
    assert_false(key_ring_verify(ring, "text", signature, 0, &authentic, &err));
    assert_true(authentic);
    key_ring_free(ring);
    key_ring_free(NULL);
}

static void secrets_are_sealed(void)
{
    char *path = scratch_write("seal.key", BYTES("0123456789abcdef 1 " KEY "\n"));
    struct key_ring *ring = key_ring_new(path);
    char *sealed, *secret;
    struct error err;

    sealed = key_ring_seal(ring, "WBAK1", "the secret", &err);
    check_good(sealed != NULL, &err);
    assert_int_equal(strncmp(sealed, "0123456789abcdef:", 17), 0);
    assert_null(strstr(sealed, "secret"));
    secret = key_ring_unseal(ring, "WBAK1", sealed, &err);
    check_good(secret != NULL, &err);
    assert_string_equal(secret, "the secret");
    memory_free_secret(secret);

    assert_null(key_ring_unseal(ring, "WBAK2", sealed, &err)); /* a secret that was moved to another access key */
    check_refusal(&err, ERROR_CONFIG, "cannot be decrypted");
    assert_null(strstr(err.detail, "the secret\""));
    for (size_t i = 0; sealed[i] != '\0'; i++) {
        char saved = sealed[i];

        sealed[i] = saved == 'A' ? 'B' : 'A';
        assert_null(key_ring_unseal(ring, "WBAK1", sealed, &err));
        sealed[i] = '\0';
        assert_null(key_ring_unseal(ring, "WBAK1", sealed, &err));
        sealed[i] = saved;
    }
    free(sealed);
    key_ring_free(ring);
    free(path);
}

/* No freed memory has a key of the file, in base64 or decoded, or a secret. */
static void secrets_are_wiped(void)
{
    char *path = scratch_write("wipe.key", BYTES("0123456789abcdef 1 " KEY "\n"));
    char signature[KEY_RING_SIGNATURE_SIZE], *sealed, *secret;
    struct key_ring *ring = key_ring_new(path);
    struct error err;

    watch.count = 0;
    watch.on = true;
    sealed = key_ring_seal(ring, "c", "the secret", &err);
    check_good(sealed != NULL, &err);
    secret = key_ring_unseal(ring, "c", sealed, &err);
    check_good(secret != NULL, &err);
    memory_free_secret(secret);
    assert_null(key_ring_unseal(ring, "another", sealed, &err));
    check_good(key_ring_sign(ring, "text", signature, &err), &err);
    key_ring_free(ring);
    check_good(key_file_rotate(path, &err), &err);
    watch.on = false;
    assert_int_equal(watch.count, 0);
    free(sealed);
    free(path);
}

/* Replaces the content of a file of the same length. */
static void rewrite(const char *path, const char *text)
{
    const struct timespec tick = {.tv_nsec = 10000000}; /* time stamps of files are as coarse */
    int fd = open(path, O_WRONLY);

    nanosleep(&tick, NULL);
    assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
    close(fd);
}

/* A process notices that the file has changed. */
static void follows_the_file(void)
{
    char *path = scratch_write("follow.key", BYTES("0123456789abcdef 1 " KEY "\n"));
    struct key_ring *ring = key_ring_new(path);
    char *sealed, *secret;
    struct error err;

    sealed = key_ring_seal(ring, "c", "s", &err);
    check_good(sealed != NULL, &err);
    check_good(key_file_rotate(path, &err), &err);
    secret = key_ring_unseal(ring, "c", sealed, &err);
    check_good(secret != NULL, &err);
    memory_free_secret(secret);
    free(sealed);
    sealed = key_ring_seal(ring, "c", "s", &err);
    assert_int_not_equal(strncmp(sealed, "0123456789abcdef:", 17), 0);
    assert_int_equal(unlink(path), 0);
    assert_null(key_ring_unseal(ring, "c", sealed, &err));
    free(scratch_write("follow.key", BYTES("0123456789abcdef 1 " KEY "\n")));
    assert_null(key_ring_unseal(ring, "c", sealed, &err)); /* with a key that the file no longer has */
    assert_non_null(strstr(err.detail, "does not have the key"));
    free(sealed);
    sealed = key_ring_seal(ring, "c", "s", &err);
    assert_int_equal(strncmp(sealed, "0123456789abcdef:", 17), 0);
    free(sealed);
    for (int i = 0; i < 20; i++) { /* the same inode and size, probably within a second */
        char id[KEY_FILE_ID_SIZE], line[128];

        snprintf(id, sizeof(id), "%016x", i);
        snprintf(line, sizeof(line), "%s 1 " KEY "\n", id);
        rewrite(path, line);
        sealed = key_ring_seal(ring, "c", "s", &err);
        assert_int_equal(strncmp(sealed, id, KEY_FILE_ID_SIZE - 1), 0);
        free(sealed);
    }
    key_ring_free(ring);
    free(path);
}

static bool verifies(struct key_ring *ring, const char *text, const char *signature, int64_t made)
{
    bool authentic;
    struct error err;

    check_good(key_ring_verify(ring, text, signature, made, &authentic, &err), &err);
    return authentic;
}

static void texts_are_signed(void)
{
    char *path = scratch_write("sign.key", BYTES("0123456789abcdef 1 " KEY "\n"));
    struct key_ring *ring = key_ring_new(path);
    char signature[KEY_RING_SIGNATURE_SIZE], other[KEY_RING_SIGNATURE_SIZE];
    struct error err;

    check_good(key_ring_sign(ring, "text", signature, &err), &err);
    assert_int_equal(strlen(signature), 64);
    assert_true(verifies(ring, "text", signature, 2000000000));
    assert_false(verifies(ring, "Text", signature, 0));
    assert_false(verifies(ring, "text ", signature, 0));
    assert_false(verifies(ring, "text", "", 0));
    for (size_t i = 0; i < 64; i++) {
        strcpy(other, signature);
        other[i] = other[i] == '0' ? '1' : '0';
        assert_false(verifies(ring, "text", other, 0));
        other[i] = '\0';
        assert_false(verifies(ring, "text", other, 0));
    }
    key_ring_free(ring);
    free(path);
}

/* The previous key signs nothing that was made after the rotation. */
static void the_previous_key_is_limited(void)
{
    char *path = scratch_write("old.key", BYTES("0123456789abcdef 1 " KEY "\n"));
    struct key_ring *ring = key_ring_new(path);
    char signature[KEY_RING_SIGNATURE_SIZE];
    struct error err;

    check_good(key_ring_sign(ring, "text", signature, &err), &err);
    free(scratch_write("old.key", BYTES("fedcba9876543210 1764470000 " OTHER_KEY "\n0123456789abcdef 1 " KEY "\n")));
    assert_true(verifies(ring, "text", signature, 1764470000));
    assert_true(verifies(ring, "text", signature, 1764470300)); /* hosts get the file one after the other */
    assert_false(verifies(ring, "text", signature, 1764470301));
    check_good(key_ring_sign(ring, "text", signature, &err), &err);
    assert_true(verifies(ring, "text", signature, 1764470301));
    free(scratch_write("old.key", BYTES("fedcba9876543210 1764470001 " KEY "\n")));
    assert_false(verifies(ring, "text", signature, 0));
    key_ring_free(ring);
    free(path);
}

int main(void)
{
    CHECK(decrypts_what_was_encrypted);
    CHECK(refuses_changed_data);
    CHECK_EACH(files, file_cases, label);
    CHECK(rejects_nul_bytes_and_long_files);
    CHECK(is_created_once);
    CHECK(a_rotation_keeps_the_previous_key);
    CHECK(a_ring_needs_the_file);
    CHECK(secrets_are_sealed);
    CHECK(secrets_are_wiped);
    CHECK(follows_the_file);
    CHECK(texts_are_signed);
    CHECK(the_previous_key_is_limited);
    return check_run("access/key_ring");
}
