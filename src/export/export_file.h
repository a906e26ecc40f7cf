/*
 * A file in the directory of exports. Until it is published it has no name there (or, where the file system
 * can't have that, the name FILE_ID.part), so that nobody ever sees a part of a file. The directory is Waybill's own,
 * and the same for all processes that share a database. A file may have a compressed twin, which comes and goes with
 * it.
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

/* The name of a published file in the directory: FILE_ID, or FILE_ID.gz. */
void export_file_name(char out[EXPORT_FILE_NAME_SIZE], const char *file_id, enum export_file_form form);

/*
 * Begins the file of file_id, a UUID, and its twin if `gzip` says so. NULL on failure (all errors here are
 * ERROR_STORAGE).
 */
MUST_CHECK struct export_file *export_file_begin(const char *directory, const char *file_id, bool gzip,
                                                 struct error *err);

/* Appends all of the bytes. */
MUST_CHECK bool export_file_write(struct export_file *file, const char *data, size_t length, struct error *err);

/*
 * Makes it durable and gives it its name: data first, then the name, then the directory. When it returns true
 * the file survives a power failure.
 */
MUST_CHECK bool export_file_publish(struct export_file *file, struct error *err);

int64_t export_file_size(const struct export_file *file);

/* The size of its twin, once published; 0 if it has none. */
int64_t export_file_gzip_size(const struct export_file *file);

/* The SHA-256 of a published file, which is not that of its twin. */
void export_file_sha256(const struct export_file *file, unsigned char out[SHA256_SIZE]);

/* Removes a published file again; does nothing to one that was not published. */
void export_file_unpublish(struct export_file *file);

/* Frees it; what was not published is gone. NULL is fine. */
void export_file_free(struct export_file *file);

/* Opens a published file for reading. -1 on failure: ERROR_NOT_FOUND if there is none, else ERROR_STORAGE. */
MUST_CHECK int export_file_open(const char *directory, const char *file_id, enum export_file_form form,
                                struct error *err);

/*
 * Removes what has the file id, twin included, published or not, if there is anything: *ret_removed says whether there
 * was.
 */
MUST_CHECK bool export_file_remove(const char *directory, const char *file_id, bool *ret_removed, struct error *err);

/* Tries whether a file could be written now. */
MUST_CHECK bool export_file_probe(const char *directory, struct error *err);

#endif
