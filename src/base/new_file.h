/*
 * A file that appears in its directory whole or not at all. It has no name until it is published. If the file system
 * does not support unnamed files, or /proc is not available, it has a temporary name until then. Functions fail with
 * ERROR_STORAGE. The message contains no path. The detail contains the step and the reason.
 */
#ifndef WAYBILL_BASE_NEW_FILE_H
#define WAYBILL_BASE_NEW_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/error.h"

struct new_file {
    int directory;         /* belongs to the caller */
    const char *temporary; /* name in the directory; belongs to the caller */
    bool has_temporary;    /* the file has this name */
    int fd;                /* -1: not open */
    int64_t size;          /* bytes that have been written */
    int64_t written_back;
};

/* Creates the file. The umask applies to the mode. Call new_file_discard afterwards, even if this fails. */
MUST_CHECK bool new_file_begin(struct new_file *file, int directory, const char *temporary, mode_t mode,
                               struct error *err);

/* Appends `length` bytes. */
MUST_CHECK bool new_file_write(struct new_file *file, const char *data, size_t length, struct error *err);

/* Writes the data to disk. */
MUST_CHECK bool new_file_sync(const struct new_file *file, struct error *err);

/*
 * Gives the file its name and closes it. If `replace` is true, it atomically replaces an existing file; otherwise, the
 * name must not be in use. Call new_file_sync before, and sync the directory afterwards.
 */
MUST_CHECK bool new_file_publish(struct new_file *file, const char *name, bool replace, struct error *err);

/* Closes the file, and removes it unless it has been published. */
void new_file_discard(struct new_file *file);

/* Writes all bytes to a descriptor. */
MUST_CHECK bool new_file_write_all(int fd, const char *data, size_t length, struct error *err);

/* Fills err with ERROR_STORAGE for the reason in errno. `step` begins the detail. Returns false. */
bool new_file_fail(struct error *err, const char *step);

#endif
