#include "export/export_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/gzip.h"
#include "base/memory.h"
#include "base/new_file.h"

#define FILE_MODE 0640 /* regardless of the umask: the web server reads the file through its group */
#define GZIP_SUFFIX ".gz"
#define PART_SUFFIX ".part"
#define PROBE_NAME "probe" PART_SUFFIX

/* One of the files of an export. */
struct output {
    struct new_file file;
    bool published;
    char name[EXPORT_FILE_NAME_SIZE];
    char part[EXPORT_FILE_NAME_SIZE + sizeof(PART_SUFFIX)];
};

struct export_file {
    int directory;
    struct output plain;
    struct output compressed; /* the gzip variant */
    struct gzip *gzip;        /* NULL: there is no gzip variant */
    struct digest *digest;
    unsigned char sha256[SHA256_SIZE];
};

void export_file_name(char out[EXPORT_FILE_NAME_SIZE], const char *file_id, enum export_file_form form)
{
    snprintf(out, EXPORT_FILE_NAME_SIZE, "%s%s", file_id, form == EXPORT_FILE_GZIP ? GZIP_SUFFIX : "");
}

static bool open_output(struct output *output, int directory, struct error *err)
{
    snprintf(output->part, sizeof(output->part), "%s%s", output->name, PART_SUFFIX);
    if (!new_file_begin(&output->file, directory, output->part, FILE_MODE, err))
        return false;
    return fchmod(output->file.fd, FILE_MODE) == 0 ? true : new_file_fail(err, "fchmod");
}

static bool write_compressed(void *context, const char *data, size_t length, struct error *err)
{
    struct export_file *file = context;

    return new_file_write(&file->compressed.file, data, length, err);
}

struct export_file *export_file_begin(const char *directory, const char *file_id, bool gzip, struct error *err)
{
    struct export_file *file = memory_zeroed(1, sizeof(*file));

    file->plain.file.fd = file->compressed.file.fd = -1;
    file->digest = digest_new();
    export_file_name(file->plain.name, file_id, EXPORT_FILE_PLAIN);
    export_file_name(file->compressed.name, file_id, EXPORT_FILE_GZIP);
    if (gzip)
        file->gzip = gzip_new(write_compressed, file);
    file->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->directory < 0)
        new_file_fail(err, directory);
    else if (open_output(&file->plain, file->directory, err)
             && (!gzip || open_output(&file->compressed, file->directory, err)))
        return file;

    export_file_free(file);
    return NULL;
}

bool export_file_write(struct export_file *file, const char *data, size_t length, struct error *err)
{
    digest_update(file->digest, data, length);
    return new_file_write(&file->plain.file, data, length, err)
           && (file->gzip == NULL || gzip_write(file->gzip, data, length, err));
}

static bool publish_output(struct output *output, struct error *err)
{
    bool done = new_file_publish(&output->file, output->name, false, err);

    output->published = output->file.fd < 0;
    return done;
}

bool export_file_publish(struct export_file *file, struct error *err)
{
    digest_finish(file->digest, file->sha256);
    if ((file->gzip == NULL || (gzip_end(file->gzip, err) && new_file_sync(&file->compressed.file, err)))
        && new_file_sync(&file->plain.file, err)
        && (file->gzip == NULL || publish_output(&file->compressed, err))
        && publish_output(&file->plain, err)) {
        if (fsync(file->directory) == 0)
            return true;
        new_file_fail(err, "fsync of the directory");
    }
    export_file_unpublish(file);
    return false;
}

int64_t export_file_size(const struct export_file *file)
{
    return file->plain.file.size;
}

int64_t export_file_gzip_size(const struct export_file *file)
{
    return file->compressed.file.size;
}

void export_file_sha256(const struct export_file *file, unsigned char out[SHA256_SIZE])
{
    memcpy(out, file->sha256, SHA256_SIZE);
}

static void unpublish_output(struct output *output, int directory)
{
    if (output->published)
        (void) unlinkat(directory, output->name, 0);
    output->published = false;
}

void export_file_unpublish(struct export_file *file)
{
    unpublish_output(&file->plain, file->directory);
    unpublish_output(&file->compressed, file->directory);
}

void export_file_free(struct export_file *file)
{
    if (file == NULL)
        return;
    new_file_discard(&file->plain.file);
    new_file_discard(&file->compressed.file);
    if (file->directory >= 0)
        close(file->directory);
    gzip_free(file->gzip);
    digest_free(file->digest);
    free(file);
}

int export_file_open(const char *directory, const char *file_id, enum export_file_form form, struct error *err)
{
    int parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[EXPORT_FILE_NAME_SIZE];
    int fd = -1;

    export_file_name(name, file_id, form);
    if (parent >= 0)
        fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        if (parent >= 0 && errno == ENOENT)
            error_set(err, ERROR_NOT_FOUND, "there is no such file");
        else
            error_set(err, ERROR_STORAGE, "the file cannot be read from the storage of the service");
        error_detail(err, "%s: %s", parent >= 0 ? name : directory, strerror(errno));
    }
    if (parent >= 0)
        close(parent);
    return fd;
}

/* Removes a name. Sets *removed to true if the name existed. */
static bool remove_name(int directory, const char *name, bool *removed, struct error *err)
{
    if (unlinkat(directory, name, 0) == 0)
        *removed = true;
    else if (errno != ENOENT)
        return new_file_fail(err, name);
    return true;
}

static bool remove_form(int directory, const char *file_id, enum export_file_form form, bool *removed,
                        struct error *err)
{
    char name[EXPORT_FILE_NAME_SIZE];
    char part[sizeof(name) + sizeof(PART_SUFFIX)];

    export_file_name(name, file_id, form);
    snprintf(part, sizeof(part), "%s%s", name, PART_SUFFIX);
    return remove_name(directory, name, removed, err) && remove_name(directory, part, removed, err);
}

bool export_file_remove(const char *directory, const char *file_id, bool *ret_removed, struct error *err)
{
    int parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool removed = false;
    bool done;

    if (parent < 0)
        return new_file_fail(err, directory);
    done = remove_form(parent, file_id, EXPORT_FILE_PLAIN, &removed, err)
           && remove_form(parent, file_id, EXPORT_FILE_GZIP, &removed, err);
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
        return new_file_fail(err, directory);
    fd = openat(parent, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
        /* The name is fixed, so the next probe removes a file that this one fails to remove. */
        fd = openat(parent, PROBE_NAME, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
        named = fd >= 0;
    }
    if (fd < 0 || write(fd, "", 1) != 1)
        new_file_fail(err, fd < 0 ? directory : "write");
    else
        good = true;
    if (named)
        (void) unlinkat(parent, PROBE_NAME, 0);
    if (fd >= 0)
        close(fd);
    close(parent);
    return good;
}
