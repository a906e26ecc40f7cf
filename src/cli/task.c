/* waybill task list|show|cancel|retry|purge: lists and manages export tasks. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "export/retention.h"
#include "export/task.h"
#include "export/task_admin.h"

/* The tasks to list. */
struct task_list_options {
    const char *project_id;
    enum task_state state;
    const enum task_state *wanted_state; /* NULL: any state */
    int64_t limit;
};

/* A parser of cli_option. */
static const char *parse_task_state(const char *value, void *target)
{
    struct task_list_options *options = target;

    if (!task_parse_state(value, &options->state))
        return "must be queued, running, success or failure";
    options->wanted_state = &options->state;
    return NULL;
}

static void print_task_entry(const struct task_admin_entry *entry)
{
    const char *const values[] = {entry->task_id, entry->state, entry->project_id, entry->attempts,
                                  entry->exported_rows, entry->create_time, entry->finish_time, entry->error_msg};

    cli_print_line(values, ARRAY_SIZE(values));
}

static bool list_tasks(int argc, char **argv, const struct config *config, struct error *err)
{
    struct task_list_options list = {.limit = 50};
    const struct cli_option options[] = {
        {"--project", .text = &list.project_id},
        {"--state", .parse = parse_task_state, .target = &list},
        {"--limit", .integer = &list.limit, .min = 1, .max = 9999999},
        {0},
    };
    struct db *db;
    bool listed;

    if (!cli_parse_options("task list", argc, argv, options, err))
        return false;
    db = cli_open_worker(config, err);
    if (db == NULL)
        return false;
    puts("TASK\tSTATE\tPROJECT\tATTEMPTS\tROWS\tCREATED\tFINISHED\tERROR");
    listed = task_admin_list(db, list.project_id, list.wanted_state, (int) list.limit, print_task_entry, err);
    db_close(db);
    return listed;
}

static bool print_task(struct db *db, const char *task_id, struct error *err)
{
    return task_admin_show(db, task_id, cli_print_field, err);
}

/* Parses the ID of a task as the only argument, and runs `act` on the task. */
static bool with_task(const char *command, int argc, char **argv, const struct config *config,
                      bool (*act)(struct db *db, const char *task_id, struct error *err), struct error *err)
{
    const char *task_id;
    const struct cli_option options[] = {{"ID", .text = &task_id, .required = true}, {0}};
    struct db *db;
    bool done;

    if (!cli_parse_options(command, argc, argv, options, err))
        return false;
    db = cli_open_worker(config, err);
    if (db == NULL)
        return false;
    done = act(db, task_id, err);
    db_close(db);
    return done;
}

static bool show_task(int argc, char **argv, const struct config *config, struct error *err)
{
    return with_task("task show", argc, argv, config, print_task, err);
}

static bool cancel_task(int argc, char **argv, const struct config *config, struct error *err)
{
    return with_task("task cancel", argc, argv, config, task_admin_cancel, err);
}

static bool retry_task(int argc, char **argv, const struct config *config, struct error *err)
{
    return with_task("task retry", argc, argv, config, task_admin_retry, err);
}

static bool purge_tasks(int argc, char **argv, const struct config *config, struct error *err)
{
    const struct retention retention = retention_configured(config);
    const struct cli_option options[] = {{0}};
    struct retention_result result;
    struct db *db;
    bool done;

    if (!cli_parse_options("task purge", argc, argv, options, err))
        return false;
    db = cli_open_worker(config, err);
    if (db == NULL)
        return false;
    done = retention_round(db, &retention, &result, err);
    db_close(db);
    if (done)
        printf("%" PRId64 " files expired, %" PRId64 " tasks purged, %" PRId64 " files removed\n", result.files_expired,
               result.tasks_purged, result.files_removed);
    return done;
}

bool cli_task(int argc, char **argv, const struct config *config, struct error *err)
{
    static const struct cli_action actions[] = {
        {"list", list_tasks},
        {"show", show_task},
        {"cancel", cancel_task},
        {"retry", retry_task},
        {"purge", purge_tasks},
        {0},
    };

    return cli_run_action(actions, argc, argv, config, err);
}
