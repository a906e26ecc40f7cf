#include "http/outgoing.h"

#include <ctype.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MAX_URL_LENGTH 2048

struct outgoing_url {
    CURLU *parsed;
    char *scheme; /* this and the next two belong to libcurl; NULL: the URL has none */
    char *host;
    char *port;
    char authority[OUTGOING_AUTHORITY_SIZE];
};

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
static bool check_characters(const char *name, const char *url, struct error *err)
{
    size_t length = strlen(url);
    const char *colon = url + strcspn(url, ":");

    if (length < 1 || length > MAX_URL_LENGTH)
        return error_set(err, ERROR_PARAMETER, "%s must have 1 to %d characters, got %zu", name, MAX_URL_LENGTH,
                         length);
    for (const char *c = url; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~')
            return error_set(err, ERROR_PARAMETER, "%s must consist of visible ASCII characters, got \\x%02X", name,
                             (unsigned char) *c);
    }
    if (strncmp(colon, "://", 3) != 0 || colon[3] == '/')
        return error_set(err, ERROR_PARAMETER, "%s must have the form https://HOST/PATH, got another form", name);
    if (strchr(url, '#') != NULL)
        return error_set(err, ERROR_PARAMETER, "%s must not contain a fragment, got a #", name);
    return true;
}

static bool set_url(CURLU *parsed, const char *name, const char *url, struct error *err)
{
    CURLUcode code = parsed == NULL ? CURLUE_OUT_OF_MEMORY
        : curl_url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_NON_SUPPORT_SCHEME);

    if (code == CURLUE_USER_NOT_ALLOWED)
        return error_set(err, ERROR_PARAMETER, "%s must not contain user information, got a @", name);
    if (code != CURLUE_OK)
        return error_set(err, ERROR_PARAMETER, "%s must be a valid URL, got an error: %s", name,
                         curl_url_strerror(code));
    return true;
}

/* Returns a part of a parsed URL, or NULL if it has none; free it with curl_free. */
static char *get_part(CURLU *parsed, CURLUPart part)
{
    char *text = NULL;

    return curl_url_get(parsed, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK ? text : NULL;
}

static void read_parts(struct outgoing_url *url)
{
    url->scheme = get_part(url->parsed, CURLUPART_SCHEME);
    url->host = get_part(url->parsed, CURLUPART_HOST);
    url->port = get_part(url->parsed, CURLUPART_PORT);
    snprintf(url->authority, sizeof(url->authority), "%s:%s", outgoing_url_host(url),
             url->port == NULL ? "" : url->port);
    for (char *c = url->authority; *c != '\0'; c++)
        *c = (char) tolower((unsigned char) *c);
}

/* libcurl accepts a zone, such as [fe80::1%25eth0], and the port 0. */
static bool check_address(const struct outgoing_url *url, const char *name, struct error *err)
{
    char *zone = get_part(url->parsed, CURLUPART_ZONEID);
    bool has_zone = zone != NULL;

    curl_free(zone);
    if (has_zone)
        return error_set(err, ERROR_PARAMETER, "%s must not contain the zone of an IPv6 address, got one", name);
    if (url->port != NULL && strcmp(url->port, "0") == 0)
        return error_set(err, ERROR_PARAMETER, "%s must have a port from 1 to 65535, got 0", name);
    return true;
}

struct outgoing_url *outgoing_url_parse(const char *name, const char *url, struct error *err)
{
    struct outgoing_url *result;

    init_curl_once();
    if (!check_characters(name, url, err))
        return NULL;
    result = memory_zeroed(1, sizeof(*result));
    result->parsed = curl_url();
    if (set_url(result->parsed, name, url, err)) {
        read_parts(result);
        if (check_address(result, name, err))
            return result;
    }
    outgoing_url_free(result);
    return NULL;
}

void outgoing_url_free(struct outgoing_url *url)
{
    if (url == NULL)
        return;
    curl_free(url->scheme);
    curl_free(url->host);
    curl_free(url->port);
    curl_url_cleanup(url->parsed);
    free(url);
}

const char *outgoing_url_scheme(const struct outgoing_url *url)
{
    return url->scheme == NULL ? "" : url->scheme;
}

const char *outgoing_url_host(const struct outgoing_url *url)
{
    return url->host == NULL ? "" : url->host;
}

int outgoing_url_port(const struct outgoing_url *url)
{
    return url->port == NULL ? 0 : atoi(url->port);
}

const char *outgoing_url_authority(const struct outgoing_url *url)
{
    return url->authority;
}

/* One transfer. */
struct transfer {
    const struct outgoing_request *request;
    struct outgoing_response *response;
    CURL *curl;
    struct curl_slist *headers;
    char reason[CURL_ERROR_SIZE]; /* libcurl's message about a failure; may be empty */
    size_t received;              /* bytes of the response so far, including the headers */
};

/* Counts a part of the response. Returns false if it exceeds max_response, which ends the transfer. */
static bool count_received(struct transfer *transfer, size_t size)
{
    transfer->received += size;
    transfer->response->is_cut = transfer->received > transfer->request->max_response;
    return !transfer->response->is_cut;
}

/* A callback of libcurl for a line of the headers. */
static size_t discard_header(char *data, size_t size, size_t count, void *context)
{
    (void) data;
    return count_received(context, size * count) ? size * count : 0;
}

/* A callback of libcurl for a part of the content. */
static size_t append_content(char *data, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;

    if (!count_received(transfer, size * count))
        return 0;
    buffer_append(&transfer->response->body, data, size * count);
    return size * count;
}

/* A callback of libcurl, called about once per second or more often. A result other than 0 ends the transfer. */
static int check_stop(void *context, curl_off_t to_receive, curl_off_t received, curl_off_t to_send, curl_off_t sent)
{
    const struct transfer *transfer = context;

    (void) to_receive, (void) received, (void) to_send, (void) sent;
    return transfer->request->stop != NULL && atomic_load(transfer->request->stop);
}

static bool add_header(struct transfer *transfer, const struct outgoing_header *header)
{
    struct buffer line = {0};
    struct curl_slist *longer;

    buffer_printf(&line, "%s: %s", header->name, header->value);
    longer = curl_slist_append(transfer->headers, line.data);
    memory_wipe(line.data, line.length);
    buffer_free(&line);
    if (longer == NULL)
        return false;
    transfer->headers = longer;
    return true;
}

static bool add_headers(struct transfer *transfer)
{
    for (const struct outgoing_header *header = transfer->request->headers; header->name != NULL; header++) {
        if (!add_header(transfer, header))
            return false;
    }
    return true;
}

static bool set_request(struct transfer *transfer)
{
    const struct outgoing_request *request = transfer->request;
    CURL *curl = transfer->curl;

#define SET(option, value) (curl_easy_setopt(curl, CURLOPT_##option, value) == CURLE_OK)
    return SET(CURLU, request->url->parsed)
        && SET(PROTOCOLS_STR, strcmp(outgoing_url_scheme(request->url), "http") == 0 ? "http" : "https")
        && SET(HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1)
        && SET(USERAGENT, "waybill/" WAYBILL_VERSION)
        && SET(HTTPHEADER, transfer->headers)
        && (request->body == NULL
            || (SET(POST, 1L)
                && SET(POSTFIELDSIZE_LARGE, (curl_off_t) strlen(request->body))
                && SET(POSTFIELDS, request->body)))
        && (request->ca_file == NULL || (SET(CAINFO, request->ca_file) && SET(CAPATH, NULL)))
        && SET(TIMEOUT_MS, (long) request->timeout_ms)
        && (request->connect_timeout_ms == 0 || SET(CONNECTTIMEOUT_MS, (long) request->connect_timeout_ms));
}

/* QUICK_EXIT: a transfer that ends does not wait for a name server that does not answer. */
static bool set_options(struct transfer *transfer)
{
    CURL *curl = transfer->curl;

    return set_request(transfer)
        && SET(FOLLOWLOCATION, 0L)
        && SET(PROXY, "")
        && SET(NETRC, (long) CURL_NETRC_IGNORED)
        && SET(SSL_VERIFYPEER, 1L)
        && SET(SSL_VERIFYHOST, 2L)
        && SET(NOSIGNAL, 1L)
        && SET(QUICK_EXIT, 1L)
        && SET(ERRORBUFFER, transfer->reason)
        && SET(HEADERFUNCTION, discard_header)
        && SET(HEADERDATA, transfer)
        && SET(WRITEFUNCTION, append_content)
        && SET(WRITEDATA, transfer)
        && SET(NOPROGRESS, 0L)
        && SET(XFERINFOFUNCTION, check_stop)
        && SET(XFERINFODATA, transfer);
#undef SET
}

static bool report_timeout(const struct transfer *transfer, struct error *err)
{
    const struct outgoing_request *request = transfer->request;
    const char *authority = outgoing_url_authority(request->url);
    curl_off_t connected_us = 0; /* stays 0 until the connection is set up, with TLS */

    curl_easy_getinfo(transfer->curl, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    if (connected_us == 0 && request->connect_timeout_ms != 0)
        return error_set(err, ERROR_TIMEOUT, "%s did not accept a connection within %g s", authority,
                         request->connect_timeout_ms / 1000.0);
    return error_set(err, ERROR_TIMEOUT, "%s did not answer completely within %g s", authority,
                     request->timeout_ms / 1000.0);
}

static bool report_failure(const struct transfer *transfer, CURLcode code, struct error *err)
{
    const char *authority = outgoing_url_authority(transfer->request->url);
    long system_error = 0;

    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        return error_set(err, ERROR_CANCELLED, "the process is stopping");
    case CURLE_OPERATION_TIMEDOUT:
        return report_timeout(transfer, err);
    case CURLE_COULDNT_CONNECT:
        curl_easy_getinfo(transfer->curl, CURLINFO_OS_ERRNO, &system_error);
        return error_set(err, ERROR_UNAVAILABLE, "cannot connect to %s: %s", authority,
                         system_error == 0 ? curl_easy_strerror(code) : strerror((int) system_error));
    case CURLE_PEER_FAILED_VERIFICATION:
        return error_set(err, ERROR_UNAVAILABLE, "the certificate of %s is not valid: %s", authority,
                         transfer->reason);
    default:
        error_set(err, ERROR_UNAVAILABLE, "cannot send to %s: %s", authority, curl_easy_strerror(code));
        return error_detail(err, "%s", transfer->reason);
    }
}

static bool run_transfer(struct transfer *transfer, struct error *err)
{
    CURLcode code = curl_easy_perform(transfer->curl);
    long status = 0;

    if (code != CURLE_OK && (code != CURLE_WRITE_ERROR || !transfer->response->is_cut))
        return report_failure(transfer, code, err);
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    transfer->response->status = (int) status;
    return true;
}

static void free_transfer(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->curl);
    for (struct curl_slist *line = transfer->headers; line != NULL; line = line->next)
        memory_wipe(line->data, strlen(line->data));
    curl_slist_free_all(transfer->headers);
}

bool outgoing_send(const struct outgoing_request *request, struct outgoing_response *ret_response, struct error *err)
{
    struct outgoing_response response = {0};
    struct transfer transfer = {.request = request, .response = &response};
    bool sent = false;

    init_curl_once();
    transfer.curl = curl_easy_init();
    if (transfer.curl == NULL || !add_headers(&transfer) || !set_options(&transfer))
        error_set(err, ERROR_INTERNAL, "libcurl cannot set up a transfer");
    else
        sent = run_transfer(&transfer, err);
    free_transfer(&transfer);
    if (sent)
        *ret_response = response;
    else
        buffer_free(&response.body);
    return sent;
}
