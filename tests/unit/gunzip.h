/* Decompresses gzip data. */
#ifndef WAYBILL_TESTS_UNIT_GUNZIP_H
#define WAYBILL_TESTS_UNIT_GUNZIP_H

#include <stddef.h>

#include "base/buffer.h"

/* Decompresses exactly one whole gzip member and appends the result. Any other input fails the test. */
void gunzip(const char *data, size_t length, struct buffer *out);

#endif
