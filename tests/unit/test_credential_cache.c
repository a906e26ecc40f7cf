/* access/credential_cache.c. The time leaps. */
#include "access/credential_cache.h"

#include "base/clock.h"
#include "base/memory.h"
#include "check.h"
#include "leap.h"

#define LIFETIME_MS 1000
#define CAPACITY 3

int64_t __real_clock_now_ms(void);
int64_t __wrap_clock_now_ms(void);
void __real_memory_free_secret(char *text);
void __wrap_memory_free_secret(char *text);

static struct credential_cache *cache;
static int64_t wall_ahead;
static int wiped; /* secrets */

int64_t __wrap_clock_now_ms(void)
{
    return __real_clock_now_ms() + wall_ahead;
}

void __wrap_memory_free_secret(char *text)
{
    wiped += text != NULL;
    __real_memory_free_secret(text);
}

static void begin(void)
{
    credential_cache_free(cache);
    cache = credential_cache_new(CAPACITY, LIFETIME_MS);
    wall_ahead = wiped = 0;
}

static struct credential_lookup look_up(enum credential_kind kind, const char *text)
{
    const struct credential_key key = credential_key_of(kind, text);

    return credential_cache_begin(cache, &key);
}

/* The lookup finds a credential with the text as its project, and a secret if it is an access key. */
static void end(const struct credential_lookup *lookup, const char *text, int64_t valid_ms, int64_t expire_time)
{
    struct credential credential = {
        .identity = {.credential_id = 7, .permissions = PERMISSION_READ, .project_id = memory_copy_text(text)},
        .valid_ms = valid_ms,
    };

    if (lookup->key.kind == CREDENTIAL_ACCESS_KEY)
        credential.sealed_secret = memory_copy_text("sealed");
    credential_cache_add(cache, lookup, &credential, expire_time);
    credential_clear(&credential);
    wiped = 0; /* only copies count */
}

static void add(const char *token)
{
    const struct credential_lookup lookup = look_up(CREDENTIAL_TOKEN, token);

    end(&lookup, token, INT64_MAX, INT64_MAX);
}

static bool has(enum credential_kind kind, const char *text)
{
    const struct credential_key key = credential_key_of(kind, text);
    struct credential credential;

    if (!credential_cache_find(cache, &key, &credential))
        return false;
    assert_string_equal(credential.identity.project_id, text);
    assert_int_equal(credential.identity.credential_id, 7);
    assert_int_equal(credential.identity.permissions, PERMISSION_READ);
    if (kind == CREDENTIAL_ACCESS_KEY)
        assert_string_equal(credential.sealed_secret, "sealed");
    else
        assert_null(credential.sealed_secret);
    credential_clear(&credential);
    return true;
}

static bool has_token(const char *token)
{
    return has(CREDENTIAL_TOKEN, token);
}

static void what_was_found_is_found_again(void)
{
    begin();
    assert_false(has_token("a"));
    add("a");
    assert_true(has_token("a") && has_token("a"));
    assert_false(has_token("b"));
}

/* Otherwise an access key, which is no secret, would serve as a token. */
static void a_token_is_no_access_key(void)
{
    struct credential_lookup lookup;

    begin();
    lookup = look_up(CREDENTIAL_ACCESS_KEY, "k");
    end(&lookup, "k", INT64_MAX, INT64_MAX);
    add("t");
    assert_true(has(CREDENTIAL_ACCESS_KEY, "k"));
    assert_false(has_token("k"));
    assert_false(has(CREDENTIAL_ACCESS_KEY, "t"));
}

/* The lifetime begins with the lookup. */
static void it_lives_for_the_lifetime(void)
{
    struct credential_lookup lookup;

    begin();
    lookup = look_up(CREDENTIAL_TOKEN, "a");
    leap_ahead(LIFETIME_MS - 500);
    end(&lookup, "a", INT64_MAX, INT64_MAX);
    assert_true(has_token("a"));
    leap_ahead(500);
    assert_false(has_token("a"));
    lookup = look_up(CREDENTIAL_TOKEN, "a");
    leap_ahead(LIFETIME_MS);
    end(&lookup, "a", INT64_MAX, INT64_MAX);
    assert_false(has_token("a"));
}

static void it_lives_no_longer_than_it_is_valid(void)
{
    struct credential_lookup lookup;

    begin();
    lookup = look_up(CREDENTIAL_TOKEN, "a");
    end(&lookup, "a", 600, INT64_MAX);
    assert_true(has_token("a"));
    leap_ahead(600);
    assert_false(has_token("a"));
}

static void it_ends_by_the_wall_clock(void)
{
    struct credential_lookup lookup;

    begin();
    lookup = look_up(CREDENTIAL_TOKEN, "a");
    end(&lookup, "a", INT64_MAX, clock_now_ms() + 1000000);
    assert_true(has_token("a"));
    wall_ahead = 1000000;
    assert_false(has_token("a"));
}

static void a_revocation_empties_the_cache(void)
{
    begin();
    add("a");
    add("b");
    credential_cache_clear(cache);
    assert_false(has_token("a") || has_token("b"));
    add("a");
    assert_true(has_token("a"));
}

static void a_lookup_that_began_before_a_revocation_adds_nothing(void)
{
    struct credential_lookup lookup;

    begin();
    lookup = look_up(CREDENTIAL_TOKEN, "a");
    credential_cache_clear(cache);
    end(&lookup, "a", INT64_MAX, INT64_MAX);
    assert_false(has_token("a"));
}

static const struct change_case {
    const char *label;
    bool before, after;
} change_cases[] = {{"on", false, true}, {"off", true, false}, {"on again", true, true}};

/* Also a lookup that began before the change adds nothing after it: a revocation may have been missed meanwhile. */
static void a_change_empties_the_cache(const void *row)
{
    const struct change_case *c = row;
    struct credential_lookup lookup;

    begin();
    credential_cache_enable(cache, c->before);
    add("a");
    assert_int_equal(has_token("a"), c->before);
    lookup = look_up(CREDENTIAL_TOKEN, "b");
    credential_cache_enable(cache, c->after);
    end(&lookup, "b", INT64_MAX, INT64_MAX);
    assert_false(has_token("a") || has_token("b"));
    add("c");
    assert_int_equal(has_token("c"), c->after);
}

static void the_one_not_used_for_longest_is_displaced(void)
{
    begin();
    add("a");
    add("b");
    add("c");
    assert_true(has_token("a"));
    add("a");
    assert_true(has_token("b") && has_token("a"));
    add("d");
    assert_true(has_token("a") && has_token("b") && has_token("d"));
    assert_false(has_token("c"));
}

static void secrets_are_wiped(void)
{
    struct credential_lookup lookup;

    begin();
    lookup = look_up(CREDENTIAL_ACCESS_KEY, "k");
    end(&lookup, "k", INT64_MAX, INT64_MAX);
    assert_int_equal(wiped, 0);
    credential_cache_clear(cache);
    assert_int_equal(wiped, 1);
}

int main(void)
{
    CHECK(what_was_found_is_found_again);
    CHECK(a_token_is_no_access_key);
    CHECK(it_lives_for_the_lifetime);
    CHECK(it_lives_no_longer_than_it_is_valid);
    CHECK(it_ends_by_the_wall_clock);
    CHECK(a_revocation_empties_the_cache);
    CHECK(a_lookup_that_began_before_a_revocation_adds_nothing);
    CHECK_EACH(a_change_empties_the_cache, change_cases, label);
    CHECK(the_one_not_used_for_longest_is_displaced);
    CHECK(secrets_are_wiped);
    return check_run("access/credential_cache");
}
