#include "gunzip.h"

#define ZLIB_CONST
#include <zlib.h>

#include "check.h"

#define AS_GZIP 16

void gunzip(const char *data, size_t length, struct buffer *out)
{
    z_stream stream = {.next_in = (const unsigned char *) data, .avail_in = (uInt) length};
    char chunk[4096];
    int state;

    assert_int_equal(inflateInit2(&stream, MAX_WBITS + AS_GZIP), Z_OK);
    do {
        stream.next_out = (unsigned char *) chunk;
        stream.avail_out = sizeof(chunk);
        state = inflate(&stream, Z_NO_FLUSH);
        assert_true(state == Z_OK || state == Z_STREAM_END);
        buffer_append(out, chunk, sizeof(chunk) - stream.avail_out);
    } while (state != Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    assert_int_equal(inflateEnd(&stream), Z_OK);
}
