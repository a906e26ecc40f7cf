/*
 * Limits the failed sign-ins of each client address. An address may fail as often as the limit says, then as often
 * again in each minute: it has a token bucket, which a failure takes from. While the bucket is empty, credentials from
 * the address are not evaluated, so that guessing is slow. Valid credentials take nothing. An IPv6 address stands for
 * its /64, which one client usually has to itself. All requests without an address that can be parsed share a bucket.
 * Any thread may call these functions.
 */
#ifndef WAYBILL_ACCESS_SIGNINS_H
#define WAYBILL_ACCESS_SIGNINS_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"

#define SIGNINS_ADDRESSES 1024 /* the bucket that has not been used for the longest time makes room for another one */

struct signins;

/* `limit` is the number of failures in a minute; 0: no limit. */
struct signins *signins_new(int limit);

/* NULL is allowed. */
void signins_free(struct signins *signins);

/*
 * Checks that credentials from this address may be evaluated. Fails with ERROR_TOO_MANY, and with the number of seconds
 * after which they may be. NULL is allowed.
 */
MUST_CHECK bool signins_check(struct signins *signins, const char *address, struct error *err);

/* Counts a failed sign-in from this address. NULL is allowed. */
void signins_count_failure(struct signins *signins, const char *address);

#endif
