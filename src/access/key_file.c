#include "access/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/new_file.h"
#include "base/text.h"

#define MODE 0640
#define MAX_FILE 4096
#define KEY_TEXT_SIZE BASE64_SIZE(CIPHER_KEY_SIZE)
#define TEMPORARY ".waybill-key-file.new"
#define UNUSABLE "[access] key_file cannot be used"

static bool is_hex(const char *text, size_t length)
{
    return strspn(text, "0123456789abcdef") >= length;
}

/* Parses a line, which it changes. */
static bool parse_key(char *line, struct key_file_key *key)
{
    unsigned char bytes[BASE64_DECODED_SIZE(KEY_TEXT_SIZE - 1)];
    char *id = strsep(&line, " "), *made = strsep(&line, " ");
    size_t length = 0;
    bool good;

    if (line == NULL || strlen(id) != KEY_FILE_ID_SIZE - 1 || !is_hex(id, KEY_FILE_ID_SIZE - 1)
        || strlen(line) != KEY_TEXT_SIZE - 1)
        return false;
    memcpy(key->id, id, KEY_FILE_ID_SIZE);
    good = text_parse_digits(made, 12, &key->made) && base64_decode(bytes, line, &length) && length == CIPHER_KEY_SIZE;
    if (good)
        memcpy(key->bytes, bytes, CIPHER_KEY_SIZE);
    memory_wipe(bytes, sizeof(bytes));
    return good;
}

static bool parse_lines(char *text, struct key_file *file)
{
    char *line;

    while ((line = strsep(&text, "\n")) != NULL) {
        if (*line == '\0' || *line == '#')
            continue;
        if (file->count == KEY_FILE_MAX_KEYS || !parse_key(line, &file->keys[file->count]))
            return false;
        file->count++;
    }
    return file->count > 0 && (file->count == 1 || strcmp(file->keys[0].id, file->keys[1].id) != 0);
}

bool key_file_parse(const char *text, struct key_file *ret_file)
{
    char *copy = memory_copy_text(text);
    size_t length = strlen(copy);
    struct key_file file = {0};
    bool good = parse_lines(copy, &file);

    memory_wipe(copy, length);
    free(copy);
    if (good)
        *ret_file = file;
    memory_wipe(&file, sizeof(file));
    return good;
}

bool key_file_read(int fd, struct key_file *ret_file, struct error *err)
{
    char text[MAX_FILE + 1];
    ssize_t length = pread(fd, text, MAX_FILE, 0);
    bool good;

    if (length < 0) {
        error_set(err, ERROR_CONFIG, UNUSABLE);
        return error_detail(err, "%s", strerror(errno));
    }
    text[length] = '\0';
    good = strlen(text) == (size_t) length && key_file_parse(text, ret_file);
    memory_wipe(text, sizeof(text));
    if (good)
        return true;
    error_set(err, ERROR_CONFIG, UNUSABLE);
    return error_detail(err, "the file has not the form of a file that `waybill key init` makes");
}

static void make_key(struct key_file_key *key)
{
    unsigned char id[(KEY_FILE_ID_SIZE - 1) / 2];

    random_bytes(id, sizeof(id));
    text_hex(key->id, id, sizeof(id));
    random_bytes(key->bytes, sizeof(key->bytes));
    key->made = clock_now_ms() / 1000;
}

static void append_key(struct buffer *text, const struct key_file_key *key)
{
    char encoded[KEY_TEXT_SIZE];

    base64_encode(encoded, key->bytes, sizeof(key->bytes));
    buffer_printf(text, "%s %" PRId64 " %s\n", key->id, key->made, encoded);
    memory_wipe(encoded, sizeof(encoded));
}

/* Sets the owner, the group and the mode. Only a privileged process can change the owner. */
static bool set_owner(int fd, const struct stat *like, struct error *err)
{
    if (fchmod(fd, like->st_mode & 07777) != 0)
        return new_file_fail(err, "fchmod");
    if (fchown(fd, like->st_uid, like->st_gid) == 0 || errno == EPERM)
        return true;
    return new_file_fail(err, "fchown");
}

/* Writes the keys into the file `name` of a directory. */
static bool write_in(int directory, const char *name, const struct buffer *text, const struct stat *like, bool replace,
                     struct error *err)
{
    struct new_file file;
    bool done = new_file_begin(&file, directory, TEMPORARY, MODE, err)
                && set_owner(file.fd, like, err)
                && new_file_write(&file, text->data, text->length, err)
                && new_file_sync(&file, err)
                && new_file_publish(&file, name, replace, err)
                && (fsync(directory) == 0 ? true : new_file_fail(err, "fsync"));

    new_file_discard(&file);
    return done;
}

/* Writes the keys into the file at `path`, which is absolute. */
static bool write_keys(const char *path, const struct key_file *keys, const struct stat *like, bool replace,
                       struct error *err)
{
    const char *name = strrchr(path, '/') + 1;
    char *place = memory_copy_bytes(path, (size_t) (name - path));
    int directory = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct buffer text = {0};
    bool done;

    free(place);
    if (directory < 0)
        return new_file_fail(err, "open the directory");
    buffer_reserve(&text, MAX_FILE); /* it does not move, so that the keys are in memory once */
    buffer_append_text(&text, "# The keys of Waybill: the current one, and the previous one. Keep this file secret.\n");
    for (size_t i = 0; i < keys->count; i++)
        append_key(&text, &keys->keys[i]);
    done = write_in(directory, name, &text, like, replace, err);
    memory_wipe(text.data, text.length);
    buffer_free(&text);
    close(directory);
    return done;
}

bool key_file_create(const char *path, const char *like, struct error *err)
{
    struct key_file keys = {.count = 1};
    struct stat found;
    bool done;

    if (lstat(path, &found) == 0)
        return error_set(err, ERROR_CONFIG, "%s exists already; `waybill key rotate` changes its key", path);
    if (stat(like, &found) != 0)
        return error_set(err, ERROR_CONFIG, "%s: %s", like, strerror(errno));
    found.st_mode = MODE;
    make_key(&keys.keys[0]);
    done = write_keys(path, &keys, &found, false, err);
    memory_wipe(&keys, sizeof(keys));
    return done;
}

static bool rotate_open(int fd, const char *path, struct error *err)
{
    struct key_file keys;
    struct stat found;
    bool done;

    if (!key_file_read(fd, &keys, err))
        return false;
    keys.keys[1] = keys.keys[0];
    keys.count = 2;
    make_key(&keys.keys[0]);
    done = fstat(fd, &found) == 0 ? write_keys(path, &keys, &found, true, err) : new_file_fail(err, "fstat");
    memory_wipe(&keys, sizeof(keys));
    return done;
}

bool key_file_rotate(const char *path, struct error *err)
{
    char *target = realpath(path, NULL); /* a symbolic link stays */
    int fd = target == NULL ? -1 : open(target, O_RDONLY | O_CLOEXEC);
    bool done;

    if (fd < 0) {
        error_set(err, ERROR_CONFIG, "%s: %s", path, strerror(errno));
        free(target);
        return false;
    }
    done = rotate_open(fd, target, err);
    close(fd);
    free(target);
    return done;
}
