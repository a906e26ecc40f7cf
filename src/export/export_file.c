#include "export/export_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

#define FILE_MODE 0640 /* the web server reads it through its group */
#define PART_SUFFIX ".part"
#define PROBE_NAME "probe" PART_SUFFIX
#define WRITE_BACK (8 * 1024 * 1024) /* bytes after which the disk is set to work: little is left to fsync */

struct export_file {
    int directory;
    int fd;
    int64_t size;
    int64_t written_back;
    bool published;
    struct digest *digest;
    unsigned char sha256[SHA256_SIZE];
    char id[TEXT_UUID_LENGTH + 1];
    char part[TEXT_UUID_LENGTH + sizeof(PART_SUFFIX)]; /* "" where the file has no name */
};

static bool fail(struct error *err, const char *what)
{
    int reason = errno;

    if (reason == ENOSPC || reason == EDQUOT)
        error_set(err, ERROR_STORAGE, "there is no space left for the file; free some or export fewer rows");
    else
        error_set(err, ERROR_STORAGE, "the file can't be written to the service's storage");
    return error_detail(err, "%s: %s", what, strerror(reason));
}

/* Without a name if the file system can; /proc is what gives it one later. */
static bool open_nameless(struct export_file *file)
{
    char path[32];

    file->fd = openat(file->directory, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, FILE_MODE);
    if (file->fd < 0)
        return false;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
    if (access(path, F_OK) == 0)
        return true;
    close(file->fd);
    file->fd = -1;
    return false;
}

static bool open_part(struct export_file *file, struct error *err)
{
    snprintf(file->part, sizeof(file->part), "%s%s", file->id, PART_SUFFIX);
    file->fd = openat(file->directory, file->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (file->fd >= 0)
        return true;
    file->part[0] = '\0';
    return fail(err, "create");
}

struct export_file *export_file_begin(const char *directory, const char *file_id, struct error *err)
{
    struct export_file *file = memory_zeroed(1, sizeof(*file));

    file->fd = -1;
    file->digest = digest_new();
    snprintf(file->id, sizeof(file->id), "%s", file_id);
    file->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->directory < 0)
        fail(err, directory);
    else if (open_nameless(file) || open_part(file, err))
        return file;

    export_file_free(file);
    return NULL;
}

bool export_file_write(struct export_file *file, const char *data, size_t length, struct error *err)
{
    digest_update(file->digest, data, length);
    while (length > 0) {
        ssize_t written = write(file->fd, data, length);

        if (written < 0) {
            if (errno == EINTR)
                continue;
            return fail(err, "write");
        }
        data += written;
        length -= (size_t) written;
        file->size += written;
    }
    if (file->size - file->written_back >= WRITE_BACK) {
        /* A hint: what goes wrong is reported by fsync. */
        (void) sync_file_range(file->fd, file->written_back, file->size - file->written_back, SYNC_FILE_RANGE_WRITE);
        file->written_back = file->size;
    }
    return true;
}

static bool give_name(struct export_file *file)
{
    char path[32];

    if (file->part[0] != '\0') {
        if (renameat(file->directory, file->part, file->directory, file->id) != 0)
            return false;
        file->part[0] = '\0';
        return true;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
    return linkat(AT_FDCWD, path, file->directory, file->id, AT_SYMLINK_FOLLOW) == 0;
}

bool export_file_publish(struct export_file *file, struct error *err)
{
    int fd = file->fd;

    digest_finish(file->digest, file->sha256);
    if (fsync(fd) != 0)
        return fail(err, "fsync");
    if (!give_name(file))
        return fail(err, "publish");
    file->published = true;
    file->fd = -1;
    if (close(fd) != 0 || fsync(file->directory) != 0) {
        fail(err, "fsync of the directory");
        export_file_unpublish(file);
        return false;
    }
    return true;
}

int64_t export_file_size(const struct export_file *file)
{
    return file->size;
}

void export_file_sha256(const struct export_file *file, unsigned char out[SHA256_SIZE])
{
    memcpy(out, file->sha256, SHA256_SIZE);
}

void export_file_unpublish(struct export_file *file)
{
    if (file->published)
        (void) unlinkat(file->directory, file->id, 0);
    file->published = false;
}

void export_file_free(struct export_file *file)
{
    if (file == NULL)
        return;
    if (file->part[0] != '\0')
        (void) unlinkat(file->directory, file->part, 0);
    if (file->fd >= 0)
        close(file->fd);
    if (file->directory >= 0)
        close(file->directory);
    digest_free(file->digest);
    free(file);
}

int export_file_open(const char *directory, const char *file_id, struct error *err)
{
    int parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = -1;

    if (parent >= 0)
        fd = openat(parent, file_id, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        if (parent >= 0 && errno == ENOENT)
            error_set(err, ERROR_NOT_FOUND, "there is no such file");
        else
            error_set(err, ERROR_STORAGE, "the file can't be read from the service's storage");
        error_detail(err, "%s: %s", parent >= 0 ? file_id : directory, strerror(errno));
    }
    if (parent >= 0)
        close(parent);
    return fd;
}

/* Removes a name, if it is there: then *removed becomes true. */
static bool remove_name(int directory, const char *name, bool *removed, struct error *err)
{
    if (unlinkat(directory, name, 0) == 0)
        *removed = true;
    else if (errno != ENOENT)
        return fail(err, name);
    return true;
}

bool export_file_remove(const char *directory, const char *file_id, bool *ret_removed, struct error *err)
{
    int parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char part[TEXT_UUID_LENGTH + sizeof(PART_SUFFIX)];
    bool removed = false;
    bool done;

    if (parent < 0)
        return fail(err, directory);
    snprintf(part, sizeof(part), "%s%s", file_id, PART_SUFFIX);
    done = remove_name(parent, file_id, &removed, err) && remove_name(parent, part, &removed, err);
    close(parent);
    if (done)
        *ret_removed = removed;
    return done;
}

bool export_file_probe(const char *directory, struct error *err)
{
    int parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool named = false;
    bool good = false;
    int fd;

    if (parent < 0)
        return fail(err, directory);
    fd = openat(parent, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
        /* Always the same name: should one be left behind, the next probe removes it. */
        fd = openat(parent, PROBE_NAME, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
        named = fd >= 0;
    }
    if (fd < 0 || write(fd, "", 1) != 1)
        fail(err, fd < 0 ? directory : "write");
    else
        good = true;
    if (named)
        (void) unlinkat(parent, PROBE_NAME, 0);
    if (fd >= 0)
        close(fd);
    close(parent);
    return good;
}
