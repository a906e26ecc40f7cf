/* The versions of the schema: numbered SQL files, each applied once, in its own transaction. */
#ifndef WAYBILL_DB_MIGRATIONS_H
#define WAYBILL_DB_MIGRATIONS_H

#include "db/connection.h"

/*
 * Applies the files NNNN_name.sql of the directory that the database does not have yet, in order, and calls `applied`
 * with the name of each. Then grants to the role waybill_loader if it exists. Only one process at a time applies
 * migrations; others wait.
 */
MUST_CHECK bool migrations_apply(struct db *db, const char *directory, void (*applied)(const char *name),
                                 struct error *err);

/* The difference between the database and the files of a directory: names of migrations, or "". */
struct migrations_difference {
    char missing[256]; /* the first file that was not applied */
    char unknown[256]; /* the last applied migration without a file */
    char newest[256];  /* the last file */
};

/* Compares them. The role must be able to read waybill.schema_migration. */
MUST_CHECK bool migrations_compare(struct db *db, const char *directory, struct migrations_difference *ret_difference,
                                   struct error *err);

#endif
