#include "schedule/webhook.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/hosts.h"
#include "base/memory.h"
#include "http/outgoing.h"

#define URL_NAME "notify_url" /* in messages */
#define MAX_RESPONSE 65536 /* bytes, including the headers */

static bool check_scheme(const struct outgoing_url *url, bool allow_http, struct error *err)
{
    const char *scheme = outgoing_url_scheme(url);
    char excerpt[TEXT_EXCERPT_SIZE];

    if (strcmp(scheme, "https") == 0 || (allow_http && strcmp(scheme, "http") == 0))
        return true;
    return error_set(err, ERROR_PARAMETER, URL_NAME " must have the scheme https%s, got %s",
                     allow_http ? " or http" : "", text_excerpt(excerpt, scheme, strlen(scheme)));
}

static bool check_host(const struct outgoing_url *url, const char *hosts, struct error *err)
{
    const char *receiver = outgoing_url_authority(url);
    char excerpt[TEXT_EXCERPT_SIZE];

    if (hosts_contains(hosts, outgoing_url_host(url), outgoing_url_port(url)))
        return true;
    return error_set(err, ERROR_PARAMETER, URL_NAME " must have a host that [notify] hosts lists, got %s",
                     text_excerpt(excerpt, receiver, strlen(receiver)));
}

/* Parses a URL that the policy allows. Returns NULL on failure. */
static struct outgoing_url *parse_allowed_url(const char *url, const struct webhook_policy *policy, struct error *err)
{
    struct outgoing_url *parsed = outgoing_url_parse(URL_NAME, url, err);

    if (parsed != NULL && check_scheme(parsed, policy->allow_http, err) && check_host(parsed, policy->hosts, err))
        return parsed;
    outgoing_url_free(parsed);
    return NULL;
}

bool webhook_check_url(const char *url, const struct webhook_policy *policy, struct error *err)
{
    struct outgoing_url *parsed = parse_allowed_url(url, policy, err);

    outgoing_url_free(parsed);
    return parsed != NULL;
}

bool webhook_receiver(const char *url, char out[WEBHOOK_RECEIVER_SIZE], struct error *err)
{
    struct outgoing_url *parsed = outgoing_url_parse(URL_NAME, url, err);
    bool good = parsed != NULL && check_scheme(parsed, true, err);

    if (good)
        snprintf(out, WEBHOOK_RECEIVER_SIZE, "%s", outgoing_url_authority(parsed));
    outgoing_url_free(parsed);
    return good;
}

void webhook_new_secret(char out[WEBHOOK_SECRET_SIZE])
{
    unsigned char bytes[WEBHOOK_SECRET_BYTES];

    random_bytes(bytes, sizeof(bytes));
    strcpy(out, WEBHOOK_SECRET_PREFIX);
    base64_encode(out + strlen(out), bytes, sizeof(bytes));
}

bool webhook_sign(const struct webhook_message *message, int64_t timestamp, char out[WEBHOOK_SIGNATURE_SIZE],
                  struct error *err)
{
    const size_t prefix = strlen(WEBHOOK_SECRET_PREFIX);
    unsigned char key[WEBHOOK_SECRET_SIZE], code[SHA256_SIZE];
    struct buffer signed_content = {0};
    size_t key_length;

    if (strncmp(message->secret, WEBHOOK_SECRET_PREFIX, prefix) != 0
        || BASE64_DECODED_SIZE(strlen(message->secret + prefix)) > sizeof(key)
        || !base64_decode(key, message->secret + prefix, &key_length))
        return error_set(err, ERROR_INTERNAL, "the secret of the notification is not valid");
    buffer_printf(&signed_content, "%s.%" PRId64 ".", message->id, timestamp);
    buffer_append_text(&signed_content, message->body);
    digest_hmac_sha256(key, key_length, signed_content.data, signed_content.length, code);
    memory_wipe(key, sizeof(key));
    buffer_free(&signed_content);
    strcpy(out, "v1,");
    base64_encode(out + strlen(out), code, sizeof(code));
    return true;
}

/* Evaluates the status of the response. */
static bool check_status(const struct outgoing_url *url, int status, struct error *err)
{
    if (status >= 200 && status <= 299)
        return true;
    return error_set(err, ERROR_UNAVAILABLE, "%s answered with status %d%s", outgoing_url_authority(url), status,
                     status >= 300 && status <= 399 ? ": redirects are not followed" : "");
}

static bool send_signed(const struct outgoing_url *url, const struct webhook_message *message,
                        const struct webhook_terms *terms, struct error *err)
{
    int64_t timestamp = clock_now_ms() / 1000;
    char signature[WEBHOOK_SIGNATURE_SIZE], seconds[24];
    const struct outgoing_header headers[] = {
        {"Content-Type", "application/json"},
        {"webhook-id", message->id},
        {"webhook-timestamp", seconds},
        {"webhook-signature", signature},
        {0},
    };
    const struct outgoing_request request = {
        .url = url, .headers = headers, .body = message->body, .timeout_ms = terms->timeout_ms,
        .max_response = MAX_RESPONSE, .ca_file = terms->ca_file, .stop = terms->stop};
    struct outgoing_response response;

    snprintf(seconds, sizeof(seconds), "%" PRId64, timestamp);
    if (!webhook_sign(message, timestamp, signature, err) || !outgoing_send(&request, &response, err))
        return false;
    buffer_free(&response.body);
    return check_status(url, response.status, err);
}

bool webhook_send(const struct webhook_message *message, const struct webhook_terms *terms, struct error *err)
{
    struct outgoing_url *url = parse_allowed_url(message->url, &terms->policy, err);
    bool sent = url != NULL && send_signed(url, message, terms, err);

    outgoing_url_free(url);
    return sent;
}
