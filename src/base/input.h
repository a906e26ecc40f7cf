/* A file that is read once, from its start to its end: a regular file, a pipe or standard input. */
#ifndef WAYBILL_BASE_INPUT_H
#define WAYBILL_BASE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

struct input;

/*
 * Opens a file; "-" is standard input. Close it with input_close. Returns NULL with ERROR_PARAMETER if it cannot be
 * opened or is a directory.
 */
MUST_CHECK struct input *input_open(const char *path, struct error *err);
void input_close(struct input *input); /* NULL is allowed */

/*
 * Returns the bytes that have been read and not consumed, at least `wanted` of them unless the input ends before.
 * `wanted` is at most INPUT_MAX_PEEK. *ret_length is 0 only at the end. The bytes are valid until the next call. Fails
 * with ERROR_PARAMETER if the file cannot be read.
 */
#define INPUT_MAX_PEEK 65536
MUST_CHECK bool input_peek(struct input *input, size_t wanted, const char **ret_data, size_t *ret_length,
                           struct error *err);

/* Consumes bytes that input_peek returned. */
void input_consume(struct input *input, size_t length);

/* Returns the number of consumed bytes. */
int64_t input_position(const struct input *input);

/* Returns the size of a regular file in bytes, or -1 if it is not known. */
int64_t input_size(const struct input *input);

/* Returns how messages name the input: its path, or "standard input". The second function does so for a path. */
const char *input_name(const struct input *input);
const char *input_name_of(const char *path);

#endif
