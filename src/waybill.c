/* waybill, the command for operators: parses the global options and runs a subcommand. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "cli/cli.h"
#include "worker.h"

static const struct {
    const char *name;
    cli_run run;
    const char *usage;
} commands[] = {
    {"migrate", cli_migrate,
     "  migrate [--sql-dir DIR]           upgrade the schema of the database to this version\n"},
    {"check", cli_check,
     "  check [--socket PATH|HOST:PORT] [--sql-dir DIR] [--no-counts]\n"
     "                                    check every prerequisite of the service\n"},
    {"export", cli_export,
     "  export --project P [--enterprise-project LIST|all] [--column KEY[=HEADER]]... [--filter KEY=VALUE]...\n"
     "      [--size N|all] [-o FILE|-]\n"
     "                                    write a CSV file with a selection from the inventory\n"},
    {"inventory", cli_inventory,
     "  inventory load --project P [--enterprise-project E] [--format kubernetes|docker|trivy|csv] [--source S]\n"
     "      [--cluster-name N] [--cluster-type T] [--image NAME] [--include init,ephemeral] [--replace]\n"
     "      [--on-error stop|skip] [--dry-run] [--json] [FILE|-]...\n"
     "                                    load the inventory of a project from files\n"},
    {"key", cli_key,
     "  key create --project P [--enterprise-project LIST|all] [--permission LIST]\n"
     "             [--expires 30d] [--name TEXT]\n"
     "                                    create an access key and print it and its secret, only once\n"
     "  key list [--project P]            list access keys, without their secrets\n"
     "  key revoke ACCESS_KEY             revoke an access key\n"
     "  key init                          create the key file, which access keys and links need\n"
     "  key rotate                        change the key of the key file\n"},
    {"token", cli_token,
     "  token create --project P [--enterprise-project LIST|all] [--permission LIST]\n"
     "               [--expires 30d] [--name TEXT]\n"
     "                                    create a token and print it, only once\n"
     "  token list [--project P]          list tokens, without their secrets\n"
     "  token revoke ID                   revoke a token\n"},
    {"task", cli_task,
     "  task list [--project P] [--state queued|running|success|failure] [--limit N]\n"
     "                                    list tasks, newest first\n"
     "  task show ID                      show all details of a task\n"
     "  task cancel ID                    cancel an unfinished task; its state becomes failure\n"
     "  task retry ID                     queue a failed task again\n"
     "  task purge                        remove expired files and tasks now\n"},
    {"schedule", cli_schedule,
     "  schedule add --project P --name N (--rule R | --daily TIME | --weekly DAYS,TIME | --monthly DAYS,TIME)\n"
     "      [--time-zone Z] [--start TIME] [--keep N] [--enterprise-project E|all] [--size N] [--notify-url URL]\n"
     "      [--paused] [--request FILE|- | [--column KEY[=HEADER]]... [--filter KEY=VALUE]...]\n"
     "                                    create a schedule of exports and print its ID\n"
     "  schedule list --project P         list the schedules of a project\n"
     "  schedule show --project P NAME    show all fields of a schedule\n"
     "  schedule pause --project P NAME   pause a schedule\n"
     "  schedule resume --project P NAME  resume a schedule from its next occurrence on\n"
     "  schedule run --project P NAME     run a schedule now and print the ID of the task\n"
     "  schedule runs --project P [--limit N] NAME\n"
     "                                    list the runs of a schedule, newest first\n"
     "  schedule remove --project P NAME  remove a schedule; its tasks remain\n"
     "  schedule preview --rule R [--time-zone Z] [--start TIME] [--count N]\n"
     "                                    print the next occurrences of a rule\n"},
    {"worker", worker_run,
     "  worker                            run exports until SIGTERM, without serving requests\n"},
};

static void print_usage(FILE *stream)
{
    fputs("usage: waybill [--config FILE] COMMAND ...\n", stream);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fputs(commands[i].usage, stream);
    fputs("  --version, --help\n", stream);
}

static int report_error(const struct error *err)
{
    /* Operators may see the detail, which callers of the service never receive. */
    if (err->detail[0] == '\0')
        fprintf(stderr, "waybill: %s\n", err->message);
    else if (err->code == ERROR_INTERNAL)
        fprintf(stderr, "waybill: %s\n", err->detail);
    else
        fprintf(stderr, "waybill: %s: %s\n", err->message, err->detail);
    if (err->code == ERROR_USAGE)
        print_usage(stderr);
    return error_info(err->code)->exit_status;
}

static int run_command(cli_run command, int argc, char **argv, const char *config_path)
{
    struct error err;
    struct config *config = config_read(config_path, &err);
    int status = 0;

    if (config == NULL)
        return report_error(&err);
    if (!command(argc, argv, config, &err))
        status = report_error(&err);
    config_free(config);
    if (status == 0 && (fflush(stdout) != 0 || ferror(stdout))) {
        perror("waybill");
        status = 1;
    }
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *config_path = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            config_path = optarg;
            break;
        case 'v':
            puts("waybill " WAYBILL_VERSION);
            return 0;
        case 'h':
            print_usage(stdout);
            return 0;
        default:
            print_usage(stderr);
            return 2;
        }
    }
    for (size_t i = 0; optind < argc && i < ARRAY_SIZE(commands); i++) {
        if (strcmp(argv[optind], commands[i].name) == 0)
            return run_command(commands[i].run, argc - optind, argv + optind, config_path);
    }
    print_usage(stderr);
    return 2;
}
