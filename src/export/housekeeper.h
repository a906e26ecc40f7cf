/* The thread that does the rounds of retention.h, and adds this process's counters to those of all. */
#ifndef WAYBILL_EXPORT_HOUSEKEEPER_H
#define WAYBILL_EXPORT_HOUSEKEEPER_H

#include <stdbool.h>

#include "base/compiler.h"
#include "db/pool.h"
#include "export/retention.h"

struct housekeeper;

/*
 * Starts it; its first round comes at once. `retention` is copied but for what it points to, which must outlive the
 * housekeeper, as must `pool`; its `stop` is set here. NULL if there is no thread for it.
 */
MUST_CHECK struct housekeeper *housekeeper_start(struct db_pool *pool, const struct retention *retention);

/* There may be something to remove: a round comes soon. NULL is fine, here and below. */
void housekeeper_wake(struct housekeeper *housekeeper);

/* There is a file more: a round comes soon if the bytes of all are limited. */
void housekeeper_file_added(struct housekeeper *housekeeper);

/*
 * Ends the thread within grace_ms: a round after the batch in hand, a statement that takes longer with its connection.
 * A last flush of the counters has a second in any case. True if the thread has ended; waking it does nothing any more.
 * False if it hangs: then what it uses must stay.
 */
MUST_CHECK bool housekeeper_stop(struct housekeeper *housekeeper, int grace_ms);

/* After housekeeper_stop was true. */
void housekeeper_free(struct housekeeper *housekeeper);

#endif
