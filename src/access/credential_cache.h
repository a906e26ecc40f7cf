/*
 * Valid credentials, for a limited time. The cache is bounded and knows tokens and access keys only by their SHA-256.
 * Its functions may be called by any thread.
 *
 * A revocation empties the cache, and a lookup that began before it adds nothing: the lookup may have seen the
 * credential as it was before the revocation.
 */
#ifndef WAYBILL_ACCESS_CREDENTIAL_CACHE_H
#define WAYBILL_ACCESS_CREDENTIAL_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/credential.h"
#include "base/compiler.h"
#include "base/digest.h"

struct credential_cache;

/*
 * The cache has at most `capacity` credentials; a new one displaces the one that was not used for the longest time. The
 * lifetime of each is at most lifetime_ms from the beginning of its lookup; 0: nothing is cached.
 */
struct credential_cache *credential_cache_new(size_t capacity, int lifetime_ms) __attribute__((returns_nonnull));

/* No thread may use the cache any more. NULL is allowed. */
void credential_cache_free(struct credential_cache *cache);

/* A token or an access key. The same text is a different key as the one and as the other. */
struct credential_key {
    enum credential_kind kind;
    unsigned char sha256[SHA256_SIZE];
};

struct credential_key credential_key_of(enum credential_kind kind, const char *text);

/* A lookup that has begun. */
struct credential_lookup {
    struct credential_key key;
    uint64_t revocations; /* that the cache had heard of */
    int64_t began;        /* monotonic */
};

/* Call it before a credential is looked up that is not in the cache. */
struct credential_lookup credential_cache_begin(struct credential_cache *cache, const struct credential_key *key);

/*
 * Adds a copy of the credential that a lookup has found, in place of an older one. It is not used after its valid_ms,
 * counted from the beginning of the lookup, nor once the wall clock reaches expire_time, in milliseconds since 1970.
 */
void credential_cache_add(struct credential_cache *cache, const struct credential_lookup *lookup,
                          const struct credential *credential, int64_t expire_time);

/* Finds a credential that is still valid, and copies it. Free the copy with credential_clear. */
MUST_CHECK bool credential_cache_find(struct credential_cache *cache, const struct credential_key *key,
                                      struct credential *ret_credential);

/* Empties the cache, for a revocation. */
void credential_cache_clear(struct credential_cache *cache);

/* Sets whether credentials may be added, and empties the cache as above. Initially, they may. */
void credential_cache_enable(struct credential_cache *cache, bool enabled);

#endif
