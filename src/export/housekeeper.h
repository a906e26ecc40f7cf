/* The thread that runs retention rounds (retention.h) and adds the counters of the process to the totals. */
#ifndef WAYBILL_EXPORT_HOUSEKEEPER_H
#define WAYBILL_EXPORT_HOUSEKEEPER_H

#include <stdbool.h>

#include "base/compiler.h"
#include "db/pool.h"
#include "export/retention.h"

struct housekeeper;

/*
 * Starts the thread, which runs a round immediately. `retention` is copied; its `thread` is ignored. The objects that
 * it points to and `pool` must outlive the housekeeper. Returns NULL if the thread cannot start.
 */
MUST_CHECK struct housekeeper *housekeeper_start(struct db_pool *pool, const struct retention *retention);

/* Requests a round soon, because there may be something to remove. NULL is allowed, here and below. */
void housekeeper_wake(struct housekeeper *housekeeper);

/* Reports a new file. A round follows soon if the size of all files is limited. */
void housekeeper_file_added(struct housekeeper *housekeeper);

/*
 * Stops the thread. A round ends after its current batch, and a statement that takes longer than grace_ms fails and
 * loses its connection. The time limit of the last flush of the counters is at least one second. Returns true if the
 * thread has ended; later wake-ups have no effect. Returns false if it hangs: everything it uses must remain valid.
 */
MUST_CHECK bool housekeeper_stop(struct housekeeper *housekeeper, int grace_ms);

/* Call it after housekeeper_stop has returned true. */
void housekeeper_free(struct housekeeper *housekeeper);

#endif
