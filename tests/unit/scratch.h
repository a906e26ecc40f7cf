/* A directory for the files of one test program, removed when it ends. */
#ifndef WAYBILL_TESTS_UNIT_SCRATCH_H
#define WAYBILL_TESTS_UNIT_SCRATCH_H

#include <stddef.h>

#include "base/buffer.h"

/* Its path. */
const char *scratch_directory(void);

/* The path of something in it; to be freed. */
char *scratch_path(const char *name);

/* Writes a file in it, over one that is there. Its path; to be freed. */
char *scratch_write(const char *name, const char *data, size_t length);

/* Appends what a file has. The test fails if it can't be read. */
void scratch_read(const char *path, struct buffer *out);

/* How many entries a directory has, without . and .. */
size_t scratch_count(const char *directory);

#endif
