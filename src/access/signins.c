#include "access/signins.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

#define MINUTE_MS INT64_C(60000)
#define PREFIX_BYTES 8 /* of an IPv6 address: /64 */

/* An address, as far as it is told apart from others. */
struct client {
    int family; /* AF_INET, AF_INET6, or AF_UNSPEC for all without an address */
    unsigned char bytes[PREFIX_BYTES];
};

/*
 * The debt of a bucket is what it lacks to be full. The unit is chosen so that all is exact: a failure adds MINUTE_MS,
 * and each millisecond pays `limit`. A bucket of `limit` failures is empty at a debt of MINUTE_MS * limit.
 */
struct bucket {
    struct client client;
    int64_t debt; /* at the time `counted` */
    int64_t counted; /* monotonic: the last failure */
};

struct signins {
    int64_t limit;
    pthread_mutex_t lock; /* for the rest */
    size_t count;
    struct bucket buckets[SIGNINS_ADDRESSES];
};

struct signins *signins_new(int limit)
{
    struct signins *signins = memory_zeroed(1, sizeof(*signins));

    signins->limit = limit;
    pthread_mutex_init(&signins->lock, NULL);
    return signins;
}

void signins_free(struct signins *signins)
{
    if (signins == NULL)
        return;
    pthread_mutex_destroy(&signins->lock);
    free(signins);
}

static struct client parse_client(const char *address)
{
    struct client client = {.family = AF_UNSPEC};
    char text[INET6_ADDRSTRLEN];
    size_t length = address == NULL ? 0 : strcspn(address, "%"); /* without the zone of a link-local address */
    struct in6_addr ipv6;

    if (length == 0 || length >= sizeof(text))
        return client;
    memcpy(text, address, length);
    text[length] = '\0';
    if (inet_pton(AF_INET, text, client.bytes) == 1) {
        client.family = AF_INET;
    } else if (inet_pton(AF_INET6, text, &ipv6) == 1 && IN6_IS_ADDR_V4MAPPED(&ipv6)) {
        client.family = AF_INET;
        memcpy(client.bytes, ipv6.s6_addr + 12, 4);
    } else if (inet_pton(AF_INET6, text, &ipv6) == 1) {
        client.family = AF_INET6;
        memcpy(client.bytes, ipv6.s6_addr, PREFIX_BYTES);
    }
    return client;
}

/* Returns the bucket of a client, or NULL if it has none, which means a full one. Called with the lock held. */
static struct bucket *find_bucket(struct signins *signins, const struct client *client)
{
    for (size_t i = 0; i < signins->count; i++) {
        if (memcmp(&signins->buckets[i].client, client, sizeof(*client)) == 0)
            return &signins->buckets[i];
    }
    return NULL;
}

/* Returns a bucket for a new client, which may have been that of another one. Called with the lock held. */
static struct bucket *new_bucket(struct signins *signins, const struct client *client)
{
    struct bucket *chosen = &signins->buckets[0];

    if (signins->count < SIGNINS_ADDRESSES) {
        chosen = &signins->buckets[signins->count++];
    } else {
        for (size_t i = 1; i < signins->count; i++) {
            if (signins->buckets[i].counted < chosen->counted)
                chosen = &signins->buckets[i];
        }
    }
    *chosen = (struct bucket) {.client = *client};
    return chosen;
}

static int64_t current_debt(const struct signins *signins, const struct bucket *bucket, int64_t now)
{
    int64_t left = bucket->debt - (now - bucket->counted) * signins->limit;

    return left > 0 ? left : 0;
}

bool signins_check(struct signins *signins, const char *address, struct error *err)
{
    const struct client client = parse_client(address);
    const struct bucket *bucket;
    int64_t excess = 0, pays = signins->limit * 1000, seconds;

    if (signins->limit == 0)
        return true;
    pthread_mutex_lock(&signins->lock);
    bucket = find_bucket(signins, &client);
    if (bucket != NULL)
        excess = current_debt(signins, bucket, clock_monotonic_ms()) + MINUTE_MS - MINUTE_MS * signins->limit;
    pthread_mutex_unlock(&signins->lock);
    if (excess <= 0)
        return true;
    seconds = (excess + pays - 1) / pays;
    error_set(err, ERROR_TOO_MANY, "failed sign-ins from one address must be at most %d per minute, got more; try again"
              " in %d seconds", (int) signins->limit, (int) seconds);
    return error_retry_after(err, (int) seconds);
}

void signins_count_failure(struct signins *signins, const char *address)
{
    const struct client client = parse_client(address);
    struct bucket *bucket;
    int64_t now;

    if (signins->limit == 0)
        return;
    pthread_mutex_lock(&signins->lock);
    now = clock_monotonic_ms();
    bucket = find_bucket(signins, &client);
    if (bucket == NULL)
        bucket = new_bucket(signins, &client);
    bucket->debt = current_debt(signins, bucket, now) + MINUTE_MS;
    bucket->counted = now;
    pthread_mutex_unlock(&signins->lock);
}
