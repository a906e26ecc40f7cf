/*
 * The file of [access] key_file. It has a line for the current key and, after a rotation, one for the previous key:
 *
 *     ID TIME KEY
 *
 * ID is 16 hexadecimal digits, TIME the second since 1970 in which the key was made, KEY base64 of 32 random bytes. A
 * line that is empty or begins with # is a comment.
 */
#ifndef WAYBILL_ACCESS_KEY_FILE_H
#define WAYBILL_ACCESS_KEY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cipher.h"
#include "base/compiler.h"
#include "base/error.h"

#define KEY_FILE_MAX_KEYS 2
#define KEY_FILE_ID_SIZE 17 /* with the NUL */

struct key_file_key {
    char id[KEY_FILE_ID_SIZE];
    int64_t made; /* seconds since 1970 */
    unsigned char bytes[CIPHER_KEY_SIZE];
};

/* The keys of a file, the current one first. Wipe it after use. */
struct key_file {
    size_t count; /* 1 or 2 */
    struct key_file_key keys[KEY_FILE_MAX_KEYS];
};

/* Parses the content of a file, a text. Returns false if it has another form. */
MUST_CHECK bool key_file_parse(const char *text, struct key_file *ret_file);

/* Reads a file from its descriptor, which stays open. ERROR_CONFIG; the detail is the reason. */
MUST_CHECK bool key_file_read(int fd, struct key_file *ret_file, struct error *err);

/*
 * Creates the file, which must not exist, with a new key. It has the mode 0640 and, if the process may set them, the
 * owner and the group of the file `like`. ERROR_CONFIG if the file exists, ERROR_STORAGE if it cannot be written.
 */
MUST_CHECK bool key_file_create(const char *path, const char *like, struct error *err);

/*
 * Replaces the file: the current key becomes the previous one, and a new key the current one. Owner, group and mode
 * stay. The file is either the old or the new one, even after a crash. ERROR_CONFIG if the file is missing or has
 * another form, ERROR_STORAGE if it cannot be written.
 */
MUST_CHECK bool key_file_rotate(const char *path, struct error *err);

#endif
