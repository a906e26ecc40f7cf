#include "access/credential_cache.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/memory.h"

struct cached {
    struct credential_key key; /* the first member, by which it is found */
    struct credential credential;
    int64_t stale_time;  /* monotonic: the end of the lifetime */
    int64_t expire_time; /* wall clock */
    TAILQ_ENTRY(cached) by_use;
};

struct credential_cache {
    size_t capacity;
    int lifetime_ms;
    pthread_mutex_t lock; /* for the rest */
    void *tree;           /* the entries by key (tsearch) */
    TAILQ_HEAD(cached_list, cached) entries; /* the same; the one that was used last comes first */
    size_t count;
    uint64_t revocations; /* how often the cache was emptied */
    bool enabled;
};

struct credential_key credential_key_of(enum credential_kind kind, const char *text)
{
    struct credential_key key = {.kind = kind};

    digest_sha256(text, strlen(text), key.sha256);
    return key;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct credential_key));
}

struct credential_cache *credential_cache_new(size_t capacity, int lifetime_ms)
{
    struct credential_cache *cache = memory_zeroed(1, sizeof(*cache));

    cache->capacity = capacity;
    cache->lifetime_ms = lifetime_ms;
    cache->enabled = true;
    pthread_mutex_init(&cache->lock, NULL);
    TAILQ_INIT(&cache->entries);
    return cache;
}

/* Called with the lock held, like the next three. */
static void drop(struct credential_cache *cache, struct cached *entry)
{
    tdelete(entry, &cache->tree, compare_keys);
    TAILQ_REMOVE(&cache->entries, entry, by_use);
    cache->count--;
    credential_clear(&entry->credential);
    free(entry);
}

static void empty(struct credential_cache *cache)
{
    while (!TAILQ_EMPTY(&cache->entries))
        drop(cache, TAILQ_FIRST(&cache->entries));
    cache->revocations++;
}

/* Returns the entry of the key, or NULL. Drops one that is no longer valid. */
static struct cached *find_cached(struct credential_cache *cache, const struct credential_key *key)
{
    struct cached *const *node = tfind(key, &cache->tree, compare_keys);

    if (node == NULL)
        return NULL;
    if (clock_monotonic_ms() < (*node)->stale_time && clock_now_ms() < (*node)->expire_time)
        return *node;
    drop(cache, *node);
    return NULL;
}

static void put_cached(struct credential_cache *cache, struct cached *entry)
{
    struct cached *old = find_cached(cache, &entry->key);

    if (old != NULL)
        drop(cache, old);
    while (cache->count >= cache->capacity)
        drop(cache, TAILQ_LAST(&cache->entries, cached_list));
    if (tsearch(entry, &cache->tree, compare_keys) == NULL)
        abort(); /* out of memory, as in base/memory.h */
    TAILQ_INSERT_HEAD(&cache->entries, entry, by_use);
    cache->count++;
}

void credential_cache_free(struct credential_cache *cache)
{
    if (cache == NULL)
        return;
    empty(cache);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

struct credential_lookup credential_cache_begin(struct credential_cache *cache, const struct credential_key *key)
{
    struct credential_lookup lookup = {.key = *key, .began = clock_monotonic_ms()};

    pthread_mutex_lock(&cache->lock);
    lookup.revocations = cache->revocations;
    pthread_mutex_unlock(&cache->lock);
    return lookup;
}

void credential_cache_add(struct credential_cache *cache, const struct credential_lookup *lookup,
                          const struct credential *credential, int64_t expire_time)
{
    int64_t lifetime = credential->valid_ms < cache->lifetime_ms ? credential->valid_ms : cache->lifetime_ms;
    int64_t stale_time = lookup->began + lifetime;
    struct cached *entry;

    pthread_mutex_lock(&cache->lock);
    if (cache->enabled && cache->revocations == lookup->revocations && clock_monotonic_ms() < stale_time) {
        entry = memory_zeroed(1, sizeof(*entry));
        entry->key = lookup->key;
        entry->credential = credential_copy(credential);
        entry->stale_time = stale_time;
        entry->expire_time = expire_time;
        put_cached(cache, entry);
    }
    pthread_mutex_unlock(&cache->lock);
}

bool credential_cache_find(struct credential_cache *cache, const struct credential_key *key,
                           struct credential *ret_credential)
{
    struct cached *entry;

    pthread_mutex_lock(&cache->lock);
    entry = find_cached(cache, key);
    if (entry != NULL) {
        TAILQ_REMOVE(&cache->entries, entry, by_use);
        TAILQ_INSERT_HEAD(&cache->entries, entry, by_use);
        *ret_credential = credential_copy(&entry->credential);
    }
    pthread_mutex_unlock(&cache->lock);
    return entry != NULL;
}

void credential_cache_clear(struct credential_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    empty(cache);
    pthread_mutex_unlock(&cache->lock);
}

void credential_cache_enable(struct credential_cache *cache, bool enabled)
{
    pthread_mutex_lock(&cache->lock);
    cache->enabled = enabled;
    empty(cache);
    pthread_mutex_unlock(&cache->lock);
}
