/* waybill task list|show|cancel|retry|purge: how operators see and steer exports. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "export/retention.h"
#include "export/task.h"
#include "export/task_admin.h"

struct list_options {
    const char *project_id;
    const char *state;
    int64_t limit;
};

static bool parse_list(int argc, char **argv, struct list_options *ret, struct error *err)
{
    static const struct option options[] = {
        {"project", required_argument, NULL, 'p'},
        {"state", required_argument, NULL, 's'},
        {"limit", required_argument, NULL, 'l'},
        {0},
    };
    enum task_state state;
    int option;

    *ret = (struct list_options) {.limit = 50};
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            ret->project_id = optarg;
            break;
        case 's':
            if (!task_parse_state(optarg, &state))
                return error_set(err, ERROR_USAGE, "--state must be queued, running, success or failure, got %s",
                                 optarg);
            ret->state = optarg;
            break;
        case 'l':
            if (!text_parse_digits(optarg, 7, &ret->limit) || ret->limit < 1)
                return error_set(err, ERROR_USAGE, "--limit must be an integer from 1 to 9999999, got %s", optarg);
            break;
        default:
            return error_set(err, ERROR_USAGE, "task list: bad option");
        }
    }
    if (optind < argc)
        return error_set(err, ERROR_USAGE, "task list: unexpected argument %s", argv[optind]);
    return true;
}

static void print_entry(const struct task_admin_entry *entry)
{
    const char *const values[] = {entry->task_id, entry->state, entry->project_id, entry->attempts,
                                  entry->exported_rows, entry->create_time, entry->finish_time, entry->error_msg};

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        if (i > 0)
            putchar('\t');
        cli_print_value(values[i]);
    }
    putchar('\n');
}

static bool list(int argc, char **argv, const struct config *config, struct error *err)
{
    struct list_options options;
    struct db *db;
    bool listed;

    if (!parse_list(argc, argv, &options, err))
        return false;
    db = cli_open_service(config, err);
    if (db == NULL)
        return false;
    puts("TASK\tSTATE\tPROJECT\tATTEMPTS\tROWS\tCREATED\tFINISHED\tERROR");
    listed = task_admin_list(db, options.project_id, options.state, (int) options.limit, print_entry, err);
    db_close(db);
    return listed;
}

static void print_column(const char *name, const char *value)
{
    printf("%s: ", name);
    cli_print_value(value);
    putchar('\n');
}

static bool show_task(struct db *db, const char *task_id, struct error *err)
{
    return task_admin_show(db, task_id, print_column, err);
}

/* Does something to the task that the only argument names. */
static bool with_task(int argc, char **argv, const struct config *config,
                      bool (*act)(struct db *db, const char *task_id, struct error *err), struct error *err)
{
    struct db *db;
    bool done;

    if (argc != 2 || argv[1][0] == '-')
        return error_set(err, ERROR_USAGE, "task %s: the ID of one task is required; `waybill task list` shows it",
                         argv[0]);
    db = cli_open_service(config, err);
    if (db == NULL)
        return false;
    done = act(db, argv[1], err);
    db_close(db);
    return done;
}

static bool show(int argc, char **argv, const struct config *config, struct error *err)
{
    return with_task(argc, argv, config, show_task, err);
}

static bool cancel(int argc, char **argv, const struct config *config, struct error *err)
{
    return with_task(argc, argv, config, task_admin_cancel, err);
}

static bool retry(int argc, char **argv, const struct config *config, struct error *err)
{
    return with_task(argc, argv, config, task_admin_retry, err);
}

static bool purge(int argc, char **argv, const struct config *config, struct error *err)
{
    const struct retention retention = retention_configured(config);
    struct retention_result result;
    struct db *db;
    bool done;

    if (argc > 1)
        return error_set(err, ERROR_USAGE, "task purge: unexpected argument %s", argv[1]);
    db = cli_open_service(config, err);
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
        {"list", list}, {"show", show}, {"cancel", cancel}, {"retry", retry}, {"purge", purge}, {0},
    };

    return cli_run_action(actions, argc, argv, config, err);
}
