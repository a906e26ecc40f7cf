/*
 * The file of an export. It has no name in the files directory until it is published, so partial files are invisible.
 * If the file system does not support unnamed files, the suffix .part marks a partial file. Only Waybill creates files
 * in the directory, and all processes that share a database share it. A file may have a gzip variant, which is
 * published and removed with it. Functions fail with ERROR_STORAGE unless stated otherwise.
 */
#ifndef WAYBILL_EXPORT_EXPORT_FILE_H
#define WAYBILL_EXPORT_EXPORT_FILE_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"

struct export_file;

enum export_file_form {
    EXPORT_FILE_PLAIN,
    EXPORT_FILE_GZIP,
};

#define EXPORT_FILE_NAME_SIZE (TEXT_UUID_LENGTH + sizeof(".gz"))

/* Writes the name of a published file: FILE_ID or FILE_ID.gz. */
void export_file_name(char out[EXPORT_FILE_NAME_SIZE], const char *file_id, enum export_file_form form);

/*
 * Creates the file with the id file_id, a UUID, and its gzip variant if `gzip` is true. Returns NULL on failure. Free
 * it with export_file_free.
 */
MUST_CHECK struct export_file *export_file_begin(const char *directory, const char *file_id, bool gzip,
                                                 struct error *err);

/* Appends `length` bytes to the file and its gzip variant. */
MUST_CHECK bool export_file_write(struct export_file *file, const char *data, size_t length, struct error *err);

/*
 * Makes the file durable and visible: syncs the data, gives it its name, and syncs the directory. After it has returned
 * true, the file survives a power failure. On failure, it removes what it has published.
 */
MUST_CHECK bool export_file_publish(struct export_file *file, struct error *err);

/* Returns the number of bytes written so far, before compression. */
int64_t export_file_size(const struct export_file *file);

/* Returns the size of the gzip variant of a published file, or 0 if there is no variant. */
int64_t export_file_gzip_size(const struct export_file *file);

/* Copies the SHA-256 of a published file, before compression, to `out`. */
void export_file_sha256(const struct export_file *file, unsigned char out[SHA256_SIZE]);

/* Removes the file if it is published. */
void export_file_unpublish(struct export_file *file);

/* Frees the object. An unpublished file is deleted, a published one stays. NULL is allowed. */
void export_file_free(struct export_file *file);

/* Opens a published file for reading. Returns -1 on failure: ERROR_NOT_FOUND if it does not exist. */
MUST_CHECK int export_file_open(const char *directory, const char *file_id, enum export_file_form form,
                                struct error *err);

/*
 * Removes the file and its gzip variant, including partial files with a name. *ret_removed is true if any existed.
 */
MUST_CHECK bool export_file_remove(const char *directory, const char *file_id, bool *ret_removed, struct error *err);

/* Checks that files can be created and written in the directory. */
MUST_CHECK bool export_file_probe(const char *directory, struct error *err);

#endif
