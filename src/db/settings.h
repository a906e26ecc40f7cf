/* How the parts of a process connect to PostgreSQL, from the configuration. */
#ifndef WAYBILL_DB_SETTINGS_H
#define WAYBILL_DB_SETTINGS_H

#include "base/config.h"
#include "db/connection.h"

/* The settings point into `config`, which must outlive them. */

/* As the service role, to the database of the tasks. */
struct db_settings db_settings_for_service(const struct config *config);

/* As the owner of the schema. A statement may take a day, because indexes of a large inventory take long to build. */
struct db_settings db_settings_for_owner(const struct config *config);

/* To the server that exports read the inventory from. It may be a hot standby. */
struct db_settings db_settings_for_inventory(const struct config *config);

#endif
