/* The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header). */
#ifndef WAYBILL_HTTP_IDEMPOTENCY_KEY_H
#define WAYBILL_HTTP_IDEMPOTENCY_KEY_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"

#define HTTP_IDEMPOTENCY_KEY_MAX 255 /* characters of a key */
#define HTTP_IDEMPOTENCY_KEY_SIZE (HTTP_IDEMPOTENCY_KEY_MAX + 1)

/*
 * Parses the value of the header. It is a string of RFC 8941, whose content is the key: "k", with the escapes \" and
 * \\. Or it is the bare key: k, which must not contain spaces, double quotes and commas, because a comma also separates
 * the values of repeated headers. A key has 1 to HTTP_IDEMPOTENCY_KEY_MAX characters of printable ASCII. Fails with
 * ERROR_PARAMETER.
 */
MUST_CHECK bool http_idempotency_key_parse(const char *value, char ret_key[HTTP_IDEMPOTENCY_KEY_SIZE],
                                           struct error *err);

#endif
