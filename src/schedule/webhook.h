/*
 * Webhooks: a POST of a JSON text to a URL, signed as Standard Webhooks 1.0.0 require. A URL comes from a caller, so a
 * policy of the operator restricts the hosts. The host that is compared with the policy is the host that is connected
 * to: the URL is parsed once, for both.
 */
#ifndef WAYBILL_SCHEDULE_WEBHOOK_H
#define WAYBILL_SCHEDULE_WEBHOOK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/digest.h"
#include "base/error.h"

#define WEBHOOK_TIMEOUT_MS 10000

struct webhook_policy {
    const char *hosts; /* a list of base/hosts.h */
    bool allow_http;
};

#define WEBHOOK_RECEIVER_SIZE 320

/*
 * Checks a notify_url: 1 to 2048 visible ASCII characters; https, or http if the policy allows it; a host of the
 * policy; no user information, no fragment and no IPv6 zone. Fails with ERROR_PARAMETER. The message names the field
 * and the rule, but contains no user information, path or query.
 */
MUST_CHECK bool webhook_check_url(const char *url, const struct webhook_policy *policy, struct error *err);

/*
 * Writes the host and port of a URL, such as hooks.example.org:443, in a normalized form. Applies the rules of
 * webhook_check_url, except those of a policy.
 */
MUST_CHECK bool webhook_receiver(const char *url, char out[WEBHOOK_RECEIVER_SIZE], struct error *err);

#define WEBHOOK_SECRET_PREFIX "whsec_"
#define WEBHOOK_SECRET_BYTES 32
#define WEBHOOK_SECRET_SIZE (sizeof(WEBHOOK_SECRET_PREFIX) - 1 + BASE64_SIZE(WEBHOOK_SECRET_BYTES))

/* Writes a new random secret: whsec_ and base64. */
void webhook_new_secret(char out[WEBHOOK_SECRET_SIZE]);

struct webhook_message {
    const char *url;
    const char *secret;
    const char *id; /* the same in all attempts, so that the receiver can detect repetitions */
    const char *body;
};

#define WEBHOOK_SIGNATURE_SIZE (sizeof("v1,") - 1 + BASE64_SIZE(SHA256_SIZE))

/*
 * Writes the content of the header webhook-signature: "v1," and the HMAC-SHA-256 of "ID.TIMESTAMP.BODY" in base64. The
 * timestamp is in seconds since 1970. Fails with ERROR_INTERNAL if the secret is not a webhook secret.
 */
MUST_CHECK bool webhook_sign(const struct webhook_message *message, int64_t timestamp,
                             char out[WEBHOOK_SIGNATURE_SIZE], struct error *err);

struct webhook_terms {
    struct webhook_policy policy;
    int timeout_ms;           /* for the whole transfer, including name resolution and connecting */
    const char *ca_file;      /* NULL: the certificate authorities of the system */
    const atomic_bool *stop;  /* aborts the transfer within about a second once it is true */
};

/*
 * Sends the message once. Returns true if the receiver answered with a 2xx status. The response is discarded, and not
 * read beyond 64 KiB. A redirect is not followed. Errors: ERROR_PARAMETER if the terms do not allow the URL (any more),
 * ERROR_CANCELLED after `stop`, ERROR_TIMEOUT, ERROR_INTERNAL for a secret that is not valid, else ERROR_UNAVAILABLE.
 * The messages name the host, but neither the rest of the URL nor the secret. The process must ignore SIGPIPE.
 */
MUST_CHECK bool webhook_send(const struct webhook_message *message, const struct webhook_terms *terms,
                             struct error *err);

#endif
