#include "access/token_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "access/credential_cache.h"
#include "base/clock.h"
#include "base/memory.h"

#define MAX_REFUSALS 256 /* the newest replaces the oldest */

/* A lookup that failed. */
struct refusal {
    struct credential_key key;
    struct error error;
    int64_t stale_time; /* monotonic; 0: unused */
};

/* A lookup in progress, or one whose result some threads have not yet copied. */
struct lookup {
    struct credential_key key;
    bool is_done;
    bool is_valid;
    struct identity identity; /* if it is valid */
    struct error error;       /* if it is not */
    int users;                /* threads that use the lookup; the last one frees it */
    LIST_ENTRY(lookup) others;
};

struct token_cache {
    struct token_cache_terms terms;
    struct credential_cache *valid; /* the results of lookups that did not fail */
    pthread_mutex_t lock;          /* for the rest */
    pthread_cond_t changed;        /* a lookup has ended */
    struct refusal refusals[MAX_REFUSALS];
    size_t next_refusal;
    LIST_HEAD(, lookup) lookups;   /* those in progress */
    int running;                   /* their number */
    int blocked;
};

static bool has_key(const struct credential_key *a, const struct credential_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

struct token_cache *token_cache_new(const struct token_cache_terms *terms)
{
    struct token_cache *cache = memory_zeroed(1, sizeof(*cache));

    cache->terms = *terms;
    cache->valid = credential_cache_new(terms->capacity, terms->lifetime_ms);
    pthread_mutex_init(&cache->lock, NULL);
    clock_init_condition(&cache->changed);
    LIST_INIT(&cache->lookups);
    return cache;
}

void token_cache_free(struct token_cache *cache)
{
    if (cache == NULL)
        return;
    credential_cache_free(cache->valid);
    pthread_cond_destroy(&cache->changed);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static bool find_valid(struct token_cache *cache, const struct credential_key *key, struct identity *ret_identity)
{
    struct credential credential;

    if (!credential_cache_find(cache->valid, key, &credential))
        return false;
    *ret_identity = credential.identity; /* a token has no other members to free */
    return true;
}

static void add_valid(struct token_cache *cache, const struct credential_lookup *begun, const struct identity *identity,
                      int64_t expire_time)
{
    const struct credential credential = {.identity = *identity, .valid_ms = INT64_MAX};

    credential_cache_add(cache->valid, begun, &credential, expire_time);
}

static bool find_refusal(struct token_cache *cache, const struct credential_key *key, struct error *ret_error)
{
    for (size_t i = 0; i < MAX_REFUSALS; i++) {
        const struct refusal *refusal = &cache->refusals[i];

        if (clock_monotonic_ms() < refusal->stale_time && has_key(&refusal->key, key)) {
            *ret_error = refusal->error;
            return true;
        }
    }
    return false;
}

static void add_refusal(struct token_cache *cache, const struct credential_key *key, const struct error *error)
{
    cache->refusals[cache->next_refusal] = (struct refusal) {
        .key = *key, .error = *error, .stale_time = clock_monotonic_ms() + TOKEN_CACHE_REFUSAL_MS};
    cache->next_refusal = (cache->next_refusal + 1) % MAX_REFUSALS;
}

static bool fail_busy(struct error *err)
{
    return error_set(err, ERROR_UNAVAILABLE,
                     "the service is busy: too many requests wait for the identity service; try again later");
}

/* Waits until a lookup ends. Returns false at the deadline. */
static bool wait_for_lookup(struct token_cache *cache, int64_t deadline)
{
    int left = clock_remaining_ms(deadline);
    struct timespec until = clock_timespec_after(left);

    if (left == 0)
        return false;
    pthread_cond_timedwait(&cache->changed, &cache->lock, &until);
    return true;
}

static struct lookup *find_lookup(struct token_cache *cache, const struct credential_key *key)
{
    struct lookup *lookup;

    LIST_FOREACH(lookup, &cache->lookups, others) {
        if (has_key(&lookup->key, key))
            return lookup;
    }
    return NULL;
}

/* Copies the result of a lookup, and frees it after its last use. */
static bool take_result(struct lookup *lookup, struct identity *ret_identity, struct error *err)
{
    bool valid = lookup->is_valid;

    if (valid)
        *ret_identity = identity_copy(&lookup->identity);
    else
        *err = lookup->error;
    if (--lookup->users == 0) {
        identity_clear(&lookup->identity);
        free(lookup);
    }
    return valid;
}

static bool share_lookup(struct token_cache *cache, struct lookup *lookup, int64_t deadline,
                         struct identity *ret_identity, struct error *err)
{
    lookup->users++;
    while (!lookup->is_done) {
        if (!wait_for_lookup(cache, deadline)) {
            lookup->users--; /* not the last: its own thread uses it until it is done */
            return fail_busy(err);
        }
    }
    return take_result(lookup, ret_identity, err);
}

static bool run_lookup(struct token_cache *cache, const struct credential_key *key, const char *token,
                       struct identity *ret_identity, struct error *err)
{
    struct lookup *lookup = memory_zeroed(1, sizeof(*lookup));
    const struct credential_lookup begun = credential_cache_begin(cache->valid, key);
    int64_t expire_time = 0;

    lookup->key = *key;
    lookup->users = 1;
    LIST_INSERT_HEAD(&cache->lookups, lookup, others);
    cache->running++;
    pthread_mutex_unlock(&cache->lock);
    lookup->is_valid = cache->terms.look_up(cache->terms.context, token, &lookup->identity, &expire_time,
                                            &lookup->error);
    pthread_mutex_lock(&cache->lock);
    lookup->is_done = true;
    LIST_REMOVE(lookup, others);
    cache->running--;
    if (lookup->is_valid)
        add_valid(cache, &begun, &lookup->identity, expire_time);
    else
        add_refusal(cache, key, &lookup->error);
    pthread_cond_broadcast(&cache->changed);
    return take_result(lookup, ret_identity, err);
}

/* Identifies a caller whose token was not in the cache a moment ago. */
static bool identify(struct token_cache *cache, const struct credential_key *key, const char *token,
                     struct identity *ret_identity, struct error *err)
{
    int64_t deadline = clock_monotonic_ms() + cache->terms.patience_ms;
    struct lookup *lookup;

    do {
        if (find_valid(cache, key, ret_identity))
            return true;
        if (find_refusal(cache, key, err))
            return false;
        lookup = find_lookup(cache, key);
        if (lookup != NULL)
            return share_lookup(cache, lookup, deadline, ret_identity, err);
        if (cache->running < cache->terms.lookups)
            return run_lookup(cache, key, token, ret_identity, err);
    } while (wait_for_lookup(cache, deadline));
    return fail_busy(err);
}

bool token_cache_find(struct token_cache *cache, const char *token, struct identity *ret_identity)
{
    const struct credential_key key = credential_key_of(CREDENTIAL_TOKEN, token);

    return find_valid(cache, &key, ret_identity);
}

bool token_cache_identify(struct token_cache *cache, const char *token, const struct access_pause *pause,
                          struct identity *ret_identity, struct error *err)
{
    const struct credential_key key = credential_key_of(CREDENTIAL_TOKEN, token);
    bool paused = pause->begin(pause->context);
    bool known = false;

    pthread_mutex_lock(&cache->lock);
    if (!paused && cache->blocked >= cache->terms.blocked) {
        fail_busy(err);
    } else {
        cache->blocked += !paused;
        known = identify(cache, &key, token, ret_identity, err);
        cache->blocked -= !paused;
    }
    pthread_mutex_unlock(&cache->lock);
    if (paused)
        pause->end(pause->context);
    return known;
}
