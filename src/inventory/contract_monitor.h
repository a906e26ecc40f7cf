/*
 * Whether [inventory] relation fulfils its contract (contract.h), for the log and for health checks. The monitor
 * compares when somebody asks, and keeps a good result for a minute. Any thread may ask. It logs each problem when it
 * first finds it.
 */
#ifndef WAYBILL_INVENTORY_CONTRACT_MONITOR_H
#define WAYBILL_INVENTORY_CONTRACT_MONITOR_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "inventory/contract.h"

struct contract_monitor;

/*
 * Creates a monitor, which opens a connection with these settings for each comparison. The settings, the texts in them
 * and `relation` must outlive it.
 */
struct contract_monitor *contract_monitor_new(const struct db_settings *settings, const char *relation);

/*
 * Starts a thread that compares once, at the start of the process, for the log. While the inventory cannot be reached,
 * it tries again every few seconds. Returns false if the thread cannot start.
 */
MUST_CHECK bool contract_monitor_start(struct contract_monitor *monitor);

/*
 * Returns the problems of the relation. They are from a comparison that began after this call, or no problems from one
 * that is less than a minute old. Free the result with contract_free. Returns false if the catalog cannot be read.
 */
MUST_CHECK bool contract_monitor_ask(struct contract_monitor *monitor, struct contract_result *ret, struct error *err);

/* Stops the thread, if there is one. Returns true if it has ended (background_stop). NULL is allowed. */
MUST_CHECK bool contract_monitor_stop(struct contract_monitor *monitor, int grace_ms);

/* Call it after contract_monitor_stop has returned true. NULL is allowed. */
void contract_monitor_free(struct contract_monitor *monitor);

#endif
