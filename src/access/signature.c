#include "access/signature.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

#define ALGORITHM "SDK-HMAC-SHA256"
#define DATE_HEADER "x-sdk-date"
#define HASH_HEADER "x-sdk-content-sha256"
#define UNSIGNED "UNSIGNED-PAYLOAD"
#define NAME_SIZE 64 /* of a header name, with the NUL */

#define LOWER_CASE "abcdefghijklmnopqrstuvwxyz"
#define UPPER_CASE "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* Bytes of a text that end before its NUL. */
struct span {
    const char *start;
    size_t length;
};

bool signature_is_present(const char *authorization)
{
    return authorization != NULL && strncasecmp(authorization, SIGNATURE_SCHEME, strlen(SIGNATURE_SCHEME)) == 0;
}

/* Consumes a prefix and the longest run of these characters, which must not be empty. */
static bool take_field(const char **text, const char *prefix, const char *characters, struct span *ret_value)
{
    size_t length = strlen(prefix);

    if (strncmp(*text, prefix, length) != 0)
        return false;
    ret_value->start = *text + length;
    ret_value->length = strspn(ret_value->start, characters);
    *text = ret_value->start + ret_value->length;
    return ret_value->length > 0;
}

static void copy_span(char *out, const struct span *span)
{
    memcpy(out, span->start, span->length);
    out[span->length] = '\0';
}

bool signature_parse(const char *authorization, struct signature *ret_signature, struct error *err)
{
    struct span access_key, signed_headers, hex;
    const char *rest = authorization;

    if (strcspn(rest, " ") != strlen(ALGORITHM) || strncmp(rest, ALGORITHM, strlen(ALGORITHM)) != 0)
        return error_set(err, ERROR_IDENTITY, "Authorization must use the algorithm " ALGORITHM ", got another one");
    rest += strlen(ALGORITHM);
    if (!take_field(&rest, " Access=", LOWER_CASE UPPER_CASE DIGITS "-_", &access_key)
        || access_key.length > SIGNATURE_MAX_ACCESS_KEY
        || !take_field(&rest, ", SignedHeaders=", LOWER_CASE UPPER_CASE DIGITS "-_;", &signed_headers)
        || !take_field(&rest, ", Signature=", "abcdef" DIGITS, &hex)
        || hex.length != 2 * SHA256_SIZE
        || *rest != '\0')
        return error_set(err, ERROR_IDENTITY,
                         "Authorization must have the form " ALGORITHM " Access=KEY, SignedHeaders=NAMES,"
                         " Signature=HEX, where HEX is %d lower-case hexadecimal digits, got another form",
                         2 * SHA256_SIZE);
    *ret_signature = (struct signature) {
        .signed_headers = signed_headers.start,
        .signed_headers_length = signed_headers.length,
    };
    copy_span(ret_signature->access_key, &access_key);
    copy_span(ret_signature->hex, &hex);
    return true;
}

/*
 * Finds the next name in SignedHeaders. *name is the current one; start with zeros. Returns false at the end. A name
 * may be empty.
 */
static bool next_name(const struct signature *signature, struct span *name)
{
    const char *end = signature->signed_headers + signature->signed_headers_length;
    const char *start = name->start == NULL ? signature->signed_headers : name->start + name->length + 1;
    const char *separator;

    if (start > end)
        return false;
    separator = memchr(start, ';', (size_t) (end - start));
    *name = (struct span) {start, (size_t) ((separator == NULL ? end : separator) - start)};
    return true;
}

static bool has_name(const struct signature *signature, const char *wanted)
{
    struct span name = {0};

    while (next_name(signature, &name)) {
        if (name.length == strlen(wanted) && memcmp(name.start, wanted, name.length) == 0)
            return true;
    }
    return false;
}

/* Whether the name occurs before this place. */
static bool occurs_before(const struct signature *signature, const struct span *name)
{
    struct span earlier = {0};

    while (next_name(signature, &earlier) && earlier.start < name->start) {
        if (earlier.length == name->length && memcmp(earlier.start, name->start, name->length) == 0)
            return true;
    }
    return false;
}

/* Returns a header as a span without the whitespace around it, or a span with a NULL start if it is absent. */
static struct span trimmed_header(const struct signature_request *request, const char *name)
{
    struct span value = {request->header(request->context, name), 0};

    if (value.start == NULL)
        return value;
    value.start += strspn(value.start, " \t");
    value.length = strlen(value.start);
    while (value.length > 0 && strchr(" \t", value.start[value.length - 1]) != NULL)
        value.length--;
    return value;
}

/*
 * A name must have only characters that CGI variables tell apart: these have an underscore for a hyphen, and only upper
 * case (RFC 3875 section 4.1.18).
 */
static bool check_name(const struct signature *signature, const struct signature_request *request,
                       const struct span *span, struct error *err)
{
    char name[NAME_SIZE];

    if (span->length == 0 || span->length >= sizeof(name) || strspn(span->start, LOWER_CASE DIGITS "-") < span->length)
        return error_set(err, ERROR_IDENTITY,
                         "SignedHeaders must be names of 1 to %zu lower-case letters, digits and hyphens, joined by ;,"
                         " got a name of another form", sizeof(name) - 1);
    copy_span(name, span);
    if (occurs_before(signature, span))
        return error_set(err, ERROR_IDENTITY, "SignedHeaders must contain each name once, got %s twice", name);
    if (request->header(request->context, name) == NULL)
        return error_set(err, ERROR_IDENTITY, "the request must have each header in SignedHeaders, %s is missing",
                         name);
    return true;
}

static bool check_names(const struct signature *signature, const struct signature_request *request, struct error *err)
{
    static const char *const required[] = {"host", DATE_HEADER};
    struct span name = {0};

    for (int count = 0; next_name(signature, &name); count++) {
        if (count == SIGNATURE_MAX_HEADERS)
            return error_set(err, ERROR_IDENTITY, "SignedHeaders must have at most %d names, got more", count);
        if (!check_name(signature, request, &name, err))
            return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
        if (!has_name(signature, required[i]))
            return error_set(err, ERROR_IDENTITY, "SignedHeaders must contain host and " DATE_HEADER ", %s is missing",
                             required[i]);
    }
    return true;
}

/* Parses YYYYMMDDTHHMMSSZ. */
static bool parse_date(const struct span *text, int64_t *ret_ms)
{
    const char *at = text->start;
    char iso8601[sizeof("2026-04-03T08:15:00Z")];
    bool has_offset;

    if (text->length != strlen("YYYYMMDDTHHMMSSZ") || at[8] != 'T' || at[15] != 'Z')
        return false;
    snprintf(iso8601, sizeof(iso8601), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", at, at + 4, at + 6, at + 9, at + 11, at + 13);
    return clock_parse_iso8601(iso8601, ret_ms, &has_offset);
}

static bool check_date(const struct signature_request *request, int64_t now, struct error *err)
{
    struct span text = trimmed_header(request, DATE_HEADER);
    char server_time[CLOCK_ISO8601_SIZE];
    int64_t date, ahead;

    if (!parse_date(&text, &date))
        return error_set(err, ERROR_IDENTITY, "X-Sdk-Date must be a time in UTC in the form YYYYMMDDTHHMMSSZ, got"
                         " another form");
    ahead = date - now;
    if (ahead >= -SIGNATURE_MAX_SKEW_MS && ahead <= SIGNATURE_MAX_SKEW_MS)
        return true;
    clock_format_iso8601(server_time, now);
    return error_set(err, ERROR_IDENTITY, "X-Sdk-Date must be within %d minutes of the time of the server, %s, got"
                     " %.16s, which is %" PRId64 " seconds %s", SIGNATURE_MAX_SKEW_MS / 60000, server_time, text.start,
                     ((ahead < 0 ? -ahead : ahead) + 999) / 1000, ahead < 0 ? "behind" : "ahead");
}

bool signature_check(const struct signature *signature, const struct signature_request *request, int64_t now,
                     struct error *err)
{
    return check_names(signature, request, err) && check_date(request, now, err);
}

/* Appends the path with each segment decoded and encoded again, and a slash at its end. */
static bool append_path(struct buffer *out, const char *path, struct error *err)
{
    char *copy = memory_copy_text(path);
    char *rest = copy, *segment;
    bool decoded = true;

    while (decoded && (segment = strsep(&rest, "/")) != NULL) {
        decoded = text_percent_decode(segment, false);
        if (decoded)
            buffer_append_encoded(out, segment);
        if (decoded && (rest != NULL || out->data[out->length - 1] != '/'))
            buffer_append_text(out, "/");
    }
    free(copy);
    return decoded ? true : error_set(err, ERROR_IDENTITY,
                                      "the signed path must be percent-encoded UTF-8 without U+0000");
}

struct pair {
    const char *name;
    const char *value;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *one = a, *other = b;
    int order = strcmp(one->name, other->name);

    return order == 0 ? strcmp(one->value, other->value) : order;
}

static void append_pairs(struct buffer *out, struct pair *pairs, size_t count)
{
    if (count > 0)
        qsort(pairs, count, sizeof(*pairs), compare_pairs);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_text(out, "&");
        buffer_append_encoded(out, pairs[i].name);
        buffer_append_text(out, "=");
        buffer_append_encoded(out, pairs[i].value);
    }
}

/* Appends the pairs of the query, decoded and encoded again, sorted by name and value. */
static bool append_query(struct buffer *out, const char *query, struct error *err)
{
    struct pair *pairs = memory_zeroed(strlen(query) / 2 + 1, sizeof(*pairs));
    char *copy = memory_copy_text(query);
    char *rest = copy, *name, *value;
    size_t count = 0;
    bool decoded = true;

    while (decoded && (name = text_next_pair(&rest)) != NULL) {
        decoded = text_decode_pair(name, &value);
        pairs[count++] = (struct pair) {name, value};
    }
    if (decoded)
        append_pairs(out, pairs, count);
    free(copy);
    free(pairs);
    return decoded ? true : error_set(err, ERROR_IDENTITY,
                                      "the signed query must be percent-encoded UTF-8 without U+0000");
}

/* Appends a line for each signed header, an empty line, and SignedHeaders. */
static void append_headers(struct buffer *out, const struct signature *signature,
                           const struct signature_request *request)
{
    struct span span = {0};
    char name[NAME_SIZE];

    while (next_name(signature, &span)) {
        struct span value;

        copy_span(name, &span);
        value = trimmed_header(request, name);
        buffer_printf(out, "%s:%.*s\n", name, (int) value.length, value.start);
    }
    buffer_append_text(out, "\n");
    buffer_append(out, signature->signed_headers, signature->signed_headers_length);
}

/* Appends the hash of the body, or what X-Sdk-Content-Sha256 says if it is true. */
static bool append_body(struct buffer *out, const struct signature_request *request, const void *body, size_t length,
                        struct error *err)
{
    struct span announced = trimmed_header(request, HASH_HEADER);
    unsigned char sha256[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];

    if (announced.length == strlen(UNSIGNED) && memcmp(announced.start, UNSIGNED, announced.length) == 0) {
        buffer_append_text(out, UNSIGNED);
        return request->reads_body ? error_set(err, ERROR_IDENTITY, "the signature must cover the body of this"
                                               " operation, got X-Sdk-Content-Sha256: " UNSIGNED) : true;
    }
    digest_sha256(body, length, sha256);
    text_hex(hex, sha256, sizeof(sha256));
    buffer_append_text(out, hex);
    if (announced.start == NULL || (announced.length == strlen(hex) && memcmp(announced.start, hex, strlen(hex)) == 0))
        return true;
    return error_set(err, ERROR_IDENTITY, "X-Sdk-Content-Sha256 must be the SHA-256 of the body in lower-case"
                     " hexadecimal digits, got another value");
}

static bool append_request(struct buffer *out, const struct signature *signature,
                           const struct signature_request *request, const void *body, size_t length, struct error *err)
{
    buffer_printf(out, "%s\n", request->method);
    if (!append_path(out, request->path, err))
        return false;
    buffer_append_text(out, "\n");
    if (!append_query(out, request->query, err))
        return false;
    buffer_append_text(out, "\n");
    append_headers(out, signature, request);
    buffer_append_text(out, "\n");
    return append_body(out, request, body, length, err);
}

char *signature_string_to_sign(const struct signature *signature, const struct signature_request *request,
                               const void *body, size_t length, struct error *err)
{
    struct span date = trimmed_header(request, DATE_HEADER);
    struct buffer canonical = {0}, result = {0};
    unsigned char sha256[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];

    if (append_request(&canonical, signature, request, body, length, err)) {
        digest_sha256(canonical.data, canonical.length, sha256);
        text_hex(hex, sha256, sizeof(sha256));
        buffer_printf(&result, ALGORITHM "\n%.*s\n%s", (int) date.length, date.start, hex);
    }
    buffer_free(&canonical);
    return result.data;
}

bool signature_matches(const struct signature *signature, const char *string_to_sign, const char *secret)
{
    unsigned char hmac[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    bool same;

    digest_hmac_sha256(secret, strlen(secret), string_to_sign, strlen(string_to_sign), hmac);
    text_hex(hex, hmac, sizeof(hmac));
    same = digest_equal_texts(hex, signature->hex);
    memory_wipe(hmac, sizeof(hmac));
    memory_wipe(hex, sizeof(hex));
    return same;
}
