/* access/token_cache.c. The time leaps, and a lookup lasts until the test ends it. */
#include "access/token_cache.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "check.h"
#include "leap.h"

#define LIFETIME_MS 60000
#define PATIENCE_MS 5000
#define FAR INT64_C(4079060100000)
#define MAX_THREADS 64

int64_t __real_clock_now_ms(void);
int64_t __wrap_clock_now_ms(void);

/* The identity service. `held` lookups do not end; the results of a token are its first letter: v, i or f. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held;
    int lookups, open, most_open;
    int64_t expire_time;
    int64_t wall_ahead;
} service = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct token_cache *cache;

int64_t __wrap_clock_now_ms(void)
{
    return __real_clock_now_ms() + service.wall_ahead;
}

static bool look_up(void *context, const char *token, struct identity *ret_identity, int64_t *ret_expire_time,
                    struct error *err)
{
    int64_t expire_time;

    assert_ptr_equal(context, &service);
    pthread_mutex_lock(&service.lock);
    service.lookups++;
    service.open++;
    if (service.open > service.most_open)
        service.most_open = service.open;
    pthread_cond_broadcast(&service.changed);
    while (service.held)
        pthread_cond_wait(&service.changed, &service.lock);
    service.open--;
    expire_time = service.expire_time;
    pthread_mutex_unlock(&service.lock);
    if (token[0] == 'i')
        return error_set(err, ERROR_IDENTITY, "invalid");
    if (token[0] == 'f')
        return error_set(err, ERROR_UNAVAILABLE, "failed");
    *ret_identity = (struct identity) {.all = true, .permissions = PERMISSION_READ,
                                       .project_id = memory_copy_text(token + 1)};
    *ret_expire_time = expire_time;
    return true;
}

/* The pauses. */
static struct {
    pthread_mutex_t lock;
    bool refuses;
    int begun, ended;
} pauses = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool begin_pause(void *context)
{
    bool good;

    assert_ptr_equal(context, &pauses);
    pthread_mutex_lock(&pauses.lock);
    good = !pauses.refuses;
    pauses.begun += good;
    pthread_mutex_unlock(&pauses.lock);
    return good;
}

static void end_pause(void *context)
{
    assert_ptr_equal(context, &pauses);
    pthread_mutex_lock(&pauses.lock);
    pauses.ended++;
    pthread_mutex_unlock(&pauses.lock);
}

static const struct access_pause pause_of_thread = {.begin = begin_pause, .end = end_pause, .context = &pauses};

static const struct token_cache_terms usual = {.look_up = look_up, .context = &service, .capacity = 3,
                                               .lifetime_ms = LIFETIME_MS, .lookups = 4, .blocked = 2,
                                               .patience_ms = PATIENCE_MS};

static void begin(const struct token_cache_terms *terms)
{
    service.held = false;
    service.lookups = service.open = service.most_open = 0;
    service.expire_time = FAR;
    service.wall_ahead = 0;
    pauses.refuses = false;
    pauses.begun = pauses.ended = 0;
    token_cache_free(cache);
    cache = token_cache_new(terms);
}

/* Identifies, and returns "project", or "error: message" in a static buffer of the thread. */
static const char *ask(const char *token)
{
    static _Thread_local char result[600];
    struct identity identity;
    struct error err;

    if (!token_cache_identify(cache, token, &pause_of_thread, &identity, &err)) {
        snprintf(result, sizeof(result), "%s: %s", error_info(err.code)->name, err.message);
        return result;
    }
    assert_true(identity.all);
    assert_int_equal(identity.permissions, PERMISSION_READ);
    snprintf(result, sizeof(result), "%s", identity.project_id);
    identity_clear(&identity);
    return result;
}

static bool is_cached(const char *token)
{
    struct identity identity;
    bool found = token_cache_find(cache, token, &identity);

    if (found) {
        assert_string_equal(identity.project_id, token + 1);
        identity_clear(&identity);
    }
    return found;
}

/* Requests in threads of their own. */
static struct {
    pthread_t threads[MAX_THREADS];
    const char *tokens[MAX_THREADS];
    char results[MAX_THREADS][600];
    int count;
} crowd;

static void *crowd_main(void *argument)
{
    int i = (int) (intptr_t) argument;

    snprintf(crowd.results[i], sizeof(crowd.results[i]), "%s", ask(crowd.tokens[i]));
    return NULL;
}

static void start_request(const char *token)
{
    crowd.tokens[crowd.count] = token;
    assert_int_equal(pthread_create(&crowd.threads[crowd.count], NULL, crowd_main, (void *) (intptr_t) crowd.count), 0);
    crowd.count++;
}

static void join_requests(void)
{
    for (int i = 0; i < crowd.count; i++)
        pthread_join(crowd.threads[i], NULL);
}

static void hold(void)
{
    pthread_mutex_lock(&service.lock);
    service.held = true;
    pthread_mutex_unlock(&service.lock);
}

static void release(void)
{
    pthread_mutex_lock(&service.lock);
    service.held = false;
    pthread_cond_broadcast(&service.changed);
    pthread_mutex_unlock(&service.lock);
}

static void wait_for_open(int count)
{
    pthread_mutex_lock(&service.lock);
    while (service.open < count)
        pthread_cond_wait(&service.changed, &service.lock);
    pthread_mutex_unlock(&service.lock);
}

static void wait_for_pauses(int count)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    int begun;

    do {
        nanosleep(&moment, NULL);
        pthread_mutex_lock(&pauses.lock);
        begun = pauses.begun;
        pthread_mutex_unlock(&pauses.lock);
    } while (begun < count);
}

static void a_token_is_looked_up_once(void)
{
    begin(&usual);
    assert_false(is_cached("vp1"));
    for (int i = 0; i < 3; i++)
        assert_string_equal(ask("vp1"), "p1");
    assert_true(is_cached("vp1"));
    assert_int_equal(service.lookups, 1);
    assert_int_equal(pauses.begun, 3);
    assert_int_equal(pauses.ended, 3);
    assert_string_equal(ask("vp2"), "p2");
    assert_string_equal(ask("vp1"), "p1");
    assert_int_equal(service.lookups, 2);
}

static void an_entry_lives_for_the_lifetime(void)
{
    begin(&usual);
    assert_string_equal(ask("vp1"), "p1");
    leap_ahead(LIFETIME_MS - 2000);
    assert_true(is_cached("vp1"));
    leap_ahead(2000);
    assert_false(is_cached("vp1"));
    assert_string_equal(ask("vp1"), "p1");
    assert_int_equal(service.lookups, 2);
}

/* A revocation during the lookup must not count later than a lifetime after it. */
static void the_lifetime_begins_with_the_lookup(void)
{
    begin(&usual);
    crowd.count = 0;
    hold();
    start_request("vp1");
    wait_for_open(1);
    leap_ahead(LIFETIME_MS);
    release();
    join_requests();
    assert_string_equal(crowd.results[0], "p1");
    assert_false(is_cached("vp1"));
}

static void an_entry_ends_with_its_token(void)
{
    begin(&usual);
    service.expire_time = clock_now_ms() + 10000;
    assert_string_equal(ask("vp1"), "p1");
    service.wall_ahead = 9000;
    assert_true(is_cached("vp1"));
    service.wall_ahead = 10000;
    assert_false(is_cached("vp1"));
    service.wall_ahead = 0;
    assert_false(is_cached("vp1"));
}

static void a_lifetime_of_zero_caches_nothing(void)
{
    struct token_cache_terms terms = usual;

    terms.lifetime_ms = 0;
    begin(&terms);
    assert_string_equal(ask("vp1"), "p1");
    assert_false(is_cached("vp1"));
    assert_string_equal(ask("vp1"), "p1");
    assert_int_equal(service.lookups, 2);
}

static void the_entry_not_used_for_longest_is_displaced(void)
{
    begin(&usual);
    (void) ask("va");
    (void) ask("vb");
    (void) ask("vc");
    assert_true(is_cached("va"));
    (void) ask("vd");
    assert_true(is_cached("va"));
    assert_false(is_cached("vb"));
    assert_true(is_cached("vc"));
    (void) ask("ve");
    assert_false(is_cached("vd"));
}

static void refusals_displace_no_entry(void)
{
    char token[16];

    begin(&usual);
    (void) ask("va");
    (void) ask("vb");
    (void) ask("vc");
    for (int i = 0; i < 1000; i++) {
        snprintf(token, sizeof(token), "i%d", i);
        assert_string_equal(ask(token), "identity: invalid");
    }
    assert_int_equal(service.lookups, 1003);
    assert_true(is_cached("va") && is_cached("vb") && is_cached("vc"));
    assert_string_equal(ask("i999"), "identity: invalid");
    assert_int_equal(service.lookups, 1003);
}

static const struct refusal_case {
    const char *token;
    const char *result;
} refusal_cases[] = {{"i", "identity: invalid"}, {"f", "unavailable: failed"}};

static void a_refusal_counts_for_a_moment(const void *row)
{
    const struct refusal_case *c = row;

    begin(&usual);
    for (int i = 0; i < 3; i++)
        assert_string_equal(ask(c->token), c->result);
    assert_int_equal(service.lookups, 1);
    assert_false(is_cached(c->token));
    leap_ahead(TOKEN_CACHE_REFUSAL_MS);
    assert_string_equal(ask(c->token), c->result);
    assert_int_equal(service.lookups, 2);
}

static const struct share_case {
    const char *token;
    const char *result;
    int lifetime_ms;
} share_cases[] = {
    {"vp1", "p1", LIFETIME_MS}, {"vp2", "p2", 0}, {"i1", "identity: invalid", 0}, {"f1", "unavailable: failed", 0},
};

/* More threads than lookups and blocked threads are allowed: they pause. */
static void requests_share_a_lookup(const void *row)
{
    const struct share_case *c = row;
    struct token_cache_terms terms = usual;

    terms.lifetime_ms = c->lifetime_ms;
    terms.lookups = 1;
    begin(&terms);
    crowd.count = 0;
    hold();
    for (int i = 0; i < 50; i++)
        start_request(c->token);
    wait_for_open(1);
    wait_for_pauses(50);
    release();
    join_requests();
    for (int i = 0; i < crowd.count; i++)
        assert_string_equal(crowd.results[i], c->result);
    if (c->lifetime_ms != 0 || c->token[0] != 'v') /* else a thread that came late has looked it up again */
        assert_int_equal(service.lookups, 1);
    assert_int_equal(pauses.ended, 50);
}

static void lookups_are_limited(void)
{
    static const char *const tokens[] = {"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9"};
    char result[16];

    begin(&usual);
    crowd.count = 0;
    hold();
    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
        start_request(tokens[i]);
    wait_for_open(usual.lookups);
    wait_for_pauses(crowd.count);
    release();
    join_requests();
    for (int i = 0; i < crowd.count; i++) {
        snprintf(result, sizeof(result), "%d", i);
        assert_string_equal(crowd.results[i], result);
    }
    assert_int_equal(service.lookups, crowd.count);
    assert_int_equal(service.most_open, usual.lookups);
}

/* A request for v1 occupies a lookup, and another one waits behind it until its patience ends. */
static void wait_in_vain(const char *token)
{
    crowd.count = 0;
    hold();
    start_request("v1");
    wait_for_open(1);
    start_request(token);
    wait_for_pauses(2);
    leap_ahead(PATIENCE_MS);
    pthread_join(crowd.threads[1], NULL);
    assert_non_null(strstr(crowd.results[1], "unavailable: the service is busy"));
    release();
    pthread_join(crowd.threads[0], NULL);
    assert_string_equal(crowd.results[0], "1");
}

static void a_wait_for_a_lookup_ends(void)
{
    begin(&usual);
    wait_in_vain("v1");
    assert_int_equal(service.lookups, 1);
}

static void a_wait_for_a_slot_ends(void)
{
    struct token_cache_terms terms = usual;

    terms.lookups = 1;
    begin(&terms);
    wait_in_vain("v2");
    assert_int_equal(service.lookups, 1);
    assert_string_equal(ask("v2"), "2");
    assert_int_equal(service.lookups, 2);
}

static void threads_that_cannot_pause_are_limited(void)
{
    begin(&usual);
    pauses.refuses = true;
    assert_string_equal(ask("v0"), "0");
    crowd.count = 0;
    hold();
    start_request("v1");
    start_request("v2");
    wait_for_open(usual.blocked);
    assert_non_null(strstr(ask("v1"), "unavailable: the service is busy"));
    assert_non_null(strstr(ask("v3"), "unavailable: the service is busy"));
    assert_true(is_cached("v0"));
    pauses.refuses = false;
    start_request("v3");
    wait_for_open(usual.blocked + 1);
    release();
    join_requests();
    pauses.refuses = true;
    assert_string_equal(ask("v4"), "4");
    assert_int_equal(pauses.begun, 1);
    assert_int_equal(pauses.ended, 1);
}

static void free_empties(void)
{
    token_cache_free(cache);
    cache = NULL;
    token_cache_free(NULL);
}

int main(void)
{
    CHECK(a_token_is_looked_up_once);
    CHECK(an_entry_lives_for_the_lifetime);
    CHECK(the_lifetime_begins_with_the_lookup);
    CHECK(an_entry_ends_with_its_token);
    CHECK(a_lifetime_of_zero_caches_nothing);
    CHECK(the_entry_not_used_for_longest_is_displaced);
    CHECK(refusals_displace_no_entry);
    CHECK_EACH(a_refusal_counts_for_a_moment, refusal_cases, token);
    CHECK_EACH(requests_share_a_lookup, share_cases, token);
    CHECK(lookups_are_limited);
    CHECK(a_wait_for_a_lookup_ends);
    CHECK(a_wait_for_a_slot_ends);
    CHECK(threads_that_cannot_pause_are_limited);
    CHECK(free_empties);
    return check_run("access/token_cache");
}
