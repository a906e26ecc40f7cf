/* waybill migrate: brings the schema up to this version. */
#include <getopt.h>
#include <stdio.h>

#include "cli/cli.h"
#include "db/migrations.h"

static void say_applied(const char *name)
{
    printf("applied %s\n", name);
}

bool cli_migrate(int argc, char **argv, const struct config *config, struct error *err)
{
    static const struct option options[] = {{"sql-dir", required_argument, NULL, 'd'}, {0}};
    const char *directory = WAYBILL_SQL_DIR;
    struct db *db;
    bool done;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option != 'd')
            return error_set(err, ERROR_USAGE, "migrate: bad option");
        directory = optarg;
    }
    if (optind < argc)
        return error_set(err, ERROR_USAGE, "migrate: unexpected argument %s", argv[optind]);

    db = cli_open_owner(config, err);
    if (db == NULL)
        return false;
    done = migrations_apply(db, directory, say_applied, err);
    db_close(db);
    return done;
}
