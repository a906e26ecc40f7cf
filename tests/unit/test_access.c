/* access/access.c and access/token.c: what they check without a database. */
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

/* There is no stored credential to look at, so no connection is needed. */
static void callers_without_a_stored_credential(void)
{
    struct access *access = access_new(NULL, NULL);
    struct error err;

    check_good(access_recheck(access, &(const struct identity) {.credential_id = 0}, &err), &err);
    access_free(access);
}

int main(void)
{
    CHECK(token_lengths);
    CHECK(some_credentials_are_required);
    CHECK(callers_without_a_stored_credential);
    return check_run("access/access, access/token");
}
