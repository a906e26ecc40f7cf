/*
 * A file in the directory of exports. It has no name there until it is published, so that nobody sees a partial file.
 * If the file system does not support that, its name is FILE_ID.part. The directory belongs to Waybill, and all
 * processes that share a database share it. A file may have a gzip variant, which is published and removed with it.
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
 * Begins the file of file_id, a UUID, and its gzip variant if `gzip` is true. Returns NULL on failure. All errors here
 * are ERROR_STORAGE.
 */
MUST_CHECK struct export_file *export_file_begin(const char *directory, const char *file_id, bool gzip,
                                                 struct error *err);

/* Appends all bytes. */
MUST_CHECK bool export_file_write(struct export_file *file, const char *data, size_t length, struct error *err);

/*
 * Makes the file durable and visible: syncs the data, gives it its name, and syncs the directory. Once it has returned
 * true, the file survives a power failure.
 */
MUST_CHECK bool export_file_publish(struct export_file *file, struct error *err);

int64_t export_file_size(const struct export_file *file);

/* Returns the size of the gzip variant, once published; 0 without one. */
int64_t export_file_gzip_size(const struct export_file *file);

/* Returns the SHA-256 of a published file. The gzip variant has another. */
void export_file_sha256(const struct export_file *file, unsigned char out[SHA256_SIZE]);

/* Removes a published file. Does nothing if the file was not published. */
void export_file_unpublish(struct export_file *file);

/* Frees the file. An unpublished file disappears. NULL is allowed. */
void export_file_free(struct export_file *file);

/* Opens a published file for reading. Returns -1 on failure: ERROR_NOT_FOUND if it does not exist. */
MUST_CHECK int export_file_open(const char *directory, const char *file_id, enum export_file_form form,
                                struct error *err);

/*
 * Removes all files of the file id: published or not, and the gzip variant. *ret_removed tells whether any existed.
 */
MUST_CHECK bool export_file_remove(const char *directory, const char *file_id, bool *ret_removed, struct error *err);

/* Checks that a file can be written now. */
MUST_CHECK bool export_file_probe(const char *directory, struct error *err);

#endif
