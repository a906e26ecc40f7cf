#include "schedule/webhook.h"

#include <ctype.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/hosts.h"
#include "base/memory.h"

#define MAX_URL_LENGTH 2048
#define MAX_RESPONSE 65536 /* bytes, including the headers */

static void init_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fputs("waybill: libcurl failed\n", stderr);
        abort();
    }
}

static void init_curl_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, init_curl);
}

/* The rules that do not need a parser. */
static bool check_characters(const char *url, struct error *err)
{
    size_t length = strlen(url);
    const char *colon = url + strcspn(url, ":");

    if (length < 1 || length > MAX_URL_LENGTH)
        return error_set(err, ERROR_PARAMETER, "notify_url must have 1 to %d characters, got %zu", MAX_URL_LENGTH,
                         length);
    for (const char *c = url; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~')
            return error_set(err, ERROR_PARAMETER, "notify_url must consist of visible ASCII characters, got \\x%02X",
                             (unsigned char) *c);
    }
    if (strncmp(colon, "://", 3) != 0 || colon[3] == '/')
        return error_set(err, ERROR_PARAMETER, "notify_url must have the form https://HOST/PATH, got another form");
    if (strchr(url, '#') != NULL)
        return error_set(err, ERROR_PARAMETER, "notify_url must not contain a fragment, got a #");
    return true;
}

/* Returns a part of a parsed URL, or NULL if it has none; free it with curl_free. */
static char *get_part(CURLU *parsed, CURLUPart part)
{
    char *text = NULL;

    return curl_url_get(parsed, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK ? text : NULL;
}

static bool set_url(CURLU *parsed, const char *url, struct error *err)
{
    CURLUcode code = parsed == NULL ? CURLUE_OUT_OF_MEMORY
        : curl_url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_NON_SUPPORT_SCHEME);

    if (code == CURLUE_USER_NOT_ALLOWED)
        return error_set(err, ERROR_PARAMETER, "notify_url must not contain user information, got a @");
    if (code != CURLUE_OK)
        return error_set(err, ERROR_PARAMETER, "notify_url must be a valid URL, got an error: %s",
                         curl_url_strerror(code));
    return true;
}

/* libcurl accepts a zone, such as [fe80::1%25eth0], and the port 0. */
static bool check_address(CURLU *parsed, struct error *err)
{
    char *zone = get_part(parsed, CURLUPART_ZONEID), *port = get_part(parsed, CURLUPART_PORT);
    bool allowed = false;

    if (zone != NULL)
        error_set(err, ERROR_PARAMETER, "notify_url must not contain the zone of an IPv6 address, got one");
    else if (port != NULL && strcmp(port, "0") == 0)
        error_set(err, ERROR_PARAMETER, "notify_url must have a port from 1 to 65535, got 0");
    else
        allowed = true;
    curl_free(zone);
    curl_free(port);
    return allowed;
}

/* Parses a URL and checks the rules that do not depend on a policy. Returns NULL on failure. */
static CURLU *parse_url(const char *url, struct error *err)
{
    CURLU *parsed;

    init_curl_once();
    if (!check_characters(url, err))
        return NULL;
    parsed = curl_url();
    if (set_url(parsed, url, err) && check_address(parsed, err))
        return parsed;
    curl_url_cleanup(parsed);
    return NULL;
}

/* Writes the host, in lower case, and port of a URL with the scheme http or https. */
static void format_receiver(CURLU *parsed, char out[WEBHOOK_RECEIVER_SIZE])
{
    char *host = get_part(parsed, CURLUPART_HOST), *port = get_part(parsed, CURLUPART_PORT);

    snprintf(out, WEBHOOK_RECEIVER_SIZE, "%s:%s", host == NULL ? "" : host, port == NULL ? "" : port);
    for (char *c = out; *c != '\0'; c++)
        *c = (char) tolower((unsigned char) *c);
    curl_free(host);
    curl_free(port);
}

static bool check_scheme(CURLU *parsed, bool allow_http, struct error *err)
{
    char *scheme = get_part(parsed, CURLUPART_SCHEME);
    char excerpt[TEXT_EXCERPT_SIZE];
    bool allowed = scheme != NULL && (strcmp(scheme, "https") == 0 || (allow_http && strcmp(scheme, "http") == 0));

    if (!allowed)
        error_set(err, ERROR_PARAMETER, "notify_url must have the scheme https%s, got %s", allow_http ? " or http" : "",
                  scheme == NULL ? "none" : text_excerpt(excerpt, scheme, strlen(scheme)));
    curl_free(scheme);
    return allowed;
}

static bool check_host(CURLU *parsed, const char *hosts, struct error *err)
{
    char *host = get_part(parsed, CURLUPART_HOST), *port = get_part(parsed, CURLUPART_PORT);
    char receiver[WEBHOOK_RECEIVER_SIZE], excerpt[TEXT_EXCERPT_SIZE];
    bool allowed = host != NULL && port != NULL && hosts_contains(hosts, host, atoi(port));

    if (!allowed) {
        format_receiver(parsed, receiver);
        error_set(err, ERROR_PARAMETER, "notify_url must have a host that [notify] hosts lists, got %s",
                  text_excerpt(excerpt, receiver, strlen(receiver)));
    }
    curl_free(host);
    curl_free(port);
    return allowed;
}

/* Parses a URL that the policy allows. Returns NULL on failure. */
static CURLU *parse_allowed_url(const char *url, const struct webhook_policy *policy, struct error *err)
{
    CURLU *parsed = parse_url(url, err);

    if (parsed != NULL && check_scheme(parsed, policy->allow_http, err) && check_host(parsed, policy->hosts, err))
        return parsed;
    curl_url_cleanup(parsed);
    return NULL;
}

bool webhook_check_url(const char *url, const struct webhook_policy *policy, struct error *err)
{
    CURLU *parsed = parse_allowed_url(url, policy, err);

    curl_url_cleanup(parsed);
    return parsed != NULL;
}

bool webhook_receiver(const char *url, char out[WEBHOOK_RECEIVER_SIZE], struct error *err)
{
    CURLU *parsed = parse_url(url, err);
    bool good = parsed != NULL && check_scheme(parsed, true, err);

    if (good)
        format_receiver(parsed, out);
    curl_url_cleanup(parsed);
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
    buffer_free(&signed_content);
    strcpy(out, "v1,");
    base64_encode(out + strlen(out), code, sizeof(code));
    return true;
}

/* One transfer. */
struct transfer {
    const struct webhook_terms *terms;
    CURL *curl;
    CURLU *url;
    struct curl_slist *headers;
    char receiver[WEBHOOK_RECEIVER_SIZE];
    char reason[CURL_ERROR_SIZE]; /* libcurl's message about a failure; may be empty */
    size_t received;              /* bytes of the response so far */
};

/* A callback of libcurl for the headers and the content of the response. Ends the transfer after MAX_RESPONSE. */
static size_t discard_response(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;

    (void) data;
    transfer->received += size * count;
    return transfer->received > MAX_RESPONSE ? 0 : size * count;
}

/* A callback of libcurl, called about once per second or more often. A result other than 0 ends the transfer. */
static int check_stop(void *context, curl_off_t to_receive, curl_off_t received, curl_off_t to_send, curl_off_t sent)
{
    const struct transfer *transfer = context;

    (void) to_receive, (void) received, (void) to_send, (void) sent;
    return transfer->terms->stop != NULL && atomic_load(transfer->terms->stop);
}

static bool add_header(struct transfer *transfer, const char *name, const char *value)
{
    struct buffer header = {0};
    struct curl_slist *longer;

    buffer_printf(&header, "%s: %s", name, value);
    longer = curl_slist_append(transfer->headers, header.data);
    buffer_free(&header);
    if (longer == NULL)
        return false;
    transfer->headers = longer;
    return true;
}

static bool add_headers(struct transfer *transfer, const struct webhook_message *message, struct error *err)
{
    int64_t timestamp = clock_now_ms() / 1000;
    char signature[WEBHOOK_SIGNATURE_SIZE], seconds[24];

    if (!webhook_sign(message, timestamp, signature, err))
        return false;
    snprintf(seconds, sizeof(seconds), "%" PRId64, timestamp);
    if (add_header(transfer, "Content-Type", "application/json")
        && add_header(transfer, "webhook-id", message->id)
        && add_header(transfer, "webhook-timestamp", seconds)
        && add_header(transfer, "webhook-signature", signature))
        return true;
    return error_set(err, ERROR_INTERNAL, "libcurl failed: out of memory");
}

/*
 * Sets all options. The environment and the files of the user have no effect: no proxy, no .netrc. QUICK_EXIT: a
 * transfer that ends does not wait for a name server that does not answer.
 */
static bool set_options(struct transfer *transfer, const struct webhook_message *message)
{
    const struct webhook_terms *terms = transfer->terms;
    CURL *curl = transfer->curl;

#define SET(option, value) (curl_easy_setopt(curl, CURLOPT_##option, value) == CURLE_OK)
    return SET(CURLU, transfer->url)
        && SET(PROTOCOLS_STR, terms->policy.allow_http ? "https,http" : "https")
        && SET(FOLLOWLOCATION, 0L)
        && SET(PROXY, "")
        && SET(NETRC, (long) CURL_NETRC_IGNORED)
        && SET(SSL_VERIFYPEER, 1L)
        && SET(SSL_VERIFYHOST, 2L)
        && (terms->ca_file == NULL || SET(CAINFO, terms->ca_file))
        && SET(HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1)
        && SET(USERAGENT, "waybill/" WAYBILL_VERSION)
        && SET(HTTPHEADER, transfer->headers)
        && SET(POST, 1L)
        && SET(POSTFIELDSIZE_LARGE, (curl_off_t) strlen(message->body))
        && SET(POSTFIELDS, message->body)
        && SET(TIMEOUT_MS, (long) terms->timeout_ms)
        && SET(NOSIGNAL, 1L)
        && SET(QUICK_EXIT, 1L)
        && SET(ERRORBUFFER, transfer->reason)
        && SET(HEADERFUNCTION, discard_response)
        && SET(HEADERDATA, transfer)
        && SET(WRITEFUNCTION, discard_response)
        && SET(WRITEDATA, transfer)
        && SET(NOPROGRESS, 0L)
        && SET(XFERINFOFUNCTION, check_stop)
        && SET(XFERINFODATA, transfer);
#undef SET
}

/* Evaluates the status of the response. */
static bool check_status(const struct transfer *transfer, struct error *err)
{
    long status = 0;

    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status <= 299)
        return true;
    return error_set(err, ERROR_UNAVAILABLE, "%s answered with status %ld%s", transfer->receiver, status,
                     status >= 300 && status <= 399 ? ": redirects are not followed" : "");
}

static bool report_failure(const struct transfer *transfer, CURLcode code, struct error *err)
{
    long system_error = 0;

    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return error_set(err, ERROR_CANCELLED, "the process is stopping");
    case CURLE_OPERATION_TIMEDOUT:
        return error_set(err, ERROR_TIMEOUT, "%s did not answer completely within %g s", transfer->receiver,
                         transfer->terms->timeout_ms / 1000.0);
    case CURLE_COULDNT_CONNECT:
        curl_easy_getinfo(transfer->curl, CURLINFO_OS_ERRNO, &system_error);
        return error_set(err, ERROR_UNAVAILABLE, "cannot connect to %s: %s", transfer->receiver,
                         system_error == 0 ? curl_easy_strerror(code) : strerror((int) system_error));
    case CURLE_PEER_FAILED_VERIFICATION:
        return error_set(err, ERROR_UNAVAILABLE, "the certificate of %s is not valid: %s", transfer->receiver,
                         transfer->reason);
    default:
        error_set(err, ERROR_UNAVAILABLE, "cannot send to %s: %s", transfer->receiver, curl_easy_strerror(code));
        return error_detail(err, "%s", transfer->reason);
    }
}

static bool run_transfer(struct transfer *transfer, struct error *err)
{
    CURLcode code = curl_easy_perform(transfer->curl);

    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && transfer->received > MAX_RESPONSE))
        return check_status(transfer, err);
    return report_failure(transfer, code, err);
}

bool webhook_send(const struct webhook_message *message, const struct webhook_terms *terms, struct error *err)
{
    struct transfer transfer = {.terms = terms};
    bool sent = false;

    transfer.url = parse_allowed_url(message->url, &terms->policy, err);
    if (transfer.url == NULL || !add_headers(&transfer, message, err))
        goto end;
    format_receiver(transfer.url, transfer.receiver);
    transfer.curl = curl_easy_init();
    if (transfer.curl == NULL || !set_options(&transfer, message)) {
        error_set(err, ERROR_INTERNAL, "libcurl cannot set up a transfer");
        goto end;
    }
    sent = run_transfer(&transfer, err);

end:
    curl_easy_cleanup(transfer.curl);
    curl_slist_free_all(transfer.headers);
    curl_url_cleanup(transfer.url);
    return sent;
}
