/*
 * Request signatures of the official SDKs, with the algorithm SDK-HMAC-SHA256. The client sends X-Sdk-Date and
 *
 *     Authorization: SDK-HMAC-SHA256 Access=<access key>, SignedHeaders=<names joined by ;>, Signature=<hex>
 *
 * The signature covers the method, the path, the query, the headers in SignedHeaders, and the body. The functions here
 * need neither HTTP nor a database. Those that fail set ERROR_IDENTITY. The message says what is wrong, but contains
 * nothing of Authorization except names of headers: people paste secrets into wrong places.
 */
#ifndef WAYBILL_ACCESS_SIGNATURE_H
#define WAYBILL_ACCESS_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/digest.h"
#include "base/error.h"

#define SIGNATURE_SCHEME "SDK-"          /* an Authorization that begins with it, in any case, is a signature */
#define SIGNATURE_MAX_ACCESS_KEY 128     /* characters */
#define SIGNATURE_MAX_HEADERS 64         /* in SignedHeaders */
#define SIGNATURE_MAX_SKEW_MS (15 * 60 * 1000) /* between X-Sdk-Date and the clock of this host */

/* The content of an Authorization. */
struct signature {
    char access_key[SIGNATURE_MAX_ACCESS_KEY + 1];
    const char *signed_headers; /* points into the Authorization, not terminated */
    size_t signed_headers_length;
    char hex[2 * SHA256_SIZE + 1];
};

/* The signed request as it was received. */
struct signature_request {
    const char *method;
    const char *path;  /* percent-encoded */
    const char *query; /* likewise, without the ?; "" if absent */
    const char *(*header)(const void *context, const char *name); /* returns a header, or NULL */
    const void *context;
    bool reads_body; /* the operation uses the body, so the signature must cover it */
};

/* Whether an Authorization is a signature, of whatever algorithm. NULL is allowed. */
MUST_CHECK bool signature_is_present(const char *authorization);

/* Parses an Authorization, which must outlive the signature. */
MUST_CHECK bool signature_parse(const char *authorization, struct signature *ret_signature, struct error *err);

/*
 * Checks all that can be checked without the body and the secret: the signed headers are there, host and x-sdk-date
 * among them, and X-Sdk-Date differs from `now` by at most SIGNATURE_MAX_SKEW_MS.
 */
MUST_CHECK bool signature_check(const struct signature *signature, const struct signature_request *request,
                                int64_t now, struct error *err);

/*
 * Returns the string to sign of a request that has passed signature_check, or NULL on failure: X-Sdk-Content-Sha256
 * does not match the body, or the path or the query cannot be decoded. Path and query are decoded and encoded again, as
 * the operations read them. Free the result with free().
 */
MUST_CHECK char *signature_string_to_sign(const struct signature *signature, const struct signature_request *request,
                                          const void *body, size_t length, struct error *err);

/* Whether this secret made the signature. The time that the comparison takes does not depend on the signature. */
MUST_CHECK bool signature_matches(const struct signature *signature, const char *string_to_sign, const char *secret);

#endif
