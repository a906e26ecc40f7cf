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

bool cli_check(int argc, char **argv, const struct config *config, struct error *err);
bool cli_migrate(int argc, char **argv, const struct config *config, struct error *err);
bool cli_task(int argc, char **argv, const struct config *config, struct error *err);
bool cli_token(int argc, char **argv, const struct config *config, struct error *err);

/* Open a connection as the owner of the schema, or as the service. NULL on failure; close it with db_close. */
MUST_CHECK struct db *cli_open_owner(const struct config *config, struct error *err);
MUST_CHECK struct db *cli_open_service(const struct config *config, struct error *err);

/* An action of a subcommand, such as `token create`. The table ends with an empty row. */
struct cli_action {
    const char *name;
    cli_run run;
};

/* Runs the action that argv[1] names. ERROR_USAGE if it is none of them. */
MUST_CHECK bool cli_run_action(const struct cli_action *actions, int argc, char **argv, const struct config *config,
                               struct error *err);

/* Prints a value, with a tab, a line end or another control character in it as \xNN. */
void cli_print_value(const char *value);

#endif
