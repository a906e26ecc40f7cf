#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define DRAW_MS 250
#define BAR_WIDTH 30
#define MIB (1024.0 * 1024.0)

void progress_begin(struct progress *progress)
{
    *progress = (struct progress) {.is_shown = isatty(STDERR_FILENO) == 1};
}

/* Draws a bar for a known size. */
static void draw_bar(int64_t bytes, int64_t size)
{
    int filled = size > 0 ? (int) (bytes * BAR_WIDTH / size) : BAR_WIDTH;

    fputc('[', stderr);
    for (int i = 0; i < BAR_WIDTH; i++)
        fputc(i < filled ? '#' : ' ', stderr);
    fprintf(stderr, "] %3d %%, ", size > 0 ? (int) (bytes * 100 / size) : 100);
}

void progress_show(struct progress *progress, int64_t bytes, int64_t size, int64_t rows)
{
    int64_t now;

    if (!progress->is_shown)
        return;
    now = clock_monotonic_ms();
    if (now < progress->next_draw)
        return;
    progress->next_draw = now + DRAW_MS;
    progress->has_line = true;
    fputs("\r\033[K", stderr);
    if (size >= 0)
        draw_bar(bytes < size ? bytes : size, size);
    fprintf(stderr, "%.1f MiB, %" PRId64 " rows", (double) bytes / MIB, rows);
    fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    if (!progress->has_line)
        return;
    fputs("\r\033[K", stderr);
    progress->has_line = false;
    progress->next_draw = 0;
}
