/* The thread that does the rounds of retention.h, and adds this process's counters to those of all. */
#ifndef WAYBILL_EXPORT_HOUSEKEEPER_H
#define WAYBILL_EXPORT_HOUSEKEEPER_H

#include "base/compiler.h"
#include "db/pool.h"
#include "export/retention.h"

struct housekeeper;

/* Starts it; its first round comes at once. What it is given must outlive it. NULL if there is no thread for it. */
MUST_CHECK struct housekeeper *housekeeper_start(struct db_pool *pool, const struct retention *retention);

/* There may be something to remove: a round comes soon. NULL is fine, here and below. */
void housekeeper_wake(struct housekeeper *housekeeper);

/* There is a file more: a round comes soon if the bytes of all are limited. */
void housekeeper_file_added(struct housekeeper *housekeeper);

/* Ends the thread, after a last flush; waking it does nothing any more. */
void housekeeper_stop(struct housekeeper *housekeeper);
void housekeeper_free(struct housekeeper *housekeeper);

#endif
