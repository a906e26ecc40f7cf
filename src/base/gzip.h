/* gzip (RFC 1952) of a stream of bytes, by zlib. */
#ifndef WAYBILL_BASE_GZIP_H
#define WAYBILL_BASE_GZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"

struct gzip;

/* Takes all `length` bytes, or fills err and returns false. */
typedef bool (*gzip_sink)(void *context, const char *data, size_t length, struct error *err);

/* Begins a stream that goes to the sink. Free it with gzip_free. */
struct gzip *gzip_new(gzip_sink sink, void *context);

/* Compresses these bytes; what of the stream is done by then goes to the sink. False if the sink failed. */
MUST_CHECK bool gzip_write(struct gzip *gzip, const char *data, size_t length, struct error *err);

/* Ends the stream, once: all of it has gone to the sink then. False if the sink failed. */
MUST_CHECK bool gzip_end(struct gzip *gzip, struct error *err);

/* NULL is fine. */
void gzip_free(struct gzip *gzip);

#endif
