/*
 * The engine contains the parts of a process, set up from the configuration: connections, access, export threads, the
 * listener that wakes them, the monitor of the inventory's contract, and the housekeeper.
 */
#ifndef WAYBILL_ENGINE_H
#define WAYBILL_ENGINE_H

#include <stdbool.h>

#include "access/access.h"
#include "base/compiler.h"
#include "base/config.h"
#include "base/error.h"
#include "db/pool.h"
#include "export/housekeeper.h"
#include "export/watches.h"
#include "export/workers.h"
#include "inventory/contract_monitor.h"

struct engine;

enum engine_kind {
    ENGINE_WITH_THREADS,    /* export threads run until engine_stop */
    ENGINE_WITHOUT_THREADS, /* workers_run runs an export in the calling thread */
};

/*
 * Starts the engine. `config` must outlive it. Returns NULL on failure: ERROR_CONFIG if the files directory is not
 * usable. An unreachable database is not a failure.
 */
MUST_CHECK struct engine *engine_start(const struct config *config, enum engine_kind kind, struct error *err);

struct db_pool *engine_pool(struct engine *engine); /* for requests */

/* For requests that read the inventory. It is the same pool unless the inventory has a connection string of its own. */
struct db_pool *engine_inventory_pool(struct engine *engine);

struct access *engine_access(struct engine *engine);
struct workers *engine_workers(struct engine *engine);
struct watches *engine_watches(struct engine *engine);
struct housekeeper *engine_housekeeper(struct engine *engine); /* NULL for ENGINE_WITHOUT_THREADS */
struct contract_monitor *engine_contract(struct engine *engine);

/*
 * Stops claiming tasks, wakes all requests that wait for tasks, and waits up to grace_ms for running exports. The tasks
 * of unfinished exports are requeued. Returns true if all threads have ended, and false if a thread hangs: then
 * everything it uses must remain valid. Request threads may use the engine until engine_free.
 */
MUST_CHECK bool engine_stop(struct engine *engine, int grace_ms);

/*
 * Frees the engine. Call it only after engine_stop has returned true and nothing uses the engine any more. It adds the
 * last counts to the totals within the rest of the grace time, or within one second if less remains.
 */
void engine_free(struct engine *engine);

#endif
