#include "base/gzip.h"

#include <stdio.h>
#include <stdlib.h>

#define ZLIB_CONST /* zlib does not write to its input */
#include <zlib.h>

#include "base/memory.h"

#define LEVEL 4        /* for CSV: 1.5 times as fast as the default level, with a few percent more bytes */
#define WINDOW_BITS 15
#define GZIP_FORMAT 16 /* added to the window bits, so that zlib writes the header and the trailer of gzip */
#define MEMORY_LEVEL 8

struct gzip {
    gzip_sink sink;
    void *context;
    z_stream stream;
    unsigned char output[32 * 1024];
};

/* zlib fails here only if it cannot allocate memory. */
static void check_zlib(bool good)
{
    if (!good) {
        fputs("waybill: zlib failed\n", stderr);
        abort();
    }
}

struct gzip *gzip_new(gzip_sink sink, void *context)
{
    struct gzip *gzip = memory_zeroed(1, sizeof(*gzip));

    gzip->sink = sink;
    gzip->context = context;
    check_zlib(deflateInit2(&gzip->stream, LEVEL, Z_DEFLATED, WINDOW_BITS + GZIP_FORMAT, MEMORY_LEVEL,
                            Z_DEFAULT_STRATEGY) == Z_OK);
    gzip->stream.next_out = gzip->output;
    gzip->stream.avail_out = sizeof(gzip->output);
    return gzip;
}

/* Passes the pending output to the sink. */
static bool flush_output(struct gzip *gzip, struct error *err)
{
    size_t length = sizeof(gzip->output) - gzip->stream.avail_out;

    gzip->stream.next_out = gzip->output;
    gzip->stream.avail_out = sizeof(gzip->output);
    return length == 0 || gzip->sink(gzip->context, (const char *) gzip->output, length, err);
}

bool gzip_write(struct gzip *gzip, const char *data, size_t length, struct error *err)
{
    while (length > 0) {
        uInt piece = length < 1U << 30 ? (uInt) length : 1U << 30;

        gzip->stream.next_in = (const unsigned char *) data;
        gzip->stream.avail_in = piece;
        while (gzip->stream.avail_in > 0) {
            check_zlib(deflate(&gzip->stream, Z_NO_FLUSH) == Z_OK);
            if (gzip->stream.avail_out == 0 && !flush_output(gzip, err))
                return false;
        }
        data += piece;
        length -= piece;
    }
    return true;
}

bool gzip_end(struct gzip *gzip, struct error *err)
{
    int state;

    do {
        state = deflate(&gzip->stream, Z_FINISH);
        check_zlib(state == Z_OK || state == Z_STREAM_END);
        if (!flush_output(gzip, err))
            return false;
    } while (state != Z_STREAM_END);
    return true;
}

void gzip_free(struct gzip *gzip)
{
    if (gzip == NULL)
        return;
    (void) deflateEnd(&gzip->stream); /* it returns an error if the stream was not ended */
    free(gzip);
}
