/* The thread that runs the rounds of retention.h, and adds the counters of the process to the totals. */
#ifndef WAYBILL_EXPORT_HOUSEKEEPER_H
#define WAYBILL_EXPORT_HOUSEKEEPER_H

#include <stdbool.h>

#include "base/compiler.h"
#include "db/pool.h"
#include "export/retention.h"

struct housekeeper;

/*
 * Starts the thread, which begins with a round. `retention` is copied, and its `stop` is set here. The pointers in it
 * and `pool` must outlive the housekeeper. Returns NULL if the thread cannot start.
 */
MUST_CHECK struct housekeeper *housekeeper_start(struct db_pool *pool, const struct retention *retention);

/* Requests a round soon, because there may be something to remove. NULL is allowed, here and below. */
void housekeeper_wake(struct housekeeper *housekeeper);

/* Reports a new file. A round follows soon if the size of all files is limited. */
void housekeeper_file_added(struct housekeeper *housekeeper);

/*
 * Ends the thread within grace_ms. A round ends after its current batch; a statement that takes longer loses its
 * connection. The last flush of the counters has at least a second. Returns true if the thread has ended; wake-ups have
 * no effect then. Returns false if it hangs: then everything it uses must stay.
 */
MUST_CHECK bool housekeeper_stop(struct housekeeper *housekeeper, int grace_ms);

/* Call it after housekeeper_stop has returned true. */
void housekeeper_free(struct housekeeper *housekeeper);

#endif
