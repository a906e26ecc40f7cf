/* waybill worker: a process of export threads alone, for a host that only exports. */
#ifndef WAYBILL_WORKER_H
#define WAYBILL_WORKER_H

#include <stdbool.h>

#include "base/config.h"
#include "base/error.h"

/* Runs exports until a signal ends the process. A subcommand, as cli/cli.h describes it. */
bool worker_run(int argc, char **argv, const struct config *config, struct error *err);

#endif
