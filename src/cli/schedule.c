/* waybill schedule: the table of its actions. */
#include "cli/cli.h"
#include "cli/schedule.h"

bool cli_schedule(int argc, char **argv, const struct config *config, struct error *err)
{
    static const struct cli_action actions[] = {
        {"add", cli_schedule_add},
        {"list", cli_schedule_list},
        {"show", cli_schedule_show},
        {"pause", cli_schedule_pause},
        {"resume", cli_schedule_resume},
        {"run", cli_schedule_run},
        {"runs", cli_schedule_runs},
        {"remove", cli_schedule_remove},
        {"preview", cli_schedule_preview},
        {0},
    };

    return cli_run_action(actions, argc, argv, config, err);
}
