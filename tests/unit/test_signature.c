/* access/signature.c: the vectors of the official SDK, and every way in which a request differs from them. */
#include "access/signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "check.h"
#include "signature_vectors.h"

/* A request as it is received. A test changes parts of it; all texts belong to it. */
struct received {
    char *method, *path, *query, *body;
    struct {
        char *name;
        char *value;
    } headers[VECTOR_HEADERS + 1];
    char *access_key, *signed_headers, *hex;
    const char *secret;
    bool reads_body;
    int64_t now;
};

static void receive(struct received *received, const struct vector *vector)
{
    *received = (struct received) {
        .method = memory_copy_text(vector->method),
        .path = memory_copy_text(vector->path),
        .query = memory_copy_text(vector->query),
        .body = memory_copy_text(vector->body),
        .access_key = memory_copy_text(VECTOR_ACCESS_KEY),
        .signed_headers = memory_copy_text(vector->signed_headers),
        .hex = memory_copy_text(vector->hex),
        .secret = VECTOR_SECRET,
        .reads_body = !vector->is_unsigned,
        .now = VECTOR_NOW,
    };
    for (size_t i = 0; i < VECTOR_HEADERS && vector->headers[i].name != NULL; i++) {
        received->headers[i].name = memory_copy_text(vector->headers[i].name);
        received->headers[i].value = memory_copy_text(vector->headers[i].value);
    }
}

static void forget(struct received *received)
{
    free(received->method);
    free(received->path);
    free(received->query);
    free(received->body);
    for (size_t i = 0; i <= VECTOR_HEADERS; i++) {
        free(received->headers[i].name);
        free(received->headers[i].value);
    }
    free(received->access_key);
    free(received->signed_headers);
    free(received->hex);
}

static void replace(char **text, const char *value)
{
    free(*text);
    *text = memory_copy_text(value);
}

static char **find_header(struct received *received, const char *name)
{
    size_t i = 0;

    while (i < VECTOR_HEADERS && received->headers[i].name != NULL && strcmp(received->headers[i].name, name) != 0)
        i++;
    if (received->headers[i].name == NULL)
        received->headers[i].name = memory_copy_text(name);
    return &received->headers[i].value;
}

static const char *header(const void *context, const char *name)
{
    const struct received *received = context;

    for (size_t i = 0; i <= VECTOR_HEADERS && received->headers[i].name != NULL; i++) {
        if (strcmp(received->headers[i].name, name) == 0)
            return received->headers[i].value;
    }
    return NULL;
}

/* Verifies an Authorization for the request. On failure, the error is ERROR_NONE if only the signature is wrong. */
static bool verify_authorization(const struct received *received, const char *authorization, struct error *err)
{
    const struct signature_request request = {
        .method = received->method,
        .path = received->path,
        .query = received->query,
        .header = header,
        .context = received,
        .reads_body = received->reads_body,
    };
    struct signature signature;
    char *text = NULL;
    bool valid;

    err->code = ERROR_NONE;
    valid = signature_parse(authorization, &signature, err)
            && signature_check(&signature, &request, received->now, err)
            && (text = signature_string_to_sign(&signature, &request, received->body, strlen(received->body), err))
               != NULL
            && signature_matches(&signature, text, received->secret);
    free(text);
    return valid && strcmp(signature.access_key, VECTOR_ACCESS_KEY) == 0; /* the secret is that of this key */
}

static bool verify(const struct received *received, struct error *err)
{
    struct buffer authorization = {0};
    bool valid;

    buffer_printf(&authorization, "SDK-HMAC-SHA256 Access=%s, SignedHeaders=%s, Signature=%s", received->access_key,
                  received->signed_headers, received->hex);
    valid = verify_authorization(received, authorization.data, err);
    buffer_free(&authorization);
    return valid;
}

static void check_accepted(const struct received *received)
{
    struct error err;

    if (!verify(received, &err))
        check_fail("refused: %s", err.code == ERROR_NONE ? "the signature does not match" : err.message);
}

/* Refused with a message that has this fragment. NULL: the signature does not match. */
static void check_refused(const struct received *received, const char *fragment)
{
    struct error err;

    if (verify(received, &err))
        check_fail("accepted");
    if (fragment != NULL)
        check_refusal(&err, ERROR_IDENTITY, fragment);
    else if (err.code != ERROR_NONE)
        check_fail("refused for another reason: %s", err.message);
}

static void accepts(const void *row)
{
    const struct vector *vector = row;
    struct received received;

    receive(&received, vector);
    check_accepted(&received);
    received.now = VECTOR_NOW + SIGNATURE_MAX_SKEW_MS;
    check_accepted(&received);
    received.now = VECTOR_NOW - SIGNATURE_MAX_SKEW_MS;
    check_accepted(&received);
    forget(&received);
}

/* Whether a byte has the same meaning as the original one: a digit of a percent-encoding in lower case. */
static bool has_same_meaning(const char *part, const char *at, int byte)
{
    bool is_encoded = (at - part >= 1 && at[-1] == '%') || (at - part >= 2 && at[-2] == '%');

    return is_encoded && *at >= 'A' && *at <= 'F' && byte == (*at | 0x20);
}

/*
 * Replaces each byte of a part by each other byte. The request is valid if the byte has the same meaning in a target,
 * and in no other case.
 */
static void change_each_byte(const struct received *received, const char *what, char *part, bool is_target)
{
    for (char *at = part; *at != '\0'; at++) {
        const char original = *at;

        for (int byte = 1; byte <= 255; byte++) {
            bool expected = (char) byte == original || (is_target && has_same_meaning(part, at, byte));
            struct error err;

            *at = (char) byte;
            if (verify(received, &err) != expected)
                check_fail("%s is %s with \\x%02x for \\x%02x at byte %td", what, expected ? "refused" : "valid", byte,
                           (unsigned char) original, at - part);
            *at = original;
        }
    }
}

static void refuses_any_other_byte(const void *row)
{
    const struct vector *vector = row;
    struct received received;

    receive(&received, vector);
    change_each_byte(&received, "the method", received.method, false);
    change_each_byte(&received, "the path", received.path, true);
    change_each_byte(&received, "the query", received.query, true);
    if (!vector->is_unsigned)
        change_each_byte(&received, "the body", received.body, false);
    for (size_t i = 0; i < VECTOR_HEADERS && received.headers[i].name != NULL; i++)
        change_each_byte(&received, received.headers[i].name, received.headers[i].value, false);
    change_each_byte(&received, "the access key", received.access_key, false);
    change_each_byte(&received, "SignedHeaders", received.signed_headers, false);
    change_each_byte(&received, "the signature", received.hex, false);
    forget(&received);
}

/* Changes to the vectors that do not change what is parsed. NULL leaves a part as it is. */
static const struct meaning_case {
    const char *label;
    const char *vector;
    const char *path;
    const char *query;
    const char *header; /* gets the value */
    const char *value;
} meaning_cases[] = {
    {"slash at the end", "status", "/v5/p1/export-task/94ad7efb-0000-46ed-99bf-dcd8c1c75dc2/", NULL, NULL, NULL},
    {"letter encoded", "status", "/v5/p%31/export-task/94ad7efb-0000-46ed-99bf-dcd8c1c75dc2", NULL, NULL, NULL},
    {"path encoded", "path segment with a space and UTF-8", "/v5/pro%20ject-%c3%a9/export-task/t", NULL, NULL, NULL},
    {"order of pairs", "create, two query parameters", NULL, "export_size=10&enterprise_project_id=all_granted_eps",
     NULL, NULL},
    {"empty pairs", "create, two query parameters", NULL, "&export_size=10&&enterprise_project_id=all_granted_eps&",
     NULL, NULL},
    {"plus for a space", "query value to be percent-encoded", NULL,
     "container_name=a+b%2Bc%2Fd%7ee%25*&image_name=reg:5000/%E5%AE%B9%E5%99%A8", NULL, NULL},
    {"whitespace around a value", "create, no query", NULL, NULL, "x-project-id", " \tp1 "},
    {"whitespace around the date", "create, no query", NULL, NULL, "x-sdk-date", " " VECTOR_DATE "\t"},
    {"another header", "create, no query", NULL, NULL, "x-other", "anything"},
    {"hash of the body", "create, no query", NULL, NULL, "x-sdk-content-sha256",
     "35fe9082c0dbd6fe57a79bc9979b816de2998b82a52ce3353b7c7e8d532d7bae"},
    {"hash of no body", "download", NULL, NULL, "x-sdk-content-sha256",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
};

static const struct vector *find_vector(const char *name)
{
    size_t i = 0;

    while (i < ARRAY_SIZE(vectors) && strcmp(vectors[i].name, name) != 0)
        i++;
    assert_in_range(i, 0, ARRAY_SIZE(vectors) - 1);
    return &vectors[i];
}

static void same_meaning(const void *row)
{
    const struct meaning_case *c = row;
    struct received received;

    receive(&received, find_vector(c->vector));
    if (c->path != NULL)
        replace(&received.path, c->path);
    if (c->query != NULL)
        replace(&received.query, c->query);
    if (c->header != NULL)
        replace(find_header(&received, c->header), c->value);
    check_accepted(&received);
    forget(&received);
}

/* Changes to the vector "create, two query parameters" that only the signature reveals. */
static const struct meaning_case other_cases[] = {
    {"slash encoded", NULL, "/v5/p1%2Fcontainer/export-task", NULL, NULL, NULL},
    {"two slashes", NULL, "/v5//p1/container/export-task", NULL, NULL, NULL},
    {"slash more", NULL, "/v5/p1/container/export-task//", NULL, NULL, NULL},
    {"plus in the path", NULL, "/v5/p1/container/export+task", NULL, NULL, NULL},
    {"no query", NULL, NULL, "", NULL, NULL},
    {"pair more", NULL, NULL, "enterprise_project_id=all_granted_eps&export_size=10&x=y", NULL, NULL},
    {"pair twice", NULL, NULL, "enterprise_project_id=all_granted_eps&export_size=10&export_size=10", NULL, NULL},
    {"separators encoded", NULL, NULL, "enterprise_project_id=all_granted_eps%26export_size%3D10", NULL, NULL},
    {"values exchanged", NULL, NULL, "enterprise_project_id=10&export_size=all_granted_eps", NULL, NULL},
    {"upper case", NULL, NULL, "Enterprise_project_id=all_granted_eps&export_size=10", NULL, NULL},
    {"space in a value", NULL, NULL, NULL, "x-project-id", "p 1"},
    {"date in time", NULL, NULL, NULL, "x-sdk-date", "20260403T081501Z"},
};

static void other_meaning(const void *row)
{
    const struct meaning_case *c = row;
    struct received received;

    receive(&received, find_vector("create, two query parameters"));
    if (c->path != NULL)
        replace(&received.path, c->path);
    if (c->query != NULL)
        replace(&received.query, c->query);
    if (c->header != NULL)
        replace(find_header(&received, c->header), c->value);
    check_refused(&received, NULL);
    forget(&received);
}

/* A body that was made for another secret, or is sent under another method. */
static void other_secret_or_method(void)
{
    struct received received;

    receive(&received, &vectors[0]);
    received.secret = "wbExampleSecretKey0123456789abcdefABCDEf";
    check_refused(&received, NULL);
    received.secret = "";
    check_refused(&received, NULL);
    received.secret = VECTOR_SECRET;
    replace(&received.method, "PUT");
    check_refused(&received, NULL);
    forget(&received);
}

#define HEX64 "704257cc53a59ba18432b39c7ab6266dddac7dfcbdef8d69e96b124f5be7a54e"
#define KEY130 "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK" \
               "KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK"
#define FORM "must have the form"
#define ALGORITHM "must use the algorithm SDK-HMAC-SHA256"

static const struct syntax_case {
    const char *authorization;
    const char *message;
} syntax_cases[] = {
    {"SDK-HMAC-SHA512 Access=SECRET, SignedHeaders=host;x-sdk-date, Signature=" HEX64, ALGORITHM},
    {"SDK-HMAC-SM3 Access=SECRET", ALGORITHM},
    {"SDK-HMAC-SHA2567 Access=SECRET, SignedHeaders=host;x-sdk-date, Signature=" HEX64, ALGORITHM},
    {"SDK-HMAC-SHA256\tAccess=SECRET, SignedHeaders=host;x-sdk-date, Signature=" HEX64, ALGORITHM},
    {"sdk-hmac-sha256 Access=SECRET, SignedHeaders=host;x-sdk-date, Signature=" HEX64, ALGORITHM},
    {"SDK-", ALGORITHM},
    {"SDK-HMAC-SHA256", FORM},
    {"SDK-HMAC-SHA256 ", FORM},
    {"SDK-HMAC-SHA256 Access=SECRET", FORM},
    {"SDK-HMAC-SHA256 Access=SECRET, SignedHeaders=host;x-sdk-date", FORM},
    {"SDK-HMAC-SHA256 Access=, SignedHeaders=host;x-sdk-date, Signature=" HEX64, FORM},
    {"SDK-HMAC-SHA256 Access=SECRET, SignedHeaders=, Signature=" HEX64, FORM},
    {"SDK-HMAC-SHA256 Access=SECRET, SignedHeaders=host;x-sdk-date, Signature=", FORM},
    {"SDK-HMAC-SHA256 Access=SECRET, SignedHeaders=host;x-sdk-date, Signature=SECRET", FORM},
    {"SDK-HMAC-SHA256 Access=SECRET, SignedHeaders=host;x-sdk-date, Signature=" HEX64 "0", FORM},
    {"SDK-HMAC-SHA256 Access=SECRET, SignedHeaders=host;x-sdk-date, Signature=" HEX64 ", More=1", FORM},
    {"SDK-HMAC-SHA256 Access=SECRET, SignedHeaders=host;x-sdk-date, Signature=" HEX64 " ", FORM},
    {"SDK-HMAC-SHA256 Access=SEC RET, SignedHeaders=host;x-sdk-date, Signature=" HEX64, FORM},
    {"SDK-HMAC-SHA256 Access=SECRET\xff, SignedHeaders=host;x-sdk-date, Signature=" HEX64, FORM},
    {"SDK-HMAC-SHA256 Access=" KEY130 ", SignedHeaders=host;x-sdk-date, Signature=" HEX64, FORM},
    {"SDK-HMAC-SHA256 SignedHeaders=host;x-sdk-date, Access=SECRET, Signature=" HEX64, FORM},
    {"SDK-HMAC-SHA256 Access=SECRET;SignedHeaders=host;x-sdk-date;Signature=" HEX64, FORM},
    {"SDK-HMAC-SHA256 Access=SECRET, SignedHeaders=host x-sdk-date, Signature=" HEX64, FORM},
    {"SDK-HMAC-SHA256 Access=SECRET, SignedHeaders=host;x-sdk-date, Signature="
     "704257CC53A59BA18432B39C7AB6266DDDAC7DFCBDEF8D69E96B124F5BE7A54E", FORM},
};

/* The message does not repeat what was sent, which may be a secret. */
static void syntax(const void *row)
{
    const struct syntax_case *c = row;
    struct received received;
    struct error err;

    receive(&received, &vectors[0]);
    assert_true(signature_is_present(c->authorization));
    assert_false(verify_authorization(&received, c->authorization, &err));
    check_refusal(&err, ERROR_IDENTITY, c->message);
    assert_null(strstr(err.message, "SECRET"));
    assert_string_equal(err.detail, "");
    forget(&received);
}

static void other_schemes(void)
{
    assert_false(signature_is_present(NULL));
    assert_false(signature_is_present(""));
    assert_false(signature_is_present("Basic dXNlcjpwYXNzd29yZA=="));
    assert_false(signature_is_present("Bearer SDK-HMAC-SHA256"));
    assert_false(signature_is_present("SDK"));
}

#define NAMES "SignedHeaders must be names of 1 to 63 lower-case letters, digits and hyphens"
#define NAME63 "n12345678901234567890123456789012345678901234567890123456789012"

static const struct names_case {
    const char *signed_headers;
    const char *message;
} names_cases[] = {
    {"x-project-id;x-sdk-date", "SignedHeaders must contain host and x-sdk-date, host is missing"},
    {"host;x-project-id", "SignedHeaders must contain host and x-sdk-date, x-sdk-date is missing"},
    {"host;x-sdk-dat", "each header in SignedHeaders, x-sdk-dat is missing"},
    {"host;x-sdk-date;x-missing", "each header in SignedHeaders, x-missing is missing"},
    {"host;x-sdk-date;host", "each name once, got host twice"},
    {"Host;x-sdk-date", NAMES},
    {"host;X-Sdk-Date", NAMES},
    {"host;x-sdk-date;x_project_id", NAMES},
    {"host;;x-sdk-date", NAMES},
    {";host;x-sdk-date", NAMES},
    {"host;x-sdk-date;", NAMES},
    {";", NAMES},
    {"host;x-sdk-date;" NAME63, NAME63 " is missing"},
    {"host;x-sdk-date;x" NAME63, NAMES},
    {"content-type;host;x-project-id;x-sdk-date", NULL}, /* as the vector */
    {"host;content-type;x-project-id;x-sdk-date", ""}, /* in another order: only the signature reveals it */
};

static void names(const void *row)
{
    const struct names_case *c = row;
    struct received received;

    receive(&received, &vectors[0]);
    replace(&received.signed_headers, c->signed_headers);
    if (c->message == NULL)
        check_accepted(&received);
    else
        check_refused(&received, *c->message == '\0' ? NULL : c->message);
    forget(&received);
}

static const char *every_header(const void *context, const char *name)
{
    (void) context;
    return strcmp(name, "x-sdk-date") == 0 ? VECTOR_DATE : "value";
}

static void number_of_names(void)
{
    const struct signature_request request = {.header = every_header};
    struct buffer text = {0};

    for (int count = 2; count <= 66; count++) {
        struct signature signature;
        struct error err;

        buffer_clear(&text);
        buffer_append_text(&text, "SDK-HMAC-SHA256 Access=K, SignedHeaders=host;x-sdk-date");
        for (int i = 3; i <= count; i++)
            buffer_printf(&text, ";x-%d", i);
        buffer_append_text(&text, ", Signature=" HEX64);
        check_good(signature_parse(text.data, &signature, &err), &err);
        if (count <= 64) {
            check_good(signature_check(&signature, &request, VECTOR_NOW, &err), &err);
        } else {
            assert_false(signature_check(&signature, &request, VECTOR_NOW, &err));
            check_refusal(&err, ERROR_IDENTITY, "SignedHeaders must have at most 64 names, got more");
        }
    }
    buffer_free(&text);
}

static const struct date_case {
    const char *date; /* NULL: absent */
    const char *message;
} date_cases[] = {
    {"20260403T075959Z", "got 20260403T075959Z, which is 901 seconds behind"},
    {"20260403T083001Z", "got 20260403T083001Z, which is 901 seconds ahead"},
    {"20260403T083100Z", "must be within 15 minutes of the time of the server, 2026-04-03T08:15:00.000Z, got"},
    {"20250403T081500Z", "behind"},
    {"20260403T081500", "must be a time in UTC in the form YYYYMMDDTHHMMSSZ"},
    {"20260403T081500Zx", "form"},
    {"20260403 081500Z", "form"},
    {"20260403T081500z", "form"},
    {"2026-04-03T08:15:00Z", "form"},
    {"20261303T081500Z", "form"},
    {"20260431T081500Z", "form"},
    {"20260403T241500Z", "form"},
    {"20260403T081560Z", "form"},
    {"2026 403T081500Z", "form"},
    {"+2026403T081500Z", "form"},
    {"Fri, 03 Apr 2026", "form"},
    {"1775204100000", "form"},
    {"", "form"},
    {NULL, "each header in SignedHeaders, x-sdk-date is missing"},
};

static void dates(const void *row)
{
    const struct date_case *c = row;
    struct received received;
    char **value;

    receive(&received, &vectors[0]);
    value = find_header(&received, "x-sdk-date");
    free(*value);
    *value = c->date == NULL ? NULL : memory_copy_text(c->date);
    check_refused(&received, c->message);
    forget(&received);
}

/* The difference counts in milliseconds. */
static void skew(void)
{
    struct received received;

    receive(&received, &vectors[0]);
    received.now = VECTOR_NOW + SIGNATURE_MAX_SKEW_MS + 1;
    check_refused(&received, "901 seconds behind");
    received.now = VECTOR_NOW - SIGNATURE_MAX_SKEW_MS - 1;
    check_refused(&received, "901 seconds ahead");
    forget(&received);
}

static void undecodable_targets(void)
{
    static const char *const bad[] = {"%", "%4", "%zz", "%00", "%ff", "\xff"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct buffer text = {0};
        struct received received;

        receive(&received, &vectors[0]);
        buffer_printf(&text, "/v5/p1/%s", bad[i]);
        replace(&received.path, text.data);
        check_refused(&received, "the signed path must be percent-encoded UTF-8");
        forget(&received);
        receive(&received, &vectors[0]);
        buffer_clear(&text);
        buffer_printf(&text, "a=b&c=%s", bad[i]);
        replace(&received.query, text.data);
        check_refused(&received, "the signed query must be percent-encoded UTF-8");
        forget(&received);
        buffer_free(&text);
    }
}

static const struct hash_case {
    const char *hash;
    const char *message;
} hash_cases[] = {
    {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "must be the SHA-256 of the body"},
    {"35FE9082C0DBD6FE57A79BC9979B816DE2998B82A52CE3353B7C7E8D532D7BAE", "must be the SHA-256 of the body"},
    {"", "must be the SHA-256 of the body"},
    {"unsigned-payload", "must be the SHA-256 of the body"},
    {"UNSIGNED-PAYLOAD", "the signature must cover the body of this operation"},
    {" UNSIGNED-PAYLOAD ", "the signature must cover the body of this operation"},
};

static void hashes(const void *row)
{
    const struct hash_case *c = row;
    struct received received;

    receive(&received, &vectors[0]);
    replace(find_header(&received, "x-sdk-content-sha256"), c->hash);
    check_refused(&received, c->message);
    forget(&received);
}

/* A request that is signed without its body is refused where the body matters, and valid with any body elsewhere. */
static void unsigned_payload(void)
{
    struct received received;

    receive(&received, find_vector("non-JSON content type is signed as UNSIGNED-PAYLOAD"));
    replace(&received.body, "another");
    check_accepted(&received);
    received.reads_body = true;
    check_refused(&received, "the signature must cover the body of this operation");
    forget(&received);
}

int main(void)
{
    CHECK_EACH(accepts, vectors, name);
    CHECK_EACH(refuses_any_other_byte, vectors, name);
    CHECK_EACH(same_meaning, meaning_cases, label);
    CHECK_EACH(other_meaning, other_cases, label);
    CHECK(other_secret_or_method);
    CHECK_EACH(syntax, syntax_cases, authorization);
    CHECK(other_schemes);
    CHECK_EACH(names, names_cases, signed_headers);
    CHECK(number_of_names);
    CHECK_EACH(dates, date_cases, date);
    CHECK(skew);
    CHECK(undecodable_targets);
    CHECK_EACH(hashes, hash_cases, hash);
    CHECK(unsigned_payload);
    return check_run("access/signature");
}
