#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int __real_access(const char *path, int mode);
int __real_close(int fd);
int __real_open(const char *path, int flags, ...);
int __real_openat(int directory, const char *path, int flags, ...);
int __real_fchmod(int fd, mode_t mode);
int __real_fsync(int fd);
int __real_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags);
int __real_renameat(int from_directory, const char *from, int to_directory, const char *to);
int __real_sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags);
int __real_unlinkat(int directory, const char *path, int flags);
ssize_t __real_write(int fd, const void *data, size_t length);

int __wrap_access(const char *path, int mode);
int __wrap_close(int fd);
int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int directory, const char *path, int flags, ...);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fsync(int fd);
int __wrap_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags);
int __wrap_renameat(int from_directory, const char *from, int to_directory, const char *to);
int __wrap_sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags);
int __wrap_unlinkat(int directory, const char *path, int flags);
ssize_t __wrap_write(int fd, const void *data, size_t length);

struct faults faults;

static char order[16];
static size_t writes;
static int64_t synced;

void faults_clear(void)
{
    faults = (struct faults) {0};
    order[0] = '\0';
    writes = 0;
    synced = 0;
}

const char *faults_order(void)
{
    return order;
}

int64_t faults_synced(void)
{
    return synced;
}

static int failed(int reason)
{
    errno = reason;
    return -1;
}

static void note(const char *call)
{
    if (strlen(order) + 1 < sizeof(order))
        strcat(order, call);
}

int __wrap_access(const char *path, int mode)
{
    if (faults.no_proc != 0 && strncmp(path, "/proc/", 6) == 0)
        return failed(faults.no_proc);
    return __real_access(path, mode);
}

static bool makes_file(int flags)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

static bool is_directory(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
}

int __wrap_close(int fd)
{
    int reason = is_directory(fd) ? 0 : faults.close;
    int result = __real_close(fd);

    return reason != 0 ? failed(reason) : result;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode = 0;

    if (makes_file(flags)) {
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    if (faults.no_tmpfile != 0 && (flags & O_TMPFILE) == O_TMPFILE)
        return failed(faults.no_tmpfile);
    if (faults.open != 0)
        return failed(faults.open);
    return __real_open(path, flags, mode);
}

int __wrap_openat(int directory, const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode = 0;

    if (makes_file(flags)) {
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    if (faults.no_tmpfile != 0 && (flags & O_TMPFILE) == O_TMPFILE)
        return failed(faults.no_tmpfile);
    if (faults.openat != 0)
        return failed(faults.openat);
    return __real_openat(directory, path, flags, mode);
}

int __wrap_fchmod(int fd, mode_t mode)
{
    return faults.fchmod != 0 ? failed(faults.fchmod) : __real_fchmod(fd, mode);
}

int __wrap_fsync(int fd)
{
    bool of_directory = is_directory(fd);
    int reason = of_directory ? faults.fsync_directory : faults.fsync_file;

    if (!of_directory && strlen(order) < faults.calls_before)
        reason = 0;
    note(of_directory ? "d" : "f");
    return reason != 0 ? failed(reason) : __real_fsync(fd);
}

int __wrap_linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    bool fails = faults.linkat != 0 && strlen(order) >= faults.calls_before;

    note("l");
    return fails ? failed(faults.linkat) : __real_linkat(from_directory, from, to_directory, to, flags);
}

int __wrap_renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    bool fails = faults.renameat != 0 && strlen(order) >= faults.calls_before;

    note("r");
    return fails ? failed(faults.renameat) : __real_renameat(from_directory, from, to_directory, to);
}

int __wrap_sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags)
{
    synced = offset == synced ? offset + length : -1;
    return faults.sync_file_range != 0 ? failed(faults.sync_file_range)
                                       : __real_sync_file_range(fd, offset, length, flags);
}

int __wrap_unlinkat(int directory, const char *path, int flags)
{
    return faults.unlinkat != 0 ? failed(faults.unlinkat) : __real_unlinkat(directory, path, flags);
}

ssize_t __wrap_write(int fd, const void *data, size_t length)
{
    writes++;
    if (faults.write_eintr && writes % 2 == 1)
        return failed(EINTR);
    if (faults.write != 0 && writes > faults.write_at)
        return failed(faults.write);
    if (faults.write_short != 0 && length > faults.write_short)
        length = faults.write_short;
    return __real_write(fd, data, length);
}
