#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/memory.h"
#include "base/new_file.h"
#include "base/signals.h"

#define NEW_FILE_MODE 0666 /* before the umask */

struct cli_output {
    const char *path; /* in messages */
    int direct;       /* the descriptor that is written directly; -1: a new file */
    /* Of a new file: */
    int directory;
    char *name; /* in the directory */
    char temporary[sizeof(".waybill-.part") + TEXT_UUID_LENGTH];
    struct new_file file;
    bool holds_signals;
    sigset_t signals; /* before they were held back */
};

/* Puts the path before the reason. Returns false. */
static bool name_output(const struct cli_output *output, struct error *err)
{
    const struct error unnamed = *err;

    return error_set(err, ERROR_STORAGE, "%s: %s", output->path, unnamed.detail);
}

static bool fail_output(const struct cli_output *output, const char *step, struct error *err)
{
    new_file_fail(err, step);
    return name_output(output, err);
}

static bool open_direct(struct cli_output *output, struct error *err)
{
    output->direct = open(output->path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    return output->direct >= 0 ? true : fail_output(output, "open", err);
}

/* Refuses a closed standard output, because the next descriptor that is opened would take its place. */
static bool open_standard_output(struct cli_output *output, struct error *err)
{
    output->path = "standard output";
    if (fcntl(STDOUT_FILENO, F_GETFD) < 0)
        return fail_output(output, "open", err);
    output->direct = STDOUT_FILENO;
    return true;
}

/* Holds signals back, so that a file with a name is removed before a signal ends the process. */
static void hold_signals(struct cli_output *output)
{
    if (!output->holds_signals)
        signals_hold(&output->signals);
    output->holds_signals = true;
}

static void release_signals(struct cli_output *output)
{
    if (output->holds_signals)
        signals_release(&output->signals);
    output->holds_signals = false;
}

/* Splits a path into its directory, which is opened, and the name in it. */
static bool open_parent(struct cli_output *output, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL ? memory_copy_text(".") : memory_copy_bytes(path, (size_t) (slash - path) + 1);

    output->name = memory_copy_text(slash == NULL ? path : slash + 1);
    output->directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(parent);
    if (output->directory < 0)
        return fail_output(output, "open", err);
    if (output->name[0] != '\0')
        return true;
    errno = ENOENT;
    return fail_output(output, "open", err);
}

static bool is_standard_output(const struct stat *status)
{
    struct stat standard;

    return fstat(STDOUT_FILENO, &standard) == 0 && standard.st_dev == status->st_dev
           && standard.st_ino == status->st_ino;
}

/* Applies the owner and the permissions of the file that is replaced. The group loses its own if it changes. */
static bool keep_permissions(struct cli_output *output, const struct stat *old, struct error *err)
{
    int fd = output->file.fd;
    mode_t mode = old->st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);

    if (fchown(fd, old->st_uid, old->st_gid) != 0 && fchown(fd, (uid_t) -1, old->st_gid) != 0)
        mode &= ~(mode_t) S_IRWXG;
    return fchmod(fd, mode) == 0 ? true : fail_output(output, "fchmod", err);
}

/* Begins a new file. `old` is NULL, or the file that it replaces. */
static bool begin_new_file(struct cli_output *output, const char *path, const struct stat *old, struct error *err)
{
    char uuid[TEXT_UUID_LENGTH + 1];

    if (!open_parent(output, path, err))
        return false;
    random_uuid(uuid);
    snprintf(output->temporary, sizeof(output->temporary), ".waybill-%s.part", uuid);
    hold_signals(output);
    if (!new_file_begin(&output->file, output->directory, output->temporary, old == NULL ? NEW_FILE_MODE : S_IRWXU,
                        err))
        return name_output(output, err);
    if (!output->file.has_temporary)
        release_signals(output);
    return old == NULL || keep_permissions(output, old, err);
}

/* Begins a file that replaces a regular file, which a symbolic link may name. */
static bool begin_replacement(struct cli_output *output, const struct stat *old, struct error *err)
{
    char *path = realpath(output->path, NULL);
    bool begun = path != NULL ? begin_new_file(output, path, old, err) : fail_output(output, "open", err);

    free(path);
    return begun;
}

static bool open_path(struct cli_output *output, struct error *err)
{
    struct stat old;

    if (strcmp(output->path, "-") == 0)
        return open_standard_output(output, err);
    if (stat(output->path, &old) != 0)
        return errno == ENOENT ? begin_new_file(output, output->path, NULL, err) : fail_output(output, "open", err);
    if (is_standard_output(&old))
        return open_standard_output(output, err);
    return S_ISREG(old.st_mode) ? begin_replacement(output, &old, err) : open_direct(output, err);
}

struct cli_output *cli_output_open(const char *path, struct error *err)
{
    struct cli_output *output = memory_zeroed(1, sizeof(*output));

    output->path = path;
    output->direct = output->directory = output->file.fd = -1;
    if (open_path(output, err))
        return output;
    cli_output_close(output);
    return NULL;
}

bool cli_output_may_continue(struct error *err)
{
    return signals_are_held() ? error_set(err, ERROR_CANCELLED, "interrupted by a signal") : true;
}

bool cli_output_write(void *context, const char *data, size_t length, struct error *err)
{
    struct cli_output *output = context;
    bool written;

    if (!cli_output_may_continue(err))
        return false;
    if (output->direct >= 0)
        written = new_file_write_all(output->direct, data, length, err);
    else
        written = new_file_write(&output->file, data, length, err);
    return written ? true : name_output(output, err);
}

static bool close_direct(struct cli_output *output, struct error *err)
{
    int fd = output->direct;

    output->direct = -1;
    return fd == STDOUT_FILENO || close(fd) == 0 ? true : fail_output(output, "close", err);
}

bool cli_output_commit(struct cli_output *output, struct error *err)
{
    if (!cli_output_may_continue(err))
        return false;
    if (output->direct >= 0)
        return close_direct(output, err);
    hold_signals(output);
    if (!new_file_sync(&output->file, err) || !new_file_publish(&output->file, output->name, true, err))
        return name_output(output, err);
    return fsync(output->directory) == 0 ? true : fail_output(output, "fsync of the directory", err);
}

void cli_output_close(struct cli_output *output)
{
    if (output == NULL)
        return;
    new_file_discard(&output->file);
    if (output->direct > STDOUT_FILENO)
        close(output->direct);
    if (output->directory >= 0)
        close(output->directory);
    release_signals(output);
    free(output->name);
    free(output);
}
