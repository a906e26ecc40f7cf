/* The arguments of waybill's subcommands: bad ones are refused before the database is used, good ones get that far. */
#include "cli/cli.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "check.h"
#include "scratch.h"
#include "worker.h"

#define MAX_ARGUMENTS 10
#define ID "01234567-89ab-4cde-8f01-23456789abcd"

/* 256 and 257 characters. */
#define N16 "\xC3\xA9nterprise-proje"
#define N256 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16
#define N257 N256 "x"

static const struct arguments_case {
    const char *label;
    const char *arguments[MAX_ARGUMENTS];
    const char *refusal; /* NULL: the arguments are good */
} token_cases[] = {
    {"no action", {"token"}, "token: one of create, list, revoke is required"},
    {"unknown action", {"token", "drop"}, "token: one of create, list, revoke is required, got \"drop\""},
    {"create", {"token", "create", "--project", "p"}, NULL},
    {"create, all options",
     {"token", "create", "--project=p", "--enterprise-project=0,e1", "--expires=30d", "--name=n"}, NULL},
    {"create, all", {"token", "create", "--project", "p", "--enterprise-project", "all"}, NULL},
    {"create, no project", {"token", "create"}, "token create: --project is required"},
    {"create, project without a value", {"token", "create", "--project"}, "token create: --project requires a value"},
    {"create, empty project", {"token", "create", "--project", ""},
     "token create: --project must be 1 to 256 characters of valid UTF-8, got \"\""},
    {"create, 256 characters", {"token", "create", "--project", N256}, NULL},
    {"create, 257 characters", {"token", "create", "--project", N257}, "--project must be 1 to 256 characters"},
    {"create, invalid UTF-8", {"token", "create", "--project", "\xFF"}, "--project must be 1 to 256 characters"},
    {"create, empty name in the list", {"token", "create", "--project", "p", "--enterprise-project", "a,,b"},
     "--enterprise-project must be all, or a comma-separated list of names, each 1 to 256 characters of valid UTF-8,"
     " got \"a,,b\""},
    {"create, empty list", {"token", "create", "--project", "p", "--enterprise-project", ""}, "1 to 256"},
    {"create, list ends in a comma", {"token", "create", "--project", "p", "--enterprise-project", "a,"}, "1 to 256"},
    {"create, long name in the list", {"token", "create", "--project", "p", "--enterprise-project", "a," N257},
     "1 to 256"},
    {"create, two lists", {"token", "create", "--project", "p", "--enterprise-project=a", "--enterprise-project=b"},
     NULL},
    {"create, one permission", {"token", "create", "--project", "p", "--permission", "read"}, NULL},
    {"create, all permissions", {"token", "create", "--project", "p", "--permission=schedule,create,read"}, NULL},
    {"create, unknown permission", {"token", "create", "--project", "p", "--permission", "write"},
     "token create: --permission must be a comma-separated list of create, read and schedule, each at most once, got"
     " \"write\""},
    {"create, permission twice", {"token", "create", "--project", "p", "--permission", "read,read"},
     "each at most once, got \"read,read\""},
    {"create, no permission", {"token", "create", "--project", "p", "--permission", ""}, "--permission must be"},
    {"create, permissions end in a comma", {"token", "create", "--project", "p", "--permission=read,"},
     "--permission must be"},
    {"create, permissions with a space", {"token", "create", "--project", "p", "--permission=create, read"},
     "--permission must be"},
    {"create, permission in upper case", {"token", "create", "--project", "p", "--permission=READ"},
     "--permission must be"},
    {"create, the word all", {"token", "create", "--project", "p", "--permission=all"}, "--permission must be"},
    {"create, permission without a value", {"token", "create", "--project", "p", "--permission"},
     "token create: --permission requires a value"},
    {"create, two lists of permissions", {"token", "create", "--project=p", "--permission=read", "--permission=read"},
     NULL},
    {"create, bad duration", {"token", "create", "--project", "p", "--expires", "soon"},
     "token create: --expires must be a duration such as 90s, 15m, 12h, 30d or 4w, and at most 36600d, got \"soon\""},
    {"create, empty duration", {"token", "create", "--project", "p", "--expires", ""}, "--expires must be"},
    {"create, duration of nothing", {"token", "create", "--project", "p", "--expires", "0d"}, "--expires must be"},
    {"create, duration of one second", {"token", "create", "--project", "p", "--expires", "1s"}, NULL},
    {"create, unknown option", {"token", "create", "--project", "p", "--force"},
     "token create: unknown option \"--force\""},
    {"create, argument", {"token", "create", "--project", "p", "q"}, "token create: unexpected argument \"q\""},
    {"list", {"token", "list"}, NULL},
    {"list of a project", {"token", "list", "--project", "p"}, NULL},
    {"list, unknown option", {"token", "list", "--all"}, "token list: unknown option \"--all\""},
    {"list, argument", {"token", "list", "p"}, "token list: unexpected argument \"p\""},
    {"revoke", {"token", "revoke", "7"}, NULL},
    {"revoke nothing", {"token", "revoke"}, "token revoke: ID is required"},
    {"revoke two", {"token", "revoke", "7", "8"}, "token revoke: unexpected argument \"8\""},
    {"revoke a name", {"token", "revoke", "seven"},
     "token revoke: ID must be an integer from 0 to 999999999999999999, got \"seven\""},
    {"revoke a negative number", {"token", "revoke", "-7"}, "token revoke: unknown option \"-7\""},
    {"revoke a number beyond 64 bits", {"token", "revoke", "99999999999999999999"}, "ID must be"},
}, key_cases[] = {
    {"no action", {"key"}, "key: one of create, list, revoke, init, rotate is required"},
    {"unknown action", {"key", "show"}, "is required, got \"show\""},
    {"create, no project", {"key", "create"}, "key create: --project is required"},
    {"create, unknown permission", {"key", "create", "--project", "p", "--permission", "all"},
     "key create: --permission must be a comma-separated list of create, read and schedule"},
    {"create, no duration", {"key", "create", "--project", "p", "--expires", "soon"}, "key create: --expires must be"},
    {"create, argument", {"key", "create", "--project", "p", "q"}, "key create: unexpected argument \"q\""},
    {"list", {"key", "list"}, NULL},
    {"list of a project", {"key", "list", "--project", "p"}, NULL},
    {"list, argument", {"key", "list", "p"}, "key list: unexpected argument \"p\""},
    {"revoke", {"key", "revoke", "WBAK0000000000000000"}, NULL},
    {"revoke nothing", {"key", "revoke"}, "key revoke: ACCESS_KEY is required"},
    {"revoke two", {"key", "revoke", "a", "b"}, "key revoke: unexpected argument \"b\""},
    {"init, argument", {"key", "init", "f"}, "key init: unexpected argument \"f\""},
    {"rotate, argument", {"key", "rotate", "f"}, "key rotate: unexpected argument \"f\""},
}, task_cases[] = {
    {"no action", {"task"}, "task: one of list, show, cancel, retry, purge is required"},
    {"unknown action", {"task", "drop"}, "task: one of list, show, cancel, retry, purge is required, got \"drop\""},
    {"empty action", {"task", ""}, "is required"},
    {"part of an action", {"task", "lis"}, "is required"},
    {"action in upper case", {"task", "LIST"}, "is required"},
    {"option in place of an action", {"task", "--limit", "1"}, "is required"},
    {"list", {"task", "list"}, NULL},
    {"list, all options", {"task", "list", "--project=p", "--state=queued", "--limit=1"}, NULL},
    {"list of a project", {"task", "list", "--project", "p"}, NULL},
    {"list of queued", {"task", "list", "--state", "queued"}, NULL},
    {"list of running", {"task", "list", "--state", "running"}, NULL},
    {"list of success", {"task", "list", "--state", "success"}, NULL},
    {"list of failure", {"task", "list", "--state", "failure"}, NULL},
    {"list of another state", {"task", "list", "--state", "failed"},
     "task list: --state must be queued, running, success or failure, got \"failed\""},
    {"list of a state in upper case", {"task", "list", "--state", "QUEUED"}, "--state must be"},
    {"list of no state", {"task", "list", "--state", ""}, "--state must be"},
    {"list, state without a value", {"task", "list", "--state"}, "task list: --state requires a value"},
    {"list, limit 1", {"task", "list", "--limit", "1"}, NULL},
    {"list, limit 9999999", {"task", "list", "--limit", "9999999"}, NULL},
    {"list, limit 0", {"task", "list", "--limit", "0"},
     "task list: --limit must be an integer from 1 to 9999999, got \"0\""},
    {"list, limit 10000000", {"task", "list", "--limit", "10000000"}, "--limit must be"},
    {"list, limit -1", {"task", "list", "--limit", "-1"}, "--limit must be"},
    {"list, limit beyond 64 bits", {"task", "list", "--limit", "18446744073709551617"}, "--limit must be"},
    {"list, empty limit", {"task", "list", "--limit", ""}, "--limit must be"},
    {"list, no limit", {"task", "list", "--limit", "many"}, "--limit must be"},
    {"list, limit without a value", {"task", "list", "--limit"}, "task list: --limit requires a value"},
    {"list, unknown option", {"task", "list", "--all"}, "task list: unknown option \"--all\""},
    {"list, argument", {"task", "list", "p"}, "task list: unexpected argument \"p\""},
    {"show", {"task", "show", ID}, NULL},
    {"show nothing", {"task", "show"}, "task show: ID is required"},
    {"show two", {"task", "show", ID, ID}, "task show: unexpected argument \"" ID "\""},
    {"cancel", {"task", "cancel", ID}, NULL},
    {"cancel nothing", {"task", "cancel"}, "task cancel: ID is required"},
    {"cancel two", {"task", "cancel", ID, ID}, "task cancel: unexpected argument \"" ID "\""},
    {"retry", {"task", "retry", ID}, NULL},
    {"retry nothing", {"task", "retry"}, "task retry: ID is required"},
    {"retry two", {"task", "retry", ID, ID}, "task retry: unexpected argument \"" ID "\""},
    {"purge", {"task", "purge"}, NULL},
    {"purge, argument", {"task", "purge", ID}, "task purge: unexpected argument \"" ID "\""},
    {"purge, option", {"task", "purge", "--all"}, "task purge: unknown option \"--all\""},
}, schedule_cases[] = {
    {"no action", {"schedule"},
     "schedule: one of add, list, show, pause, resume, run, runs, remove, preview is required"},
    {"unknown action", {"schedule", "drop"}, "is required, got \"drop\""},
    {"add", {"schedule", "add", "--project=p", "--name=n", "--rule=FREQ=DAILY"}, NULL},
    {"add, daily", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00"}, NULL},
    {"add, weekly", {"schedule", "add", "--project=p", "--name=n", "--weekly=mon,03:00"}, NULL},
    {"add, monthly", {"schedule", "add", "--project=p", "--name=n", "--monthly=-1,03:00"}, NULL},
    {"add, all columns and filters", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--column=risky=R",
                                      "--column=status", "--filter=risky=true", "--filter=create_time=P7D"}, NULL},
    {"add, other options", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--keep=1000",
                            "--size=100000", "--paused", "--start=2026-04-03T08:15:00Z", "--time-zone=UTC"}, NULL},
    {"add, no project", {"schedule", "add", "--name=n", "--daily=03:00"}, "schedule add: --project is required"},
    {"add, empty project", {"schedule", "add", "--project=", "--name=n", "--daily=03:00"},
     "schedule add: --project must be 1 to 256 characters of valid UTF-8, got \"\""},
    {"add, no name", {"schedule", "add", "--project=p", "--daily=03:00"}, "schedule add: --name is required"},
    {"add, no rule", {"schedule", "add", "--project=p", "--name=n"},
     "schedule add: one of --rule, --daily, --weekly and --monthly is required"},
    {"add, two rules", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--rule=FREQ=DAILY"},
     "schedule add: --rule must be the only one of --rule, --daily, --weekly and --monthly, got \"FREQ=DAILY\""},
    {"add, bad time", {"schedule", "add", "--project=p", "--name=n", "--daily=3"},
     "schedule add: --daily must be a time from 00:00 to 23:59, such as 03:00, got \"3\""},
    {"add, bad start", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--start=now"},
     "schedule add: --start must be a time of ISO 8601 in the years 1970 to 9999, such as "},
    {"add, keep 0", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--keep=0"},
     "schedule add: --keep must be an integer from 1 to 1000, got \"0\""},
    {"add, keep 1001", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--keep=1001"},
     "schedule add: --keep must be an integer from 1 to 1000, got \"1001\""},
    {"add, size 0", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--size=0"},
     "schedule add: --size must be an integer from 1 to 100000, got \"0\""},
    {"add, size 100001", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--size=100001"},
     "schedule add: --size must be an integer from 1 to 100000, got \"100001\""},
    {"add, unknown column", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--column=x"},
     "schedule add: --column KEY must be one of container_id, "},
    {"add, bad filter", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--filter=risky=1"},
     "schedule add: --filter risky must be true or false, got \"risky=1\""},
    {"add, request and column", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--request=/dev/null",
                                 "--column=risky"}, "schedule add: --request already contains the columns and filters"},
    {"add, request and filter", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--request=/dev/null",
                                 "--filter=risky=true"}, "schedule add: --request already contains the columns"},
    {"add, paused with a value", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "--paused=on"},
     "schedule add: --paused takes no value"},
    {"add, argument", {"schedule", "add", "--project=p", "--name=n", "--daily=03:00", "n"},
     "schedule add: unexpected argument \"n\""},
    {"list", {"schedule", "list", "--project=p"}, NULL},
    {"list, no project", {"schedule", "list"}, "schedule list: --project is required"},
    {"list, argument", {"schedule", "list", "--project=p", "n"}, "schedule list: unexpected argument \"n\""},
    {"show", {"schedule", "show", "--project=p", "n"}, NULL},
    {"show, no project", {"schedule", "show", "n"}, "schedule show: --project is required"},
    {"show, no name", {"schedule", "show", "--project=p"}, "schedule show: NAME is required"},
    {"show, limit", {"schedule", "show", "--project=p", "--limit=1", "n"}, "schedule show: unknown option \"--limit\""},
    {"pause", {"schedule", "pause", "--project=p", "n"}, NULL},
    {"pause, no name", {"schedule", "pause", "--project=p"}, "schedule pause: NAME is required"},
    {"resume", {"schedule", "resume", "--project=p", "n"}, NULL},
    {"resume, no name", {"schedule", "resume", "--project=p"}, "schedule resume: NAME is required"},
    {"run", {"schedule", "run", "--project=p", "n"}, NULL},
    {"run, no name", {"schedule", "run", "--project=p"}, "schedule run: NAME is required"},
    {"runs", {"schedule", "runs", "--project=p", "n"}, NULL},
    {"runs, limit", {"schedule", "runs", "--project=p", "--limit=9999999", "n"}, NULL},
    {"runs, no name", {"schedule", "runs", "--project=p"}, "schedule runs: NAME is required"},
    {"runs, limit 0", {"schedule", "runs", "--project=p", "--limit=0", "n"},
     "schedule runs: --limit must be an integer from 1 to 9999999, got \"0\""},
    {"remove", {"schedule", "remove", "--project=p", "n"}, NULL},
    {"remove, no name", {"schedule", "remove", "--project=p"}, "schedule remove: NAME is required"},
    {"remove two", {"schedule", "remove", "--project=p", "n", "m"}, "schedule remove: unexpected argument \"m\""},
    {"preview without a rule", {"schedule", "preview"}, "schedule preview: --rule is required"},
    {"preview, unknown option", {"schedule", "preview", "--zone=UTC"}, "schedule preview: unknown option \"--zone\""},
    {"preview, argument", {"schedule", "preview", "--rule=FREQ=DAILY", "x"}, "schedule preview: unexpected argument"},
    {"preview, no number", {"schedule", "preview", "--rule=FREQ=DAILY", "--count=0"},
     "schedule preview: --count must be an integer from 1 to 10000, got \"0\""},
    {"preview, too many", {"schedule", "preview", "--rule=FREQ=DAILY", "--count=10001"}, "--count must be"},
    {"preview, no time", {"schedule", "preview", "--rule=FREQ=DAILY", "--start=2026-02-30"},
     "schedule preview: --start must be a time of ISO 8601"},
}, export_cases[] = {
    {"export", {"export", "--project", "p"}, NULL},
    {"all options", {"export", "--project=p", "--enterprise-project=0,e1", "--column=risky=R", "--column=status",
                     "--filter=risky=true", "--filter=create_time=..2026-04-03", "--size=1", "-o", "-"}, NULL},
    {"all projects", {"export", "--project=p", "--enterprise-project=all"}, NULL},
    {"all rows", {"export", "--project=p", "--size=all"}, NULL},
    {"most rows", {"export", "--project=p", "--size=100000"}, NULL},
    {"no project", {"export"}, "export: --project is required"},
    {"empty project", {"export", "--project="},
     "export: --project must be 1 to 256 characters of valid UTF-8, got \"\""},
    {"empty enterprise project", {"export", "--project=p", "--enterprise-project=0,"},
     "export: --enterprise-project must be all, or a comma-separated list of names"},
    {"size 0", {"export", "--project=p", "--size=0"},
     "export: --size must be all, or an integer from 1 to 100000, got \"0\""},
    {"size 100001", {"export", "--project=p", "--size=100001"}, "--size must be all, or an integer from 1 to 100000"},
    {"no size", {"export", "--project=p", "--size=ALL"}, "--size must be all, or"},
    {"empty size", {"export", "--project=p", "--size="}, "--size must be all, or"},
    {"unknown column", {"export", "--project=p", "--column=x"}, "export: --column KEY must be one of container_id, "},
    {"column twice", {"export", "--project=p", "--column=risky", "--column=risky"}, "--column KEY must not repeat"},
    {"unknown filter", {"export", "--project=p", "--filter=x=1"}, "export: --filter must be KEY=VALUE, and KEY one of"},
    {"bad filter", {"export", "--project=p", "--filter=risky=1"},
     "export: --filter risky must be true or false, got \"risky=1\""},
    {"filter of a duration", {"export", "--project=p", "--filter=create_time=P7D"},
     "export: --filter create_time must be START..END, each in ISO 8601, in milliseconds since 1970 or empty, got"},
    {"file without a name", {"export", "--project=p", "-o"}, "export: -o requires a value"},
    {"argument", {"export", "--project=p", "out.csv"}, "export: unexpected argument \"out.csv\""},
}, inventory_cases[] = {
    {"no action", {"inventory"}, "inventory: load is required"},
    {"unknown action", {"inventory", "drop"}, "inventory: load is required, got \"drop\""},
    {"load", {"inventory", "load", "--project=p", "--include=ephemeral,init", "--dry-run", "-", "a"}, NULL},
    {"load, no project", {"inventory", "load"}, "inventory load: --project is required"},
}, worker_cases[] = {
    {"worker, argument", {"worker", "x"}, "worker: unexpected argument \"x\""},
    {"worker, option", {"worker", "--threads=2"}, "worker: unknown option \"--threads\""},
}, migrate_cases[] = {
    {"migrate", {"migrate"}, NULL},
    {"migrate from a directory", {"migrate", "--sql-dir", "/tmp"}, NULL},
    {"migrate, option without a value", {"migrate", "--sql-dir"}, "migrate: --sql-dir requires a value"},
    {"migrate, unknown option", {"migrate", "--force"}, "migrate: unknown option \"--force\""},
    {"migrate, argument", {"migrate", "x"}, "migrate: unexpected argument \"x\""},
}, check_cases[] = {
    {"check, socket without a value", {"check", "--socket"}, "check: --socket requires a value"},
    {"check, directory without a value", {"check", "--sql-dir"}, "check: --sql-dir requires a value"},
    {"check, unknown option", {"check", "--fix"}, "check: unknown option \"--fix\""},
    {"check, a value of a flag", {"check", "--no-counts", "1"}, "check: unexpected argument \"1\""},
    {"check, argument", {"check", "x"}, "check: unexpected argument \"x\""},
};

/* No PostgreSQL listens here. */
static const char conf[] = "[database]\nconninfo = host=/no/such/directory dbname=x\n";

static struct config *read_config(const char *text, size_t length)
{
    char *path = scratch_write("cli.conf", text, length);
    struct error err;
    struct config *config = config_read(path, &err);

    check_good(config != NULL, &err);
    free(path);
    return config;
}

static void run(cli_run command, const struct arguments_case *c)
{
    char *arguments[MAX_ARGUMENTS + 1] = {NULL};
    struct config *config;
    struct error err;
    int count = 0;

    while (count < MAX_ARGUMENTS && c->arguments[count] != NULL) {
        arguments[count] = strdup(c->arguments[count]);
        count++;
    }
    config = read_config(BYTES(conf));
    assert_false(command(count, arguments, config, &err));
    check_refusal(&err, c->refusal == NULL ? ERROR_UNAVAILABLE : ERROR_USAGE, c->refusal == NULL ? "" : c->refusal);
    config_free(config);
    while (count > 0)
        free(arguments[--count]);
}

static void token(const void *row)
{
    run(cli_token, row);
}

static void key(const void *row)
{
    run(cli_key, row);
}

/* A list of enterprise projects has at most 1000 names. */
static void lists_have_a_limit(void)
{
    struct arguments_case c = {
        .label = "", .arguments = {"token", "create", "--project", "p", "--enterprise-project"}, .refusal = NULL,
    };
    struct buffer list = {0};

    buffer_append_text(&list, "e");
    for (int count = 1; count < 1000; count++)
        buffer_append_text(&list, ",e");
    c.arguments[5] = buffer_text(&list);
    run(cli_token, &c);
    buffer_append_text(&list, ",e");
    c.arguments[5] = buffer_text(&list);
    c.refusal = "--enterprise-project must have at most 1000 names";
    run(cli_token, &c);
    buffer_free(&list);
}

static void migrate(const void *row)
{
    run(cli_migrate, row);
}

static void task(const void *row)
{
    run(cli_task, row);
}

static void schedule(const void *row)
{
    run(cli_schedule, row);
}

static void export(const void *row)
{
    run(cli_export, row);
}

static void inventory(const void *row)
{
    run(cli_inventory, row);
}

static void check(const void *row)
{
    run(cli_check, row);
}

static void worker(const void *row)
{
    run(worker_run, row);
}

/* The arguments of the last call of an action. */
static struct {
    int number, argc;
    char **argv;
    const struct config *config;
} called;

static bool called_as(int number, int argc, char **argv, const struct config *config)
{
    called.number = number;
    called.argc = argc;
    called.argv = argv;
    called.config = config;
    return true;
}

static bool first(int argc, char **argv, const struct config *config, struct error *err)
{
    (void) err;
    return called_as(1, argc, argv, config);
}

static bool second(int argc, char **argv, const struct config *config, struct error *err)
{
    (void) called_as(2, argc, argv, config);
    return error_set(err, ERROR_NOT_FOUND, "second has failed");
}

static const struct cli_action actions[] = {{"first", first}, {"first-and-more", second}, {"second", second}, {0}};

static const struct action_case {
    const char *label;
    const char *arguments[4];
    int number; /* of the action; 0: none */
} action_cases[] = {
    {"first", {"verb", "first"}, 1},
    {"second", {"verb", "second"}, 2},
    {"longer than another", {"verb", "first-and-more"}, 2},
    {"with arguments", {"verb", "first", "second", "--x"}, 1},
    {"with its arguments first", {"verb", "--x", "first"}, 0},
    {"missing", {"verb"}, 0},
    {"unknown", {"verb", "third"}, 0},
    {"too short", {"verb", "firs"}, 0},
    {"too long", {"verb", "firsts"}, 0},
    {"empty", {"verb", ""}, 0},
};

/* The action gets its own name as argv[0], and its result and error are those of the subcommand. */
static void runs_action(const void *row)
{
    const struct action_case *c = row;
    const struct config config = {.lease = 7};
    struct error err = {0};
    char *arguments[5] = {NULL};
    char message[128];
    int count = 0;
    bool done;

    while (count < 4 && c->arguments[count] != NULL) {
        arguments[count] = (char *) (uintptr_t) c->arguments[count];
        count++;
    }
    called.number = 0;
    done = cli_run_action(actions, count, arguments, &config, &err);
    assert_int_equal(called.number, c->number);
    assert_int_equal(done, c->number == 1);
    if (c->number == 0) {
        snprintf(message, sizeof(message), "verb: one of first, first-and-more, second is required%s%s%s",
                 count > 1 ? ", got \"" : "", count > 1 ? arguments[1] : "", count > 1 ? "\"" : "");
        assert_int_equal(err.code, ERROR_USAGE);
        assert_string_equal(err.message, message);
        return;
    }
    assert_int_equal(called.argc, count - 1);
    assert_ptr_equal(called.argv, arguments + 1);
    assert_ptr_equal(called.config, &config);
    if (c->number == 2)
        check_refusal(&err, ERROR_NOT_FOUND, "second has failed");
}

static const struct print_case {
    const char *value;
    const char *printed; /* NULL: the same */
} print_cases[] = {
    {"", NULL},
    {"plain text, 'quoted' \"too\"", NULL},
    {"caf\xC3\xA9 \xE5\xAE\xB9 \xF0\x9F\x98\x80", NULL},
    {"back\\slash %s %n", NULL},
    {"a\tb", "a\\x09b"},
    {"a\nb\r\n", "a\\x0ab\\x0d\\x0a"},
    {"\x01\x1B[31m\x7F", "\\x01\\x1b[31m\\x7f"},
    {"C1 \xC2\x80\xC2\x9B\xC2\x9F.", "C1 \\xc2\\x80\\xc2\\x9b\\xc2\\x9f."},
    {"no-break \xC2\xA0", NULL},
    {"no UTF-8 \xFF\xC3", "no UTF-8 \\xff\\xc3"},
    {"\xC3\t", "\\xc3\\x09"},
    {"\xED\xA0\x80", "\\xed\\xa0\\x80"},
    {"\xC0\x8A", "\\xc0\\x8a"},
};

/* A value shown to an operator cannot add a column or a line, and cannot control the terminal. */
static void prints(const void *row)
{
    const struct print_case *c = row;
    char *path = scratch_path("printed");
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct buffer printed = {0};
    int terminal;

    assert_true(file >= 0);
    fflush(stdout);
    terminal = dup(STDOUT_FILENO);
    dup2(file, STDOUT_FILENO);
    cli_print_value(c->value);
    fflush(stdout);
    dup2(terminal, STDOUT_FILENO);
    close(terminal);
    close(file);
    scratch_read(path, &printed);
    assert_string_equal(buffer_text(&printed), c->printed == NULL ? c->value : c->printed);
    buffer_free(&printed);
    free(path);
}

/*
 * Runs it in a child, which an alarm ends if it never returns. The code in the child must not use cmocka's checks:
 * they belong to the parent.
 */
static pid_t run_in_child(void (*run_it)(const void *argument), const void *argument)
{
    pid_t child;

    fflush(stdout);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(60);
        run_it(argument);
        _exit(1);
    }
    return child;
}

static void check_exit(pid_t child, int status)
{
    int ended;

    assert_int_equal(waitpid(child, &ended, 0), child);
    if (WIFSIGNALED(ended))
        check_fail("it was ended by signal %d", WTERMSIG(ended));
    assert_int_equal(WEXITSTATUS(ended), status);
}

static void print_to_full_disk(const void *value)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    alarm(10);
    dup2(full, STDOUT_FILENO);
    for (int i = 0; i < 1000; i++)
        cli_print_value(value);
    _exit(fflush(stdout) == 0 ? 3 : 2);
}

/* Printing fails if the output cannot be written. */
static void printing_can_fail(void)
{
    check_exit(run_in_child(print_to_full_disk, "0123456789abcdef0123456789abcdef caf\xC3\xA9\t"), 2);
}

/* A configuration of a worker with this line in [export] and this directory of files. Freed with config_free. */
static struct config *worker_config(const char *line, const char *directory)
{
    struct buffer text = {0};
    struct config *config;

    buffer_printf(&text, "%s[export]\n%s\n[files]\ndirectory = %s\n[server]\ngrace = 5\n", conf, line, directory);
    config = read_config(text.data, text.length);
    buffer_free(&text);
    return config;
}

static void worker_needs_something_to_do(void)
{
    struct config *config = worker_config("threads = 0", scratch_directory());
    char *arguments[] = {(char[]) {"worker"}, NULL};
    struct error err;

    assert_false(worker_run(1, arguments, config, &err));
    check_refusal(&err, ERROR_CONFIG, "[export] threads");
    config_free(config);
}

static void refuse_directory(const void *config)
{
    char *arguments[] = {(char[]) {"worker"}, NULL};
    struct error err;

    if (!worker_run(1, arguments, config, &err) && err.code == ERROR_CONFIG
        && strstr(err.message, "/no/such/directory") != NULL)
        _exit(42);
}

static void worker_needs_a_directory(void)
{
    struct config *config = worker_config("threads = 1", "/no/such/directory");

    check_exit(run_in_child(refuse_directory, config), 42);
    config_free(config);
}

/* The parameters of a worker in a child. */
struct job {
    struct config *config;
    int log;
};

static void work(const void *argument)
{
    const struct job *job = argument;
    char *arguments[] = {(char[]) {"worker"}, NULL};
    struct error err;

    dup2(job->log, STDERR_FILENO);
    _exit(worker_run(1, arguments, job->config, &err) ? 42 : error_info(err.code)->exit_status);
}

/* Reads until the text appears. The test fails if the output ends first or a minute passes. */
static void read_until(int log, struct buffer *out, const char *text)
{
    struct pollfd ready = {.fd = log, .events = POLLIN};

    while (strstr(buffer_text(out), text) == NULL) {
        char chunk[4096];
        ssize_t got = poll(&ready, 1, 60000) > 0 ? read(log, chunk, sizeof(chunk)) : 0;

        if (got <= 0)
            check_fail("no %s in: %s", text, buffer_text(out));
        buffer_append(out, chunk, (size_t) got);
    }
}

static const struct stop_case {
    const char *name;
    int signal;
} stop_cases[] = {{"SIGTERM", SIGTERM}, {"SIGINT", SIGINT}};

/* A worker runs whether or not its database is reachable, and stops cleanly. */
static void worker_runs_until_it_is_stopped(const void *row)
{
    const struct stop_case *c = row;
    char *directory = scratch_path("files");
    struct job job = {.config = worker_config("threads = 2", directory)};
    struct buffer log = {0};
    int ends[2];
    pid_t child;

    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(pipe(ends), 0);
    job.log = ends[1];
    child = run_in_child(work, &job);
    close(ends[1]);
    read_until(ends[0], &log, "\"worker started\"");
    read_until(ends[0], &log, "cannot claim tasks");
    usleep(200000); /* a worker that stops by itself has done so by now; one that waits passes at any speed */
    assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
    kill(child, c->signal);
    read_until(ends[0], &log, "\"worker stopped\"");
    check_exit(child, 42);
    assert_non_null(strstr(buffer_text(&log), "\"worker stopping\""));
    assert_int_equal(rmdir(directory), 0);
    close(ends[0]);
    config_free(job.config);
    buffer_free(&log);
    free(directory);
}

int main(void)
{
    CHECK_EACH(token, token_cases, label);
    CHECK_EACH(key, key_cases, label);
    CHECK(lists_have_a_limit);
    CHECK_EACH(task, task_cases, label);
    CHECK_EACH(schedule, schedule_cases, label);
    CHECK_EACH(export, export_cases, label);
    CHECK_EACH(worker, worker_cases, label);
    CHECK_EACH(inventory, inventory_cases, label);
    CHECK_EACH(migrate, migrate_cases, label);
    CHECK_EACH(check, check_cases, label);
    CHECK_EACH(runs_action, action_cases, label);
    CHECK_EACH(prints, print_cases, value);
    CHECK(printing_can_fail);
    CHECK(worker_needs_something_to_do);
    CHECK(worker_needs_a_directory);
    CHECK_EACH(worker_runs_until_it_is_stopped, stop_cases, name);
    return check_run("cli");
}
