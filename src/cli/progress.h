/* The progress of a load, on standard error if it is a terminal. Otherwise, nothing is shown. */
#ifndef WAYBILL_CLI_PROGRESS_H
#define WAYBILL_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool is_shown;     /* standard error is a terminal */
    bool has_line;     /* the line of the terminal shows the progress */
    int64_t next_draw; /* monotonic */
};

void progress_begin(struct progress *progress);

/* Shows that `bytes` of `size` bytes (-1: unknown) and `rows` rows have been read, at most four times a second. */
void progress_show(struct progress *progress, int64_t bytes, int64_t size, int64_t rows);

/* Clears the line, so that messages can be printed. The next progress_show draws it again. */
void progress_clear(struct progress *progress);

#endif
