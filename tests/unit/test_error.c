#include "base/error.h"

#include <string.h>

#include "base/text.h"
#include "check.h"

/* The contract's table of errors. A code that it does not list is an internal error. */
static const struct error_case {
    const char *name;
    enum error_code code;
    int http_status;
    const char *api_code;
    int exit_status;
} error_cases[] = {
    {"none", ERROR_NONE, 200, "", 0},
    {"parameter", ERROR_PARAMETER, 400, "HSS.0001", 1},
    {"body", ERROR_BODY, 400, "HSS.0002", 1},
    {"identity", ERROR_IDENTITY, 401, "APIGW.0301", 1},
    {"permission", ERROR_PERMISSION, 403, "HSS.0013", 1},
    {"not_found", ERROR_NOT_FOUND, 404, "HSS.0011", 1},
    {"no_api", ERROR_NO_API, 404, "APIGW.0101", 1},
    {"method", ERROR_METHOD, 405, "APIGW.0101", 1},
    {"gone", ERROR_GONE, 410, "HSS.0011", 1},
    {"too_large", ERROR_TOO_LARGE, 413, "HSS.0002", 1},
    {"media_type", ERROR_MEDIA_TYPE, 415, "HSS.0002", 1},
    {"range", ERROR_RANGE, 416, "HSS.0001", 1},
    {"key_reused", ERROR_KEY_REUSED, 422, "HSS.0001", 1},
    {"too_many", ERROR_TOO_MANY, 429, "APIGW.0308", 1},
    {"headers", ERROR_HEADERS, 431, "HSS.0001", 1},
    {"internal", ERROR_INTERNAL, 500, "HSS.0041", 1},
    {"timeout", ERROR_TIMEOUT, 500, "HSS.0041", 1},
    {"storage", ERROR_STORAGE, 500, "HSS.0041", 1},
    {"cancelled", ERROR_CANCELLED, 500, "HSS.0041", 1},
    {"lease", ERROR_LEASE, 500, "HSS.0041", 1},
    {"unavailable", ERROR_UNAVAILABLE, 503, "APIGW.0201", 1},
    {"partial", ERROR_PARTIAL, 400, "HSS.0001", 3},
    {"config", ERROR_CONFIG, 500, "HSS.0041", 1},
    {"usage", ERROR_USAGE, 500, "HSS.0041", 2},
};

static void means(const void *row)
{
    const struct error_case *c = row;
    const struct error_info *info = error_info(c->code);

    assert_string_equal(info->name, c->name);
    assert_int_equal(info->http_status, c->http_status);
    assert_string_equal(info->api_code, c->api_code);
    assert_int_equal(info->exit_status, c->exit_status);
    assert_int_equal(info->retry_after > 0, c->http_status == 429 || c->http_status == 503);
}

static void every_code_is_tested(void)
{
    assert_int_equal(ARRAY_SIZE(error_cases), ERROR_CODE_COUNT);
    for (size_t i = 0; i < ARRAY_SIZE(error_cases); i++)
        assert_int_equal(error_cases[i].code, i);
}

/* Of all codes these two. */
static void transient(const void *row)
{
    const struct error_case *c = row;
    const struct error err = {.code = c->code};

    assert_int_equal(error_is_transient(&err), c->code == ERROR_UNAVAILABLE || c->code == ERROR_TIMEOUT);
}

static void set_fills_it(void)
{
    struct error err;

    memset(&err, 'x', sizeof(err));
    assert_false(error_set(&err, ERROR_PARAMETER, "%s must be from 1 to %d", "export_size", 100000));
    assert_int_equal(err.code, ERROR_PARAMETER);
    assert_string_equal(err.message, "export_size must be from 1 to 100000");
    assert_string_equal(err.detail, "");
}

static void detail_stays_apart(void)
{
    struct error err;

    error_set(&err, ERROR_INTERNAL, "a fault");
    assert_false(error_detail(&err, "%s: %d", "SQLSTATE", 42));
    assert_int_equal(err.code, ERROR_INTERNAL);
    assert_string_equal(err.message, "a fault");
    assert_string_equal(err.detail, "SQLSTATE: 42");
}

static void set_drops_the_old_detail(void)
{
    struct error err;

    error_set(&err, ERROR_TOO_MANY, "a fault");
    error_detail(&err, "password");
    assert_false(error_retry_after(&err, 42));
    assert_int_equal(err.retry_after, 42);
    error_set(&err, ERROR_NOT_FOUND, "no such task");
    assert_string_equal(err.detail, "");
    assert_int_equal(err.retry_after, 0);
}

/* A cut never splits a character. */
static void long_texts_are_cut_between_characters(void)
{
    char text[2 * sizeof(((struct error *) 0)->message)];

    for (size_t padding = 0; padding < 4; padding++) {
        struct error err;
        size_t count;

        memset(text, 'p', padding);
        for (size_t at = padding; at + 4 < sizeof(text); at += 4)
            memcpy(text + at, "\xF0\x9F\x98\x80", 5);
        error_set(&err, ERROR_PARAMETER, "%s", text);
        error_detail(&err, "%s", text);
        assert_true(text_utf8_count(err.message, strlen(err.message), &count));
        assert_true(text_utf8_count(err.detail, strlen(err.detail), &count));
        assert_true(strlen(err.message) + 4 >= sizeof(err.message));
        assert_true(strlen(err.detail) + 4 >= sizeof(err.detail));
    }
}

int main(void)
{
    CHECK_EACH(means, error_cases, name);
    CHECK(every_code_is_tested);
    CHECK_EACH(transient, error_cases, name);
    CHECK(set_fills_it);
    CHECK(detail_stays_apart);
    CHECK(set_drops_the_old_detail);
    CHECK(long_texts_are_cut_between_characters);
    return check_run("base/error");
}
