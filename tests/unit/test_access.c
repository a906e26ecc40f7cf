/* access/access.c and access/token.c: what they check without a database, and which credentials count. */
#include "access/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "access/token.h"
#include "base/clock.h"
#include "base/memory.h"
#include "check.h"
#include "metrics/counters.h"
#include "scratch.h"

#define HEX64 "704257cc53a59ba18432b39c7ab6266dddac7dfcbdef8d69e96b124f5be7a54e"
#define SIGNED "SDK-HMAC-SHA256 Access=SECRET, SignedHeaders=host;x-sdk-date, Signature=" HEX64

static char date[sizeof("YYYYMMDDTHHMMSSZ")];
static char empty[1];

/* The headers host and x-sdk-date, now. */
static const char *header(const void *context, const char *name)
{
    time_t now = (time_t) (clock_now_ms() / 1000);
    struct tm tm;

    (void) context;
    if (strcmp(name, "host") == 0)
        return "inventory.example.com";
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &tm);
    return strcmp(name, "x-sdk-date") == 0 ? date : NULL;
}

static const char *header_of_last_year(const void *context, const char *name)
{
    return strcmp(name, "x-sdk-date") == 0 ? "20250403T081500Z" : header(context, name);
}

/* An access with this limit on failed sign-ins. The key file exists if `has_keys` is set. */
struct setting {
    struct config config;
    struct access *access;
};

static void begin(struct setting *setting, int limit, bool has_keys)
{
    char *path = has_keys ? scratch_write("access.key", BYTES("")) : scratch_path("missing.key");

    *setting = (struct setting) {.config = {
        .key_file = path, .failed_signins = limit, .keystone_url = empty, .keystone_ca_file = empty,
        .create_role = empty, .read_role = empty,
    }};
    setting->access = access_new(&setting->config, NULL);
    scratch_catch_log();
}

static void end(struct setting *setting)
{
    scratch_release_log();
    access_free(setting->access);
    free(setting->config.key_file);
}

static bool check_one(struct setting *setting, const char *authorization, const char *token, struct error *err)
{
    const struct credentials credentials = {
        .authorization = authorization,
        .token = token,
        .address = "192.0.2.1",
        .request_id = "the-request",
        .request = {.method = "GET", .path = "/", .query = "", .header = header},
    };

    assert_int_equal(access_needs_body(&credentials), authorization != NULL
                                                      && strncasecmp(authorization, "SDK-", 4) == 0);
    return access_check(setting->access, &credentials, err);
}

static void token_lengths(void)
{
    static const size_t lengths[] = {1, 2, TOKEN_MAX_LENGTH - 1, TOKEN_MAX_LENGTH, TOKEN_MAX_LENGTH + 1, 100000};
    struct setting setting;

    assert_int_equal(TOKEN_MAX_LENGTH, 32768);
    begin(&setting, 0, true);
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        char *token = memory_zeroed(lengths[i] + 1, 1);
        struct error err;

        memset(token, 'T', lengths[i]);
        if (lengths[i] <= TOKEN_MAX_LENGTH) {
            check_good(check_one(&setting, NULL, token, &err), &err);
        } else {
            assert_false(check_one(&setting, NULL, token, &err));
            check_refusal(&err, ERROR_IDENTITY, "X-Auth-Token must be 1 to 32768 characters long");
            assert_null(strstr(err.message, "TTT"));
        }
        free(token);
    }
    end(&setting);
}

#define NEITHER "X-Auth-Token of 1 to 32768 characters, or Authorization with a signature, is required"

static const struct kinds_case {
    const char *label;
    const char *authorization;
    const char *token;
    const char *message; /* NULL: good */
} kinds_cases[] = {
    {"nothing", NULL, NULL, NEITHER},
    {"an empty token", NULL, "", NEITHER},
    {"another scheme", "Basic dXNlcjpTRUNSRVQ=", NULL, NEITHER},
    {"a token", NULL, "T", NULL},
    {"a token and another scheme", "Basic dXNlcjpTRUNSRVQ=", "T", NULL},
    {"a token and an empty Authorization", "", "T", NULL},
    {"a signature", SIGNED, NULL, NULL},
    {"a signature and an empty token", SIGNED, "", NULL},
    {"a signature of another algorithm", "SDK-HMAC-SM3 Access=SECRET", NULL, "algorithm SDK-HMAC-SHA256"},
    {"a bad signature and a token", "SDK-HMAC-SM3 Access=SECRET", "T", "algorithm SDK-HMAC-SHA256"},
    {"a bad signature in another case and a token", "sdk-x", "T", "algorithm SDK-HMAC-SHA256"},
};

/* A signature comes first. Other schemes of Authorization are those of web servers. */
static void kinds(const void *row)
{
    const struct kinds_case *c = row;
    struct setting setting;
    struct error err;

    begin(&setting, 1, true);
    if (c->message == NULL) {
        check_good(check_one(&setting, c->authorization, c->token, &err), &err);
    } else {
        assert_false(check_one(&setting, c->authorization, c->token, &err));
        check_refusal(&err, ERROR_IDENTITY, c->message);
    }
    end(&setting);
}

static void no_key_file(void)
{
    struct setting setting;
    struct error err;

    begin(&setting, 0, false);
    assert_false(check_one(&setting, SIGNED, NULL, &err));
    check_refusal(&err, ERROR_IDENTITY, "the service has no access keys");
    check_good(check_one(&setting, NULL, "T", &err), &err);
    end(&setting);
}

/* Returns how often a sign-in with this kind of credentials has failed since the last call. */
static double count_failures(const char *kind)
{
    size_t count;
    struct counter *counters = counters_take(&count);
    char name[COUNTERS_NAME_SIZE];
    double found = 0;

    snprintf(name, sizeof(name), "waybill_failed_signins_total{credentials=\"%s\"}", kind);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(counters[i].name, name) == 0)
            found = counters[i].amount;
    }
    free(counters);
    return found;
}

/* Each failure is logged once, without what the caller sent. A request without credentials is no failure. */
static void failures_are_logged(void)
{
    struct setting setting;
    struct buffer log = {0};
    struct error err;

    begin(&setting, 0, true);
    (void) count_failures("token");
    assert_false(check_one(&setting, NULL, NULL, &err));
    scratch_read_log(&log);
    assert_int_equal(log.length, 0);
    assert_true(count_failures("access_key") == 0);

    assert_false(check_one(&setting, SIGNED " ", NULL, &err));
    scratch_read_log(&log);
    assert_non_null(strstr(log.data, " warning event=\"sign-in failed\" request_id=the-request address=192.0.2.1"
                                     " credentials=access_key error=identity "));
    assert_ptr_equal(strchr(log.data, '\n'), log.data + log.length - 1);
    assert_null(strstr(log.data, "SECRET"));
    assert_null(strstr(log.data, HEX64));
    assert_true(count_failures("access_key") == 1);
    buffer_free(&log);
    end(&setting);
}

/* Beyond the limit, no credentials are evaluated, not even good ones. Those of other addresses are. */
static void failures_are_limited(void)
{
    struct credentials credentials = {.token = "T", .address = "192.0.2.2"};
    struct setting setting;
    struct error err;

    begin(&setting, 2, true);
    check_good(check_one(&setting, SIGNED, NULL, &err), &err);
    for (int i = 0; i < 2; i++) {
        assert_false(check_one(&setting, "SDK-", NULL, &err));
        check_refusal(&err, ERROR_IDENTITY, "algorithm");
    }
    for (int i = 0; i < 3; i++) {
        assert_false(check_one(&setting, i == 0 ? "SDK-" : i == 1 ? SIGNED : NULL, "T", &err));
        check_refusal(&err, ERROR_TOO_MANY, "failed sign-ins from one address must be at most 2 per minute");
        assert_in_range(err.retry_after, 20, 30);
    }
    assert_false(check_one(&setting, NULL, NULL, &err));
    check_refusal(&err, ERROR_IDENTITY, "is required");
    check_good(access_check(setting.access, &credentials, &err), &err);
    assert_int_equal(scratch_count_log("sign-in failed"), 2);
    end(&setting);
}

/* What access_identify finds before it needs the database counts too. */
static void a_wrong_hash_is_a_failure(void)
{
    struct credentials credentials = {
        .authorization = SIGNED,
        .address = "192.0.2.1",
        .request = {.method = "GET", .path = "/%", .query = "", .header = header},
    };
    struct setting setting;
    struct identity identity;
    struct error err;

    begin(&setting, 2, true);
    check_good(access_check(setting.access, &credentials, &err), &err);
    assert_false(access_identify(setting.access, &credentials, NULL, &identity, &err));
    check_refusal(&err, ERROR_IDENTITY, "the signed path");
    credentials.request.header = header_of_last_year;
    assert_false(access_check(setting.access, &credentials, &err));
    check_refusal(&err, ERROR_IDENTITY, "X-Sdk-Date must be within 15 minutes");
    assert_false(access_check(setting.access, &credentials, &err));
    check_refusal(&err, ERROR_TOO_MANY, "failed sign-ins");
    assert_int_equal(scratch_count_log("sign-in failed"), 2);
    end(&setting);
}

/* A link counts only if there is no token. An empty token is none: some web servers pass it on, others do not. */
static void a_token_precedes_a_link(void)
{
    static const struct link well_formed = {
        "p", "01234567-89ab-4cde-8f01-23456789abcd", "1764471600",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    };
    static const struct link malformed = {"p", "f", NULL, NULL};
    static const struct precedence_case {
        struct credentials credentials;
        bool good;
    } cases[] = {
        {{.token = "T", .link = &malformed}, true},
        {{.token = NULL, .link = &well_formed}, true},
        {{.token = "", .link = &well_formed}, true},
        {{.token = NULL, .link = &malformed}, false},
        {{.token = "", .link = &malformed}, false},
    };
    struct setting setting;
    struct error err;

    begin(&setting, 2, true);
    (void) count_failures("link");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (cases[i].good) {
            check_good(access_check(setting.access, &cases[i].credentials, &err), &err);
        } else {
            assert_false(access_check(setting.access, &cases[i].credentials, &err));
            check_refusal(&err, ERROR_PERMISSION, "the link must be");
        }
    }
    assert_true(count_failures("link") == 2);
    assert_false(access_check(setting.access, &cases[1].credentials, &err)); /* failed links are limited too */
    check_refusal(&err, ERROR_TOO_MANY, "failed sign-ins");
    end(&setting);
}

/* There is no stored credential to look at, so no connection is needed. */
static void callers_without_a_stored_credential(void)
{
    struct setting setting;
    struct error err;

    begin(&setting, 0, false);
    check_good(access_recheck(setting.access, &(const struct identity) {.credential_id = 0}, &err), &err);
    end(&setting);
}

int main(void)
{
    CHECK(token_lengths);
    CHECK_EACH(kinds, kinds_cases, label);
    CHECK(no_key_file);
    CHECK(failures_are_logged);
    CHECK(failures_are_limited);
    CHECK(a_wrong_hash_is_a_failure);
    CHECK(a_token_precedes_a_link);
    CHECK(callers_without_a_stored_credential);
    return check_run("access/access, access/token");
}
