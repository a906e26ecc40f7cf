/* access/keystone.c: what it reads in the answers of Keystone. tests/integration/test_keystone.py asks real ones. */
#include "access/keystone.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "check.h"

#define EXPIRY "\"expires_at\":\"2099-04-03T08:15:00.000000Z\""
#define PROJECT "\"project\":{\"id\":\"p1\",\"name\":\"demo\",\"domain\":{\"id\":\"default\",\"name\":\"Default\"}}"
#define ROLES "\"roles\":[{\"id\":\"1\",\"name\":\"member\"},{\"id\":\"2\",\"name\":\"reader\"}]"
#define TOKEN(members) "{\"token\":{" members "}}"
#define EXPIRY_MS INT64_C(4078887300000) /* date -d 2099-04-03T08:15:00Z +%s, with three zeros */
#define MEMBER (PERMISSION_CREATE | PERMISSION_SCHEDULE)

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X256 X64 X64 X64 X64

static const struct keystone keystone = {.url = "https://keystone.example", .create_role = "member",
                                         .read_role = "reader"};

/* Keystone 22.0 answered this, except for the time, to a user of the project with the role member. */
static const char real_answer[] =
    "{\"token\": {\"methods\": [\"password\"], \"user\": {\"domain\": {\"id\": \"default\", \"name\": \"Default\"},"
    " \"id\": \"34c85e1a271242368be2070a896095f4\", \"name\": \"alice\", \"password_expires_at\": null}, \"audit_ids\":"
    " [\"eo-QwbXmQ6iKvImXgOFCsQ\"], \"expires_at\": \"2099-04-03T08:15:00.000000Z\", \"issued_at\":"
    " \"2026-11-30T03:40:10.000000Z\", \"project\": {\"domain\": {\"id\": \"default\", \"name\": \"Default\"}, \"id\":"
    " \"d6dc14eced54468283960e1ed3e57d22\", \"name\": \"demo\"}, \"is_domain\": false, \"roles\": [{\"id\":"
    " \"a6fb4b3dfa544c6cbc48937e2eb28831\", \"name\": \"reader\"}, {\"id\": \"1e05dc3cac184efdbb18e2bfc78051c8\","
    " \"name\": \"member\"}]}}";

static bool read_text(int status, const char *content, struct identity *ret_identity, int64_t *ret_expire_time,
                      struct error *err)
{
    return keystone_read_answer(&keystone, status, content, strlen(content), ret_identity, ret_expire_time, err);
}

static const struct good_case {
    const char *label;
    const char *content;
    const char *project_id;
    unsigned permissions;
    int64_t expire_time;
} good_cases[] = {
    {"real", real_answer, "d6dc14eced54468283960e1ed3e57d22", PERMISSION_ALL, EXPIRY_MS},
    {"short", TOKEN(EXPIRY "," PROJECT "," ROLES), "p1", PERMISSION_ALL, EXPIRY_MS},
    {"member", TOKEN(EXPIRY "," PROJECT ",\"roles\":[{\"name\":\"member\"}]"), "p1", MEMBER, EXPIRY_MS},
    {"reader", TOKEN(EXPIRY "," PROJECT ",\"roles\":[{\"name\":\"reader\"}]"), "p1", PERMISSION_READ, EXPIRY_MS},
    {"case of roles", TOKEN(EXPIRY "," PROJECT ",\"roles\":[{\"name\":\"Reader\"},{\"name\":\"MEMBER\"}]"), "p1",
     PERMISSION_ALL, EXPIRY_MS},
    {"other roles", TOKEN(EXPIRY "," PROJECT ",\"roles\":[{\"name\":\"readers\"},{\"name\":\"\"}]"), "p1", 0,
     EXPIRY_MS},
    {"empty roles", TOKEN(EXPIRY "," PROJECT ",\"roles\":[]"), "p1", 0, EXPIRY_MS},
    {"no roles", TOKEN(EXPIRY "," PROJECT), "p1", 0, EXPIRY_MS},
    {"a domain beside the project", TOKEN(EXPIRY "," PROJECT ",\"domain\":{\"id\":\"default\"}"), "p1", 0, EXPIRY_MS},
    {"unknown members", TOKEN(EXPIRY "," PROJECT ",\"OS-TRUST:trust\":{\"id\":7},\"catalog\":[]"), "p1", 0, EXPIRY_MS},
    {"no fraction", TOKEN("\"expires_at\":\"2099-04-03T08:15:00Z\"," PROJECT), "p1", 0, EXPIRY_MS},
    {"a long fraction", TOKEN("\"expires_at\":\"2099-04-03T08:15:00.999999999999999999999999Z\"," PROJECT), "p1", 0,
     EXPIRY_MS},
    {"an offset", TOKEN("\"expires_at\":\"2099-04-03T10:15:00.000000+02:00\"," PROJECT), "p1", 0, EXPIRY_MS},
    {"256 characters", TOKEN(EXPIRY ",\"project\":{\"id\":\"" X256 "\"}"), X256, 0, EXPIRY_MS},
    {"other characters", TOKEN(EXPIRY ",\"project\":{\"id\":\"p\\u00e9 \\\"1\\\"\"}"), "p\xC3\xA9 \"1\"", 0, EXPIRY_MS},
};

static void good_answers(const void *row)
{
    const struct good_case *c = row;
    struct identity identity = {0};
    int64_t expire_time = 0;
    struct error err;

    check_good(read_text(200, c->content, &identity, &expire_time, &err), &err);
    assert_string_equal(identity.project_id, c->project_id);
    assert_int_equal(identity.permissions, c->permissions);
    assert_int_equal(expire_time, c->expire_time);
    assert_true(identity.all);
    assert_int_equal(identity.credential_id, 0);
    assert_null(identity.access_key);
    identity_clear(&identity);
}

static const struct bad_case {
    const char *label;
    int status;
    const char *content;
    enum error_code code;
    const char *fragment; /* of the message if the token is refused, else of the detail */
} bad_cases[] = {
    {"unauthorized", 401, "{\"error\":{\"code\":401,\"message\":\"The request you have made requires authentication.\","
     "\"title\":\"Unauthorized\"}}\n", ERROR_IDENTITY, "unknown, expired or revoked"},
    {"not found", 404, "{\"error\":{\"code\":404,\"message\":\"Could not find token: s3cret.\"}}", ERROR_IDENTITY,
     "unknown, expired or revoked"},
    {"404 of a web server", 404, "<html><title>404 Not Found</title></html>", ERROR_UNAVAILABLE,
     "status 404, but not with an error of Keystone"},
    {"401 of a web server", 401, "", ERROR_UNAVAILABLE, "status 401, but not with an error of Keystone"},
    {"404 with another code", 404, "{\"error\":{\"code\":401}}", ERROR_UNAVAILABLE, "not with an error of Keystone"},
    {"404 with a text as code", 404, "{\"error\":{\"code\":\"404\"}}", ERROR_UNAVAILABLE,
     "not with an error of Keystone"},
    {"404 with a token", 404, TOKEN(EXPIRY "," PROJECT "," ROLES), ERROR_UNAVAILABLE, "not with an error of Keystone"},
    {"forbidden", 403, "{\"error\":{\"code\":403}}", ERROR_UNAVAILABLE, "status 403: its policy"},
    {"bad request", 400, "{\"error\":{\"code\":400}}", ERROR_UNAVAILABLE, "status 400"},
    {"too many", 429, "", ERROR_UNAVAILABLE, "status 429"},
    {"internal", 500, real_answer, ERROR_UNAVAILABLE, "status 500"},
    {"unavailable", 503, "", ERROR_UNAVAILABLE, "status 503"},
    {"redirect", 302, real_answer, ERROR_UNAVAILABLE, "status 302: redirects are not followed"},
    {"choices", 300, real_answer, ERROR_UNAVAILABLE, "status 300: redirects are not followed"},
    {"no content", 204, "", ERROR_UNAVAILABLE, "status 204"},
    {"created", 201, real_answer, ERROR_UNAVAILABLE, "status 201"},
    {"no status", 0, real_answer, ERROR_UNAVAILABLE, "status 0"},
    {"nothing", 200, "", ERROR_UNAVAILABLE, "not valid JSON at offset 0"},
    {"no JSON", 200, "<html>", ERROR_UNAVAILABLE, "not valid JSON at offset 0"},
    {"half", 200, "{\"token\":{\"expires_at\":\"2099", ERROR_UNAVAILABLE, "not valid JSON"},
    {"more", 200, "{\"token\":{}}{}", ERROR_UNAVAILABLE, "not valid JSON"},
    {"null", 200, "null", ERROR_UNAVAILABLE, "the answer must be an object, got null"},
    {"an array", 200, "[]", ERROR_UNAVAILABLE, "the answer must be an object, got an array"},
    {"a text", 200, "\"token\"", ERROR_UNAVAILABLE, "the answer must be an object"},
    {"no token", 200, "{}", ERROR_UNAVAILABLE, "token must be an object, got none"},
    {"a null token", 200, "{\"token\":null}", ERROR_UNAVAILABLE, "token must be an object, got none"},
    {"a text as token", 200, "{\"token\":\"s3cret\"}", ERROR_UNAVAILABLE, "token must be an object, got a string"},
    {"an empty token", 200, TOKEN(""), ERROR_UNAVAILABLE, "token.expires_at must be a time"},
    {"no expiry", 200, TOKEN(PROJECT), ERROR_UNAVAILABLE, "token.expires_at must be a time"},
    {"a null expiry", 200, TOKEN("\"expires_at\":null," PROJECT), ERROR_UNAVAILABLE, "expires_at must be a time"},
    {"a number as expiry", 200, TOKEN("\"expires_at\":4078887300," PROJECT), ERROR_UNAVAILABLE,
     "expires_at must be a string"},
    {"a local expiry", 200, TOKEN("\"expires_at\":\"2099-04-03T08:15:00.000000\"," PROJECT), ERROR_UNAVAILABLE,
     "expires_at must be a time"},
    {"a date as expiry", 200, TOKEN("\"expires_at\":\"2099-04-03\"," PROJECT), ERROR_UNAVAILABLE,
     "expires_at must be a time"},
    {"a secret as expiry", 200, TOKEN("\"expires_at\":\"s3cret-s3cret-s3cret-s3cret\"," PROJECT), ERROR_UNAVAILABLE,
     "expires_at must be a time"},
    {"more after the expiry", 200, TOKEN("\"expires_at\":\"2099-04-03T08:15:00.0Z " X64 "\"," PROJECT),
     ERROR_UNAVAILABLE, "expires_at must be a time"},
    {"a month as expiry", 200, TOKEN("\"expires_at\":\"2099-13-03T08:15:00.000000Z\"," PROJECT), ERROR_UNAVAILABLE,
     "expires_at must be a time"},
    {"expired", 200, TOKEN("\"expires_at\":\"2026-04-03T08:15:00.000000Z\"," PROJECT "," ROLES), ERROR_IDENTITY,
     "unknown, expired or revoked"},
    {"unscoped", 200, TOKEN(EXPIRY), ERROR_IDENTITY, "scoped to a project"},
    {"null as project", 200, TOKEN(EXPIRY ",\"project\":null"), ERROR_IDENTITY, "scoped to a project"},
    {"scoped to a domain", 200, TOKEN(EXPIRY ",\"domain\":{\"id\":\"default\"}," ROLES), ERROR_IDENTITY,
     "scoped to a project"},
    {"scoped to the system", 200, TOKEN(EXPIRY ",\"system\":{\"all\":true}," ROLES), ERROR_IDENTITY,
     "scoped to a project"},
    {"a text as project", 200, TOKEN(EXPIRY ",\"project\":\"s3cret\""), ERROR_UNAVAILABLE, "project must be an object"},
    {"an array as project", 200, TOKEN(EXPIRY ",\"project\":[{\"id\":\"p1\"}]"), ERROR_UNAVAILABLE,
     "project must be an object"},
    {"a project without id", 200, TOKEN(EXPIRY ",\"project\":{}"), ERROR_UNAVAILABLE, "token.project.id must have"},
    {"a number as id", 200, TOKEN(EXPIRY ",\"project\":{\"id\":1}"), ERROR_UNAVAILABLE, "id must be a string"},
    {"an empty id", 200, TOKEN(EXPIRY ",\"project\":{\"id\":\"\"}"), ERROR_UNAVAILABLE, "token.project.id must have"},
    {"a long id", 200, TOKEN(EXPIRY ",\"project\":{\"id\":\"" X256 "x\"}"), ERROR_UNAVAILABLE,
     "token.project.id must have"},
    {"an id with U+0000", 200, TOKEN(EXPIRY ",\"project\":{\"id\":\"p1\\u0000\"}"), ERROR_UNAVAILABLE, "U+0000"},
    {"an id that is not UTF-8", 200, TOKEN(EXPIRY ",\"project\":{\"id\":\"p\xFF\"}"), ERROR_UNAVAILABLE, "UTF-8"},
    {"an object as roles", 200, TOKEN(EXPIRY "," PROJECT ",\"roles\":{\"name\":\"member\"}"), ERROR_UNAVAILABLE,
     "roles must be an array"},
    {"texts as roles", 200, TOKEN(EXPIRY "," PROJECT ",\"roles\":[\"member\"]"), ERROR_UNAVAILABLE,
     "token.roles must have objects with a name"},
    {"null as role", 200, TOKEN(EXPIRY "," PROJECT ",\"roles\":[null]"), ERROR_UNAVAILABLE,
     "token.roles must have objects with a name"},
    {"a role without name", 200, TOKEN(EXPIRY "," PROJECT ",\"roles\":[{\"name\":\"member\"},{\"id\":\"1\"}]"),
     ERROR_UNAVAILABLE, "token.roles must have objects with a name"},
    {"a number as name", 200, TOKEN(EXPIRY "," PROJECT ",\"roles\":[{\"name\":1}]"), ERROR_UNAVAILABLE,
     "token.roles must have objects with a name"},
};

static void bad_answers(const void *row)
{
    const struct bad_case *c = row;
    struct identity identity = {.credential_id = 7};
    int64_t expire_time = 7;
    struct error err;

    assert_false(read_text(c->status, c->content, &identity, &expire_time, &err));
    assert_int_equal(identity.credential_id, 7);
    assert_int_equal(expire_time, 7);
    if (c->code == ERROR_IDENTITY) {
        check_refusal(&err, ERROR_IDENTITY, c->fragment);
        assert_string_equal(err.detail, "");
    } else {
        check_refusal(&err, ERROR_UNAVAILABLE, "the identity service cannot validate X-Auth-Token now");
        if (strstr(err.detail, "Keystone: ") != err.detail || strstr(err.detail, c->fragment) == NULL)
            check_fail("%s", err.detail);
        assert_null(strstr(err.message, c->fragment));
    }
    if (strstr(err.message, "s3cret") != NULL || strstr(err.detail, "s3cret") != NULL)
        check_fail("the error has the secret: %s (%s)", err.message, err.detail);
}

static void a_deep_answer(void)
{
    struct buffer content = {0};
    struct identity identity;
    int64_t expire_time;
    struct error err;

    for (int i = 0; i < 100000; i++)
        buffer_append_text(&content, "[");
    assert_false(read_text(200, content.data, &identity, &expire_time, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "the identity service cannot validate");
    buffer_free(&content);
}

static void bytes_after_nul_count(void)
{
    static const char content[] = TOKEN(EXPIRY "," PROJECT) "\0";
    struct identity identity;
    int64_t expire_time;
    struct error err;

    assert_false(keystone_read_answer(&keystone, 200, content, sizeof(content) - 1, &identity, &expire_time, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "the identity service cannot validate");
}

static void one_role_for_both(void)
{
    const struct keystone one = {.create_role = "reader", .read_role = "reader"};
    static const char content[] = TOKEN(EXPIRY "," PROJECT ",\"roles\":[{\"name\":\"reader\"}]");
    struct identity identity;
    int64_t expire_time;
    struct error err;

    check_good(keystone_read_answer(&one, 200, content, strlen(content), &identity, &expire_time, &err), &err);
    assert_int_equal(identity.permissions, PERMISSION_ALL);
    identity_clear(&identity);
}

/* Tokens that Keystone cannot have made are refused without a request: the URL is not one. */
static void implausible_tokens(void)
{
    const struct keystone nowhere = {.url = "nowhere", .create_role = "member", .read_role = "reader"};
    static const char *const tokens[] = {"a b", "a\r\nX-Evil: 1", "a\n", "\t", "a\x7F", "b\xC3\xBC"};
    struct buffer token = {0};
    struct identity identity;
    int64_t expire_time;
    struct error err;

    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
        assert_false(keystone_validate(&nowhere, tokens[i], &identity, &expire_time, &err));
        check_refusal(&err, ERROR_IDENTITY, "X-Auth-Token must be a valid token");
    }
    while (token.length < 8000)
        buffer_append_text(&token, "x");
    assert_false(keystone_validate(&nowhere, token.data, &identity, &expire_time, &err));
    check_refusal(&err, ERROR_UNAVAILABLE, "the identity service cannot validate");
    buffer_append_text(&token, "x");
    assert_false(keystone_validate(&nowhere, token.data, &identity, &expire_time, &err));
    check_refusal(&err, ERROR_IDENTITY, "X-Auth-Token must be a valid token");
    buffer_free(&token);
}

int main(void)
{
    CHECK_EACH(good_answers, good_cases, label);
    CHECK_EACH(bad_answers, bad_cases, label);
    CHECK(a_deep_answer);
    CHECK(bytes_after_nul_count);
    CHECK(one_role_for_both);
    CHECK(implausible_tokens);
    return check_run("access/keystone");
}
