/* Derives from the configuration how the parts of a process connect to PostgreSQL. */
#ifndef WAYBILL_DB_SETTINGS_H
#define WAYBILL_DB_SETTINGS_H

#include "base/config.h"
#include "db/connection.h"

/* The settings point into `config`, which must outlive them. */

/*
 * Returns the settings to connect to the database of the tasks as the service role, for requests. Its statements see
 * only the rows of the connection's scope (db/scope.h).
 */
struct db_settings db_settings_for_service(const struct config *config);

/*
 * Returns the settings for work that serves all projects: the same connection, whose sessions become waybill_worker.
 * Row level security does not restrict this role. It may not read the inventory.
 */
struct db_settings db_settings_for_worker(const struct config *config);

/*
 * Returns the settings to connect as the owner of the schema. A statement may take a day, because building an index of
 * a large inventory takes long.
 */
struct db_settings db_settings_for_owner(const struct config *config);

/* Returns the settings to connect as the role that loads the inventory. A statement may take an hour. */
struct db_settings db_settings_for_loader(const struct config *config);

/* Returns the settings to connect to the server with the inventory, which may be a hot standby. */
struct db_settings db_settings_for_inventory(const struct config *config);

/* Returns the settings to read the catalog of that server, with the time limit of requests. */
struct db_settings db_settings_for_catalog(const struct config *config);

#endif
