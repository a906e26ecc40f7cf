/* What a gzip file holds. */
#ifndef WAYBILL_TESTS_UNIT_GUNZIP_H
#define WAYBILL_TESTS_UNIT_GUNZIP_H

#include <stddef.h>

#include "base/buffer.h"

/* Appends what the bytes, one whole gzip member and nothing else, stand for. The test fails if they are none. */
void gunzip(const char *data, size_t length, struct buffer *out);

#endif
