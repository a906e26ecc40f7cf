/* access/access.c and access/token.c: what they check without a database, and which credentials count. */
#include "access/access.h"

#include <stdlib.h>
#include <string.h>

#include "access/token.h"
#include "base/memory.h"
#include "check.h"

static void token_lengths(void)
{
    static const size_t lengths[] = {1, 2, TOKEN_MAX_LENGTH - 1, TOKEN_MAX_LENGTH, TOKEN_MAX_LENGTH + 1, 100000};

    assert_int_equal(TOKEN_MAX_LENGTH, 32768);
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        char *token = memory_zeroed(lengths[i] + 1, 1);
        const struct credentials credentials = {.token = token};
        struct error err;

        memset(token, 'T', lengths[i]);
        if (lengths[i] <= TOKEN_MAX_LENGTH) {
            check_good(access_check(&credentials, &err), &err);
        } else {
            assert_false(access_check(&credentials, &err));
            check_refusal(&err, ERROR_IDENTITY, "X-Auth-Token must be 1 to 32768 characters long");
            assert_null(strstr(err.message, "TTT"));
        }
        free(token);
    }
}

static void some_credentials_are_required(void)
{
    struct error err;

    assert_false(access_check(&(const struct credentials) {.token = NULL}, &err));
    check_refusal(&err, ERROR_IDENTITY, "X-Auth-Token is required");
    assert_false(access_check(&(const struct credentials) {.token = ""}, &err));
    check_refusal(&err, ERROR_IDENTITY, "X-Auth-Token is required");
}

/* A link counts only if there is no token. An empty token is none: some web servers pass it on, others do not. */
static void a_token_precedes_a_link(void)
{
    static const struct link well_formed = {
        "p", "01234567-89ab-4cde-8f01-23456789abcd", "1764471600",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    };
    static const struct link malformed = {"p", "f", NULL, NULL};
    struct error err;

    check_good(access_check(&(const struct credentials) {.token = "T", .link = &malformed}, &err), &err);
    check_good(access_check(&(const struct credentials) {.token = NULL, .link = &well_formed}, &err), &err);
    check_good(access_check(&(const struct credentials) {.token = "", .link = &well_formed}, &err), &err);
    assert_false(access_check(&(const struct credentials) {.token = NULL, .link = &malformed}, &err));
    check_refusal(&err, ERROR_PERMISSION, "the link must be");
    assert_false(access_check(&(const struct credentials) {.token = "", .link = &malformed}, &err));
    check_refusal(&err, ERROR_PERMISSION, "the link must be");
}

int main(void)
{
    CHECK(token_lengths);
    CHECK(some_credentials_are_required);
    CHECK(a_token_precedes_a_link);
    return check_run("access/access, access/token");
}
