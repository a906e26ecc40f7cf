/* The arguments of waybill's subcommands: bad ones are refused before a database is asked, good ones get that far. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "scratch.h"

#define MAX_ARGUMENTS 10

/* 256 and 257 characters. */
#define N16 "\xC3\xA9nterprise-proje"
#define N256 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16 N16
#define N257 N256 "x"

static const struct arguments_case {
    const char *label;
    const char *arguments[MAX_ARGUMENTS];
    const char *refusal; /* NULL: they are good */
} token_cases[] = {
    {"no action", {"token"}, "create, list or revoke"},
    {"unknown action", {"token", "drop"}, "create, list or revoke"},
    {"create", {"token", "create", "--project", "p"}, NULL},
    {"create, all options",
     {"token", "create", "--project=p", "--enterprise-project=0,e1", "--expires=30d", "--name=n"}, NULL},
    {"create, all", {"token", "create", "--project", "p", "--enterprise-project", "all"}, NULL},
    {"create, no project", {"token", "create"}, "--project is required"},
    {"create, project without a value", {"token", "create", "--project"}, ""},
    {"create, empty project", {"token", "create", "--project", ""}, "--project must have 1 to 256 characters"},
    {"create, 256 characters", {"token", "create", "--project", N256}, NULL},
    {"create, 257 characters", {"token", "create", "--project", N257}, "--project must have 1 to 256 characters"},
    {"create, no UTF-8", {"token", "create", "--project", "\xFF"}, "--project must have 1 to 256 characters"},
    {"create, empty name in the list", {"token", "create", "--project", "p", "--enterprise-project", "a,,b"},
     "1 to 256"},
    {"create, empty list", {"token", "create", "--project", "p", "--enterprise-project", ""}, "1 to 256"},
    {"create, list ends in a comma", {"token", "create", "--project", "p", "--enterprise-project", "a,"}, "1 to 256"},
    {"create, long name in the list", {"token", "create", "--project", "p", "--enterprise-project", "a," N257},
     "1 to 256"},
    {"create, no span", {"token", "create", "--project", "p", "--expires", "soon"}, "--expires must be"},
    {"create, empty span", {"token", "create", "--project", "p", "--expires", ""}, "--expires must be"},
    {"create, span of nothing", {"token", "create", "--project", "p", "--expires", "0d"}, "--expires must be"},
    {"create, span of one second", {"token", "create", "--project", "p", "--expires", "1s"}, NULL},
    {"create, unknown option", {"token", "create", "--project", "p", "--force"}, ""},
    {"create, argument", {"token", "create", "--project", "p", "q"}, "unexpected argument q"},
    {"list", {"token", "list"}, NULL},
    {"list of a project", {"token", "list", "--project", "p"}, NULL},
    {"list, unknown option", {"token", "list", "--all"}, ""},
    {"list, argument", {"token", "list", "p"}, "unexpected argument p"},
    {"revoke", {"token", "revoke", "7"}, NULL},
    {"revoke nothing", {"token", "revoke"}, "ID"},
    {"revoke two", {"token", "revoke", "7", "8"}, "ID"},
    {"revoke a name", {"token", "revoke", "seven"}, "ID"},
    {"revoke a negative number", {"token", "revoke", "-7"}, "ID"},
    {"revoke a number beyond 64 bits", {"token", "revoke", "99999999999999999999"}, "ID"},
}, migrate_cases[] = {
    {"migrate", {"migrate"}, NULL},
    {"migrate from a directory", {"migrate", "--sql-dir", "/tmp"}, NULL},
    {"migrate, option without a value", {"migrate", "--sql-dir"}, ""},
    {"migrate, unknown option", {"migrate", "--force"}, ""},
    {"migrate, argument", {"migrate", "x"}, "unexpected argument x"},
};

/* There is no PostgreSQL at this place. */
static const char conf[] = "[database]\nconninfo = host=/no/such/directory dbname=x\n";

static void run(cli_run command, const struct arguments_case *c)
{
    char *arguments[MAX_ARGUMENTS + 1] = {NULL};
    char *path = scratch_write("cli.conf", BYTES(conf));
    struct config *config;
    struct error err;
    int count = 0;

    while (count < MAX_ARGUMENTS && c->arguments[count] != NULL) {
        arguments[count] = strdup(c->arguments[count]);
        count++;
    }
    config = config_read(path, &err);
    check_good(config != NULL, &err);
    opterr = 0;
    optind = 1;
    assert_false(command(count, arguments, config, &err));
    check_refusal(&err, c->refusal == NULL ? ERROR_UNAVAILABLE : ERROR_USAGE, c->refusal == NULL ? "" : c->refusal);
    config_free(config);
    free(path);
    while (count > 0)
        free(arguments[--count]);
}

static void token(const void *row)
{
    run(cli_token, row);
}

static void migrate(const void *row)
{
    run(cli_migrate, row);
}

int main(void)
{
    CHECK_EACH(token, token_cases, label);
    CHECK_EACH(migrate, migrate_cases, label);
    return check_run("cli");
}
