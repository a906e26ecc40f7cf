/* waybill migrate: upgrades the schema to this version. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "db/migrations.h"

static void print_applied(const char *name)
{
    printf("applied %s\n", name);
}

bool cli_migrate(int argc, char **argv, const struct config *config, struct error *err)
{
    const char *directory = WAYBILL_SQL_DIR;
    const struct cli_option options[] = {{"--sql-dir", .text = &directory}, {0}};
    struct db *db;
    bool done;

    if (!cli_parse_options("migrate", argc, argv, options, err))
        return false;
    db = cli_open_owner(config, err);
    if (db == NULL)
        return false;
    done = migrations_apply(db, directory, print_applied, err);
    db_close(db);
    return done;
}
