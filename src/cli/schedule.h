/* The actions of `waybill schedule`. They are of the type cli_run. */
#ifndef WAYBILL_CLI_SCHEDULE_H
#define WAYBILL_CLI_SCHEDULE_H

#include <stdbool.h>

#include "base/config.h"
#include "base/error.h"

bool cli_schedule_add(int argc, char **argv, const struct config *config, struct error *err);
bool cli_schedule_list(int argc, char **argv, const struct config *config, struct error *err);
bool cli_schedule_show(int argc, char **argv, const struct config *config, struct error *err);
bool cli_schedule_pause(int argc, char **argv, const struct config *config, struct error *err);
bool cli_schedule_resume(int argc, char **argv, const struct config *config, struct error *err);
bool cli_schedule_run(int argc, char **argv, const struct config *config, struct error *err);
bool cli_schedule_runs(int argc, char **argv, const struct config *config, struct error *err);
bool cli_schedule_remove(int argc, char **argv, const struct config *config, struct error *err);
bool cli_schedule_preview(int argc, char **argv, const struct config *config, struct error *err);

#endif
