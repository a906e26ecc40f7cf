#include "base/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WRITE_BACK (1024 * 1024) /* bytes after which to start writing to disk, to shorten the final fsync */
#define DESCRIPTOR_PATH_SIZE 32

bool new_file_fail(struct error *err, const char *step)
{
    int reason = errno;

    if (reason == ENOSPC || reason == EDQUOT)
        error_set(err, ERROR_STORAGE, "no space is left for the file; free some space or export fewer rows");
    else
        error_set(err, ERROR_STORAGE, "the file cannot be written to the storage of the service");
    return error_detail(err, "%s: %s", step, strerror(reason));
}

static void write_descriptor_path(char out[DESCRIPTOR_PATH_SIZE], int fd)
{
    snprintf(out, DESCRIPTOR_PATH_SIZE, "/proc/self/fd/%d", fd);
}

/* Opens an unnamed file, if the file system supports it and /proc is available to name the file later. */
static bool open_unnamed(struct new_file *file, mode_t mode)
{
    char path[DESCRIPTOR_PATH_SIZE];

    file->fd = openat(file->directory, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
    if (file->fd < 0)
        return false;
    write_descriptor_path(path, file->fd);
    if (access(path, F_OK) == 0)
        return true;
    close(file->fd);
    file->fd = -1;
    return false;
}

static bool open_temporary(struct new_file *file, mode_t mode, struct error *err)
{
    file->fd = openat(file->directory, file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    file->has_temporary = file->fd >= 0;
    return file->has_temporary ? true : new_file_fail(err, "create");
}

bool new_file_begin(struct new_file *file, int directory, const char *temporary, mode_t mode, struct error *err)
{
    *file = (struct new_file) {.directory = directory, .temporary = temporary, .fd = -1};
    return open_unnamed(file, mode) || open_temporary(file, mode, err);
}

bool new_file_write_all(int fd, const char *data, size_t length, struct error *err)
{
    while (length > 0) {
        ssize_t written = write(fd, data, length);

        if (written < 0) {
            if (errno == EINTR)
                continue;
            return new_file_fail(err, "write");
        }
        data += written;
        length -= (size_t) written;
    }
    return true;
}

bool new_file_write(struct new_file *file, const char *data, size_t length, struct error *err)
{
    if (!new_file_write_all(file->fd, data, length, err))
        return false;
    file->size += (int64_t) length;
    if (file->size - file->written_back >= WRITE_BACK) {
        /* Only a hint. Errors are ignored, because fsync reports them. */
        (void) sync_file_range(file->fd, file->written_back, file->size - file->written_back, SYNC_FILE_RANGE_WRITE);
        file->written_back = file->size;
    }
    return true;
}

bool new_file_sync(const struct new_file *file, struct error *err)
{
    return fsync(file->fd) == 0 ? true : new_file_fail(err, "fsync");
}

static bool link_unnamed(const struct new_file *file, const char *name)
{
    char path[DESCRIPTOR_PATH_SIZE];

    write_descriptor_path(path, file->fd);
    return linkat(AT_FDCWD, path, file->directory, name, AT_SYMLINK_FOLLOW) == 0;
}

static bool rename_temporary(struct new_file *file, const char *name)
{
    if (renameat(file->directory, file->temporary, file->directory, name) != 0)
        return false;
    file->has_temporary = false;
    return true;
}

/* A link cannot replace a file, so an unnamed file that replaces one has the temporary name for a moment. */
static bool give_name(struct new_file *file, const char *name, bool replace)
{
    if (file->has_temporary)
        return rename_temporary(file, name);
    if (link_unnamed(file, name))
        return true;
    if (!replace || errno != EEXIST || !link_unnamed(file, file->temporary))
        return false;
    file->has_temporary = true;
    return rename_temporary(file, name);
}

bool new_file_publish(struct new_file *file, const char *name, bool replace, struct error *err)
{
    int fd = file->fd;

    if (!give_name(file, name, replace))
        return new_file_fail(err, "publish");
    file->fd = -1;
    return close(fd) == 0 ? true : new_file_fail(err, "close");
}

void new_file_discard(struct new_file *file)
{
    if (file->has_temporary)
        (void) unlinkat(file->directory, file->temporary, 0);
    file->has_temporary = false;
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
