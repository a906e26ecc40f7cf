/*
 * The risks of images (waybill.image_report). A report belongs to the names of its image in a project, and is kept
 * until a newer one is loaded. It reaches the containers of the image whose risks do not come from elsewhere: those
 * that have no risks, or have them from a report. The functions that need a database run in the transaction of a load
 * (inventory/load.h).
 */
#ifndef WAYBILL_INVENTORY_REPORTS_H
#define WAYBILL_INVENTORY_REPORTS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "inventory/loader.h"

/* Adds the risks of an image to a JSON array of reports. A later report on the same image counts. */
void reports_add(struct json_object *reports, const char *image, const struct image_risks *risks);

/* Stores the reports, at most once in the transaction. */
MUST_CHECK bool reports_store(struct db *db, const char *project_id, struct json_object *reports, struct error *err);

/* Gives the containers in pg_temp.staging the risks of the stored reports, and sets their column risks_reported. */
MUST_CHECK bool reports_fill_staging(struct db *db, const char *project_id, struct error *err);

/*
 * Gives the stored containers the risks of the reports of reports_store, which comes before. *ret_changed is the number
 * of containers that had others.
 */
MUST_CHECK bool reports_apply(struct db *db, const char *project_id, int64_t *ret_changed, struct error *err);

#endif
