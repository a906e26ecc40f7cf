/* The URLs, secrets and signatures of webhooks. tests/integration/test_webhook.py sends them to real receivers. */
#include "schedule/webhook.h"

#include <netdb.h>
#include <pthread.h>
#include <string.h>

#include "base/buffer.h"
#include "check.h"

#define HOSTS "good.example, port.example:8443, plain.example:80, 127.0.0.1, [2001:db8::1]:443, xn--bcher-kva.example"

static const struct webhook_policy https_only = {.hosts = HOSTS, .allow_http = false};
static const struct webhook_policy with_http = {.hosts = HOSTS, .allow_http = true};

static const struct url_case {
    const char *url;
    const char *fragment; /* of the message; NULL: the URL is allowed */
} https_cases[] = {
    {"https://good.example", NULL},
    {"https://good.example/", NULL},
    {"https://good.example/hook?token=1&x=%20", NULL},
    {"https://good.example:8443/hook", NULL},
    {"https://GOOD.Example/hook", NULL},
    {"HTTPS://good.example/hook", NULL},
    {"https://port.example:8443", NULL},
    {"https://port.example:08443", NULL},
    {"https://127.0.0.1/", NULL},
    {"https://[2001:db8::1]/", NULL},
    {"https://[2001:DB8:0::1]:443/", NULL},
    {"https://xn--bcher-kva.example/", NULL},
    {"https://good.example/a@b", NULL},
    {"https://good.example/..//a\\b", NULL},
    /* libcurl connects to the host that it has decoded, and that one is checked. */
    {"https://g%6fod.example/", NULL},
    {"https://0x7f.1/", NULL},
    {"https://2130706433/", NULL},
    {"https://0177.0.0.01/", NULL},
    {"", "1 to 2048 characters, got 0"},
    {"http://good.example/", "the scheme https, got \"http\""},
    {"ftp://good.example/", "the scheme https, got \"ftp\""},
    {"file://good.example/etc/passwd", "valid URL"},
    {"file://127.0.0.1/etc/passwd", "a port from 1 to 65535"},
    {"file:///etc/passwd", "the form https://HOST/PATH"},
    {"gopher://good.example/", "the scheme https, got \"gopher\""},
    {"httpsx://good.example/", "the scheme https, got \"httpsx\""},
    {"good.example", "the form https://HOST/PATH"},
    {"good.example:443", "the form https://HOST/PATH"},
    {"//good.example/", "the form https://HOST/PATH"},
    {"/hook", "the form https://HOST/PATH"},
    {"https:good.example", "the form https://HOST/PATH"},
    {"https:/good.example", "the form https://HOST/PATH"},
    {"https:///good.example", "the form https://HOST/PATH"},
    {"https:\\\\good.example", "the form https://HOST/PATH"},
    {"https://", "valid URL"},
    {"https://?good.example", "valid URL"},
    {"https://:443/", "valid URL"},
    {"https://good.example:0/", "a port from 1 to 65535, got 0"},
    {"https://good.example:00/", "a port from 1 to 65535, got 0"},
    {"https://good.example:65536/", "valid URL"},
    {"https://good.example:x/", "valid URL"},
    {"https://[2001:db8::1/", "valid URL"},
    {"https://[good.example]/", "valid URL"},
    {"https://good.example\\.evil.example/", "valid URL"},
    {"https://evil.example/", "[notify] hosts lists, got \"evil.example:443\""},
    {"https://evil.example:8443/", "got \"evil.example:8443\""},
    {"https://port.example/", "got \"port.example:443\""},
    {"https://port.example:443/", "got \"port.example:443\""},
    {"https://plain.example/", "got \"plain.example:443\""},
    {"https://good.example.evil.example/", "got \"good.example.evil.example:443\""},
    {"https://evil.good.example/", "got \"evil.good.example:443\""},
    {"https://good.example./", "got \"good.example.:443\""},
    {"https://good.exampl/", "got \"good.exampl:443\""},
    {"https://evil.example/good.example", "got \"evil.example:443\""},
    {"https://evil.example?@good.example", "got \"evil.example:443\""},
    {"https://evil.example%2f.good.example/", "valid URL"},
    {"https://good.example%00.evil.example/", "valid URL"},
    {"https://good.example%20/", "valid URL"},
    {"https://good.example,port.example:8443/", "valid URL"},
    {"https://good.example%2c/", "valid URL"},
    {"https://b%C3%BCcher.example/", "[notify] hosts lists"},
    {"https://g%EF%BC%8Fod.example/", "[notify] hosts lists"},
    {"https://127.0.0.2/", "got \"127.0.0.2:443\""},
    {"https://127.1.0.1/", "got \"127.1.0.1:443\""},
    {"https://[::ffff:127.0.0.1]/", "got \"[::ffff:127.0.0.1]:443\""},
    {"https://[2001:db8::1]:444/", "got \"[2001:db8::1]:444\""},
    {"https://[2001:db8::2]/", "got \"[2001:db8::2]:443\""},
    {"https://[2001:db8::1%251]/", "zone"},
    {"https://user@good.example/", "user information"},
    {"https://user:password@good.example/", "user information"},
    {"https://@good.example/", "user information"},
    {"https://good.example@evil.example/", "user information"},
    {"https://evil.example\\@good.example/", "user information"},
    {"https://good.example:443@evil.example/", "user information"},
    {"https://good.example/#part", "fragment"},
    {"https://good.example/#", "fragment"},
    {"https://good.example#@evil.example/", "fragment"},
    {" https://good.example/", "visible ASCII characters, got \\x20"},
    {"https://good.example/ ", "visible ASCII characters, got \\x20"},
    {"https://good.example/a b", "visible ASCII characters, got \\x20"},
    {"https://good.example/\r\nHost: evil.example", "visible ASCII characters, got \\x0D"},
    {"https://good.example\t/", "visible ASCII characters, got \\x09"},
    {"https://good.example/\x01", "visible ASCII characters, got \\x01"},
    {"https://good.example/\x7F", "visible ASCII characters, got \\x7F"},
    {"https://b\xC3\xBC" "cher.example/", "visible ASCII characters, got \\xC3"},
    {"https://good\xE3\x80\x82" "example/", "visible ASCII characters, got \\xE3"},
};

static void check_url(const struct url_case *c, const struct webhook_policy *policy)
{
    struct error err;

    if (c->fragment == NULL) {
        check_good(webhook_check_url(c->url, policy, &err), &err);
        return;
    }
    if (webhook_check_url(c->url, policy, &err))
        check_fail("%s was allowed", c->url);
    check_refusal(&err, ERROR_PARAMETER, "notify_url must ");
    check_refusal(&err, ERROR_PARAMETER, c->fragment);
}

static void https_urls(const void *row)
{
    check_url(row, &https_only);
}

static const struct url_case http_cases[] = {
    {"http://good.example", NULL},
    {"http://plain.example/", NULL},
    {"http://plain.example:80/", NULL},
    {"https://plain.example:80/", NULL},
    {"https://good.example", NULL},
    {"http://port.example/", "got \"port.example:80\""},
    {"http://[2001:db8::1]/", "got \"[2001:db8::1]:80\""},
    {"https://plain.example/", "got \"plain.example:443\""},
    {"ftp://good.example/", "the scheme https or http, got \"ftp\""},
};

static void http_urls(const void *row)
{
    check_url(row, &with_http);
}

static void no_host_is_allowed_by_default(void)
{
    const struct webhook_policy policy = {.hosts = "", .allow_http = true};
    struct error err;

    assert_false(webhook_check_url("https://good.example/", &policy, &err));
    check_refusal(&err, ERROR_PARAMETER, "notify_url must have a host that [notify] hosts lists");
}

static void length_of_urls(void)
{
    struct buffer url = {0};
    struct error err;

    buffer_append_text(&url, "https://good.example/");
    while (url.length < 2048)
        buffer_append_text(&url, "x");
    check_good(webhook_check_url(url.data, &https_only, &err), &err);
    buffer_append_text(&url, "x");
    assert_false(webhook_check_url(url.data, &https_only, &err));
    check_refusal(&err, ERROR_PARAMETER, "notify_url must have 1 to 2048 characters, got 2049");
    buffer_free(&url);
}

/* Messages go to the log and to the owner of the schedule later, so they contain nothing but the host. */
static void messages_keep_secrets(const void *row)
{
    const struct url_case *c = row;
    struct error err;

    assert_false(webhook_check_url(c->url, &https_only, &err));
    if (strstr(err.message, "s3cret") != NULL || strstr(err.detail, "s3cret") != NULL)
        check_fail("the message has the secret: %s (%s)", err.message, err.detail);
}

static const struct url_case secret_cases[] = {
    {"s3cret", ""},
    {"https:s3cret", ""},
    {"https://s3cret:s3cret@good.example/", ""},
    {"https://good.example/#s3cret", ""},
    {"https://evil.example/s3cret?s3cret", ""},
    {"https://evil.example:0/s3cret?s3cret", ""},
    {"http://good.example/s3cret?s3cret", ""},
    {"https://good.example/s3cret s3cret", ""},
};

static const struct receiver_case {
    const char *url;
    const char *receiver; /* NULL: not a URL */
} receiver_cases[] = {
    {"https://good.example/a?b", "good.example:443"},
    {"http://Good.Example", "good.example:80"},
    {"https://good.example:08443", "good.example:8443"},
    {"https://[2001:DB8::0:1]/", "[2001:db8::1]:443"},
    {"https://0x7f.1/", "127.0.0.1:443"},
    {"ftp://good.example/", NULL},
    {"https://good.example:0/", NULL},
    {"good.example", NULL},
};

static void receivers(const void *row)
{
    const struct receiver_case *c = row;
    char receiver[WEBHOOK_RECEIVER_SIZE] = "unchanged";
    struct error err;

    if (c->receiver != NULL) {
        check_good(webhook_receiver(c->url, receiver, &err), &err);
        assert_string_equal(receiver, c->receiver);
        return;
    }
    assert_false(webhook_receiver(c->url, receiver, &err));
    check_refusal(&err, ERROR_PARAMETER, "notify_url must ");
    assert_string_equal(receiver, "unchanged");
}

static void a_long_host_is_cut(void)
{
    char receiver[WEBHOOK_RECEIVER_SIZE];
    struct buffer url = {0};
    struct error err;

    buffer_append_text(&url, "https://");
    while (url.length < 1000)
        buffer_append_text(&url, "x");
    check_good(webhook_receiver(url.data, receiver, &err), &err);
    assert_int_equal(strlen(receiver), sizeof(receiver) - 1);
    buffer_free(&url);
}

static void secrets_are_random(void)
{
    char a[WEBHOOK_SECRET_SIZE], b[WEBHOOK_SECRET_SIZE];
    unsigned char key[BASE64_DECODED_SIZE(44)];
    size_t length;

    webhook_new_secret(a);
    webhook_new_secret(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 6 + 44);
    assert_int_equal(strncmp(a, "whsec_", 6), 0);
    assert_true(base64_decode(key, a + 6, &length));
    assert_int_equal(length, 32);
}

/*
 * The first is the example of Standard Webhooks. The second is by Python, with `import base64, hashlib, hmac`:
 * base64.b64encode(hmac.new(bytes(range(32)), 'msg_1.1775204100.{"n":"b\u00fc"}'.encode(), hashlib.sha256).digest())
 */
static const struct signature_case {
    const char *label;
    struct webhook_message message;
    int64_t timestamp;
    const char *signature;
} signature_cases[] = {
    {"standard",
     {.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", .id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
      .body = "{\"test\": 2432232314}"},
     1614265330, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
    {"own",
     {.secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", .id = "msg_1", .body = "{\"n\":\"b\xC3\xBC\"}"},
     1775204100, "v1,AMqSGy6XHYxGUlKbYe2tbLeILlUF/u+OpWbM+D6HSVE="},
};

static void signatures(const void *row)
{
    const struct signature_case *c = row;
    char signature[WEBHOOK_SIGNATURE_SIZE];
    struct error err;

    check_good(webhook_sign(&c->message, c->timestamp, signature, &err), &err);
    assert_string_equal(signature, c->signature);
    assert_int_equal(strlen(signature) + 1, WEBHOOK_SIGNATURE_SIZE);
}

static const struct secret_case {
    const char *secret;
} no_secret_cases[] = {
    {""},
    {"whsec"},
    {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    {"WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"},
    {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw "},
    {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
};

static void no_secrets(const void *row)
{
    const struct secret_case *c = row;
    const struct webhook_message message = {.secret = c->secret, .id = "msg_1", .body = "{}"};
    char signature[WEBHOOK_SIGNATURE_SIZE];
    struct error err;

    assert_false(webhook_sign(&message, 0, signature, &err));
    check_refusal(&err, ERROR_INTERNAL, "the secret of the notification is not valid");
}

/* A resolver that does not answer until the test ends. It replaces the one of the C library, which libcurl calls. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool asked, answers;
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict ret_addresses)
{
    (void) name, (void) service, (void) hints, (void) ret_addresses;
    pthread_mutex_lock(&resolver.lock);
    resolver.asked = true;
    while (!resolver.answers)
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    pthread_mutex_unlock(&resolver.lock);
    return EAI_AGAIN;
}

static void silent_resolver(void)
{
    const struct webhook_message message = {
        .url = "https://good.example/", .secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", .id = "m", .body = "{}"};
    const struct webhook_terms terms = {.policy = https_only, .timeout_ms = 300};
    struct error err;

    assert_false(webhook_send(&message, &terms, &err));
    check_refusal(&err, ERROR_TIMEOUT, "good.example:443 did not answer completely within 0.3 s");
    pthread_mutex_lock(&resolver.lock);
    assert_true(resolver.asked);
    assert_false(resolver.answers);
    resolver.answers = true;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
    assert_false(webhook_send(&message, &terms, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "cannot send to good.example:443: Couldn't resolve host name");
}

int main(void)
{
    CHECK_EACH(https_urls, https_cases, url);
    CHECK_EACH(http_urls, http_cases, url);
    CHECK(no_host_is_allowed_by_default);
    CHECK(length_of_urls);
    CHECK_EACH(messages_keep_secrets, secret_cases, url);
    CHECK_EACH(receivers, receiver_cases, url);
    CHECK(a_long_host_is_cut);
    CHECK(secrets_are_random);
    CHECK_EACH(signatures, signature_cases, label);
    CHECK_EACH(no_secrets, no_secret_cases, secret);
    CHECK(silent_resolver);
    return check_run("schedule/webhook");
}
