/* When the inventory of a project was last loaded. */
#ifndef WAYBILL_INVENTORY_LOAD_TIME_H
#define WAYBILL_INVENTORY_LOAD_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

#define LOAD_TIME_NONE (-1)

/* Records that the transaction of the connection loads the inventory of the project now. */
MUST_CHECK bool load_time_record(struct db *db, const char *project_id, struct error *err);

/*
 * Finds the time of the last load, in milliseconds since 1970. *ret_time is LOAD_TIME_NONE before the first load. The
 * same holds if the database of the inventory has no table of loads, or if the role may not read it: a site can have an
 * inventory of its own.
 */
MUST_CHECK bool load_time_find(struct db *db, const char *project_id, int64_t *ret_time, struct error *err);

#endif
