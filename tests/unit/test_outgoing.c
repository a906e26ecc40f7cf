/*
 * http/outgoing.c: what it does without a server. test_webhook.c has the rules of URLs, and
 * tests/integration/test_webhook.py and test_keystone.py send requests to servers.
 */
#include "http/outgoing.h"

#include <netdb.h>
#include <pthread.h>

#include "check.h"

static void parts_of_a_url(void)
{
    struct error err;
    struct outgoing_url *url = outgoing_url_parse("x", "HTTPS://Keystone.Example.ORG/identity", &err);

    check_good(url != NULL, &err);
    assert_string_equal(outgoing_url_scheme(url), "https");
    assert_string_equal(outgoing_url_host(url), "Keystone.Example.ORG");
    assert_int_equal(outgoing_url_port(url), 443);
    assert_string_equal(outgoing_url_authority(url), "keystone.example.org:443");
    outgoing_url_free(url);
    outgoing_url_free(NULL);
}

static void messages_name_the_parameter(void)
{
    struct error err;

    assert_null(outgoing_url_parse("[access] keystone_url", "nowhere", &err));
    check_refusal(&err, ERROR_PARAMETER, "[access] keystone_url must have the form https://HOST/PATH");
}

/* A resolver that does not answer until the test ends. It replaces the one of the C library, which libcurl calls. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool answers;
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict ret_addresses)
{
    (void) name, (void) service, (void) hints, (void) ret_addresses;
    pthread_mutex_lock(&resolver.lock);
    while (!resolver.answers)
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    pthread_mutex_unlock(&resolver.lock);
    return EAI_AGAIN;
}

static const struct timeout_case {
    const char *label;
    int timeout_ms, connect_timeout_ms;
    const char *fragment;
} timeout_cases[] = {
    {"connecting", 60000, 200, "good.example:443 did not accept a connection within 0.2 s"},
    {"all of it", 300, 0, "good.example:443 did not answer completely within 0.3 s"},
};

static void timeouts(const void *row)
{
    static const struct outgoing_header none[] = {{0}};
    const struct timeout_case *c = row;
    struct outgoing_response response = {.status = 7};
    struct error err;
    struct outgoing_url *url = outgoing_url_parse("x", "https://good.example/", &err);
    const struct outgoing_request request = {.url = url, .headers = none, .timeout_ms = c->timeout_ms,
                                             .connect_timeout_ms = c->connect_timeout_ms, .max_response = 1000};

    check_good(url != NULL, &err);
    assert_false(outgoing_send(&request, &response, &err));
    check_refusal(&err, ERROR_TIMEOUT, c->fragment);
    assert_int_equal(response.status, 7);
    outgoing_url_free(url);
}

static void answer_resolver(void)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.answers = true;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
}

int main(void)
{
    CHECK(parts_of_a_url);
    CHECK(messages_name_the_parameter);
    CHECK_EACH(timeouts, timeout_cases, label);
    CHECK(answer_resolver);
    return check_run("http/outgoing");
}
