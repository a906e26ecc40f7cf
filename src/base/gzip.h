/* gzip compression (RFC 1952) of a stream of bytes, by zlib. */
#ifndef WAYBILL_BASE_GZIP_H
#define WAYBILL_BASE_GZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"

struct gzip;

/* Consumes all `length` bytes, or fills err and returns false. */
typedef bool (*gzip_sink)(void *context, const char *data, size_t length, struct error *err);

/* Begins a stream, whose output goes to the sink. Free it with gzip_free. */
struct gzip *gzip_new(gzip_sink sink, void *context);

/* Compresses the bytes. Passes the output to the sink whenever its buffer is full. Returns false if the sink fails. */
MUST_CHECK bool gzip_write(struct gzip *gzip, const char *data, size_t length, struct error *err);

/* Ends the stream and passes the rest of it to the sink. Call it once. Returns false if the sink fails. */
MUST_CHECK bool gzip_end(struct gzip *gzip, struct error *err);

/* NULL is allowed. */
void gzip_free(struct gzip *gzip);

#endif
