/*
 * The identities of callers whose tokens an identity service has validated. The cache is bounded, knows tokens only by
 * their SHA-256, and lets many requests share one lookup. Its functions may be called by any thread.
 */
#ifndef WAYBILL_ACCESS_TOKEN_CACHE_H
#define WAYBILL_ACCESS_TOKEN_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/identity.h"
#include "access/pause.h"
#include "base/compiler.h"
#include "base/error.h"

#define TOKEN_CACHE_REFUSAL_MS 1000 /* how long a lookup that failed counts for further requests */

struct token_cache_terms {
    /* Looks a token up. Called by the thread of a request, several at the same time. */
    bool (*look_up)(void *context, const char *token, struct identity *ret_identity, int64_t *ret_expire_time,
                    struct error *err);
    void *context;
    size_t capacity;    /* identities; a new one displaces the one that was not used for the longest time */
    int lifetime_ms;    /* from the beginning of the lookup; 0: nothing is cached */
    int lookups;        /* at the same time; further ones wait */
    int blocked;        /* threads that wait, or look up, although they cannot pause; further requests fail */
    int patience_ms;    /* how long a request waits for the lookup of another one */
};

struct token_cache;

/* `terms` is copied. What it points to must outlive the cache. */
struct token_cache *token_cache_new(const struct token_cache_terms *terms) __attribute__((returns_nonnull));

/* No thread may use the cache any more. NULL is allowed. */
void token_cache_free(struct token_cache *cache);

/*
 * Finds the identity of a token in the cache. An entry is valid for the lifetime, but not beyond the expiry of the
 * token, which the wall clock decides. Returns false if there is none. Free the identity with identity_clear.
 */
MUST_CHECK bool token_cache_find(struct token_cache *cache, const char *token, struct identity *ret_identity);

/*
 * Identifies a caller by its token, from the cache or by a lookup. Requests that arrive during the lookup of their
 * token wait for its result, good or bad. A bad result counts for TOKEN_CACHE_REFUSAL_MS, so that neither an invalid
 * token nor a failure of the identity service leads to many lookups. The errors are those of the lookup, and
 * ERROR_UNAVAILABLE if too many threads are blocked or a wait takes too long. Free the identity with identity_clear.
 */
MUST_CHECK bool token_cache_identify(struct token_cache *cache, const char *token, const struct access_pause *pause,
                                     struct identity *ret_identity, struct error *err);

#endif
