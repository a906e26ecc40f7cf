/* A directory for the files of one test program, removed when the program ends. */
#ifndef WAYBILL_TESTS_UNIT_SCRATCH_H
#define WAYBILL_TESTS_UNIT_SCRATCH_H

#include <stddef.h>

#include "base/buffer.h"

/* Returns the directory's path. */
const char *scratch_directory(void);

/* Returns the path of an entry in the directory; the caller frees it. */
char *scratch_path(const char *name);

/* Writes a file in the directory and replaces an existing one. Returns its path; the caller frees it. */
char *scratch_write(const char *name, const char *data, size_t length);

/* Appends the content of a file. A file that cannot be read fails the test. */
void scratch_read(const char *path, struct buffer *out);

/*
 * scratch_catch_log redirects standard error to a file until scratch_release_log. In between, scratch_read_log appends
 * what has been written so far, and scratch_count_log counts the occurrences of a text in it.
 */
void scratch_catch_log(void);
void scratch_read_log(struct buffer *out);
int scratch_count_log(const char *text);
void scratch_release_log(void);

/* Returns the number of entries of a directory, without . and .. */
size_t scratch_count(const char *directory);

#endif
