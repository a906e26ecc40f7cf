/* The subcommands of waybill(1). Each has a file of its own, and a row in the table in waybill.c. */
#ifndef WAYBILL_CLI_CLI_H
#define WAYBILL_CLI_CLI_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/config.h"
#include "base/error.h"
#include "db/connection.h"

/*
 * Runs a subcommand. argv[0] is its name. On failure, fills err and returns false; the caller prints the usage for
 * ERROR_USAGE. Only the result of the subcommand is printed to standard output.
 */
typedef bool (*cli_run)(int argc, char **argv, const struct config *config, struct error *err);

bool cli_check(int argc, char **argv, const struct config *config, struct error *err);
bool cli_export(int argc, char **argv, const struct config *config, struct error *err);
bool cli_inventory(int argc, char **argv, const struct config *config, struct error *err);
bool cli_key(int argc, char **argv, const struct config *config, struct error *err);
bool cli_migrate(int argc, char **argv, const struct config *config, struct error *err);
bool cli_schedule(int argc, char **argv, const struct config *config, struct error *err);
bool cli_task(int argc, char **argv, const struct config *config, struct error *err);
bool cli_token(int argc, char **argv, const struct config *config, struct error *err);

/* Opens a connection as the owner of the schema. Close it with db_close. Returns NULL on failure, as those below do. */
MUST_CHECK struct db *cli_open_owner(const struct config *config, struct error *err);

/* As the service, whose statements see all of the project, or no task and no container if it is NULL. */
MUST_CHECK struct db *cli_open_service(const struct config *config, const char *project_id, struct error *err);

/* As the part of the service that serves all projects, and may not read the inventory. */
MUST_CHECK struct db *cli_open_worker(const struct config *config, struct error *err);

/* An action of a subcommand, such as `token create`. The table ends with an empty row. */
struct cli_action {
    const char *name;
    cli_run run;
};

/* Runs the action argv[1]. Fails with ERROR_USAGE if it is not in the table. */
MUST_CHECK bool cli_run_action(const struct cli_action *actions, int argc, char **argv, const struct config *config,
                               struct error *err);

/* A parser of cli_option for the ID of a project or an enterprise project, a `const char *` that points into argv. */
const char *cli_parse_project(const char *value, void *target);

/*
 * A parser of cli_option for enterprise projects: converts a,b,c to the input format of text[], and all to NULL. The
 * target is a `char *`, to be freed, which is NULL or an earlier result.
 */
const char *cli_parse_enterprise_projects(const char *value, void *target);

/* Prints a value. Control characters, such as a tab or a newline, are printed as \xNN. */
void cli_print_value(const char *value);

/* Prints values in this way as one line, separated by tabs. */
void cli_print_line(const char *const *values, size_t count);

/* Prints a name and a value in this way as the line "NAME: VALUE". */
void cli_print_field(const char *name, const char *value);

#endif
