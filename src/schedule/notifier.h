/*
 * The threads that send notifications (notification.h). They do not hold a database connection while they send. After
 * an attempt they add to the counters and log its outcome.
 */
#ifndef WAYBILL_SCHEDULE_NOTIFIER_H
#define WAYBILL_SCHEDULE_NOTIFIER_H

#include <stdbool.h>

#include "access/key_ring.h"
#include "base/compiler.h"
#include "db/pool.h"
#include "schedule/webhook.h"

#define NOTIFIER_THREADS 4

struct notifier;

/*
 * Starts the threads. `ring` decrypts the secrets of the notifications. `terms` is copied; its `stop` is ignored. Its
 * texts, `pool` and `ring` must outlive the notifier. Returns NULL if a thread cannot start.
 */
MUST_CHECK struct notifier *notifier_start(struct db_pool *pool, struct key_ring *ring,
                                           const struct webhook_terms *terms, int threads);

/* Reports that a notification was added. Call it after the commit. NULL is allowed, here and below. */
void notifier_wake(struct notifier *notifier);

/*
 * Stops the threads. Aborts the transfers; the notifications become due again, for other processes. A statement that
 * takes longer than grace_ms fails and loses its connection. Then the notification becomes due when its lease expires.
 * Returns true if the threads have ended; later wake-ups have no effect. Returns false if one hangs: everything that
 * they use must remain valid.
 */
MUST_CHECK bool notifier_stop(struct notifier *notifier, int grace_ms);

/* Call it after notifier_stop has returned true. */
void notifier_free(struct notifier *notifier);

#endif
