/*
 * Where a subcommand writes a large result: standard output, a file that appears whole or not at all, or a special file
 * such as /dev/null or a FIFO, which is written directly. Functions fail with ERROR_STORAGE and a message that begins
 * with the path.
 */
#ifndef WAYBILL_CLI_OUTPUT_H
#define WAYBILL_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"

struct cli_output;

/*
 * Opens an output; "-" is standard output. `path` must outlive it. A file that exists keeps its permissions when it is
 * replaced, and a symbolic link to it stays. While the new file has a temporary name, signals that would end the
 * process are held back. Close the output with cli_output_close. Returns NULL on failure.
 */
MUST_CHECK struct cli_output *cli_output_open(const char *path, struct error *err);

/* Writes bytes to a struct cli_output. Also fails with ERROR_CANCELLED after a signal. */
MUST_CHECK bool cli_output_write(void *context, const char *data, size_t length, struct error *err);

/* Fails with ERROR_CANCELLED if a signal has been held back. */
MUST_CHECK bool cli_output_may_continue(struct error *err);

/* Makes a file durable and visible. Call it once, after the last write. */
MUST_CHECK bool cli_output_commit(struct cli_output *output, struct error *err);

/* Discards a file that has not been committed. A signal that was held back takes effect. NULL is allowed. */
void cli_output_close(struct cli_output *output);

#endif
