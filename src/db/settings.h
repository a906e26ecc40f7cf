/* How the parts of a process connect to PostgreSQL, as the configuration says. */
#ifndef WAYBILL_DB_SETTINGS_H
#define WAYBILL_DB_SETTINGS_H

#include "base/config.h"
#include "db/connection.h"

/* The settings point into `config`, which must outlive them. */

/* Connects as the service role, to the database of the tasks. */
struct db_settings db_settings_for_service(const struct config *config);

/* Connects as the owner of the schema. Statements may take a day: building an index of a large inventory takes long. */
struct db_settings db_settings_for_owner(const struct config *config);

/* Connects to the server that exports read the inventory from. It may be a hot standby. */
struct db_settings db_settings_for_inventory(const struct config *config);

#endif
