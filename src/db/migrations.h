/* The schema's versions: numbered files of SQL, each applied once, in a transaction of its own. */
#ifndef WAYBILL_DB_MIGRATIONS_H
#define WAYBILL_DB_MIGRATIONS_H

#include "db/connection.h"

/*
 * Applies the files NNNN_name.sql of the directory that the database doesn't have yet, in their order, and
 * calls `applied` with the name of each. One process at a time does so; another waits for it.
 */
MUST_CHECK bool migrations_apply(struct db *db, const char *directory, void (*applied)(const char *name),
                                 struct error *err);

/* How the database differs from the files of a directory: names of migrations, "" where there is none. */
struct migrations_difference {
    char missing[256]; /* the first file that was not applied */
    char unknown[256]; /* the last that was applied and is no file */
    char newest[256];  /* the last file */
};

/* Compares, as any role that may read waybill.schema_migration. */
MUST_CHECK bool migrations_compare(struct db *db, const char *directory, struct migrations_difference *ret_difference,
                                   struct error *err);

#endif
