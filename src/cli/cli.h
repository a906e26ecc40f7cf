/* The subcommands of waybill(1): each in a file of its own, listed in one table in waybill.c. */
#ifndef WAYBILL_CLI_CLI_H
#define WAYBILL_CLI_CLI_H

#include "base/compiler.h"
#include "base/config.h"
#include "base/error.h"
#include "db/db.h"

/*
 * Runs with the arguments from its own name on. False fills err; ERROR_USAGE has the usage shown. What a
 * subcommand is asked for goes to standard output, and nothing else does.
 */
typedef bool (*cli_run)(int argc, char **argv, const struct config *config, struct error *err);

bool cli_migrate(int argc, char **argv, const struct config *config, struct error *err);
bool cli_token(int argc, char **argv, const struct config *config, struct error *err);

/* Opens a connection as the owner of the schema. NULL on failure; close it with db_close. */
MUST_CHECK struct db *cli_open_owner(const struct config *config, struct error *err);

#endif
