/* waybill worker: a process that only runs exports. */
#ifndef WAYBILL_WORKER_H
#define WAYBILL_WORKER_H

#include <stdbool.h>

#include "base/config.h"
#include "base/error.h"

/* Implements the subcommand (see cli/cli.h). Runs exports until a signal stops the process. */
bool worker_run(int argc, char **argv, const struct config *config, struct error *err);

#endif
