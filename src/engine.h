/*
 * All that a process needs to have exports made: connections, export threads, the listener that wakes them and the
 * housekeeper that cleans up, as the configuration says.
 */
#ifndef WAYBILL_ENGINE_H
#define WAYBILL_ENGINE_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/config.h"
#include "base/error.h"
#include "db/pool.h"
#include "export/housekeeper.h"
#include "export/watches.h"
#include "export/workers.h"

struct engine;

enum engine_kind {
    ENGINE_THREADS, /* exports run in threads, until engine_stop */
    ENGINE_ALONE,   /* no thread at all: workers_run runs an export */
};

/*
 * `config` must outlive it. NULL on failure: ERROR_CONFIG if the directory of the files can't be used. A database that
 * can't be reached yet is none.
 */
MUST_CHECK struct engine *engine_start(const struct config *config, enum engine_kind kind, struct error *err);

struct db_pool *engine_pool(struct engine *engine); /* for requests */
struct workers *engine_workers(struct engine *engine);
struct watches *engine_watches(struct engine *engine);
struct housekeeper *engine_housekeeper(struct engine *engine); /* NULL for ENGINE_ALONE */

/*
 * Claims no more tasks, ends all waits for a task, and ends running exports within grace_ms: those that are not done by
 * then are handed back to the queue. True if all threads have ended. False if one hangs: then what it uses must
 * stay. Other threads may go on using the engine.
 */
MUST_CHECK bool engine_stop(struct engine *engine, int grace_ms);

/*
 * After engine_stop was true, and when nobody uses it any more. Adds what was counted last to the counters, within what
 * is left of the grace time; there is a second for it in any case.
 */
void engine_free(struct engine *engine);

#endif
