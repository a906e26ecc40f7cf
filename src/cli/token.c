/* waybill token create|list|revoke: who may call. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/token.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"

#define MAX_LISTED 1000

struct create_options {
    const char *name;
    const char *project_id;
    const char *enterprise_projects; /* a,b,c or all */
    int64_t lifetime;                /* milliseconds, 0 is no end */
};

static bool check_length(const char *what, const char *value, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];
    size_t count = 0;

    if (text_utf8_count(value, strlen(value), &count) && count >= 1 && count <= 256)
        return true;
    return error_set(err, ERROR_USAGE, "%s must have 1 to 256 characters of UTF-8, got %s", what,
                     text_excerpt(excerpt, value, strlen(value)));
}

static bool parse_create(int argc, char **argv, struct create_options *ret, struct error *err)
{
    static const struct option options[] = {
        {"project", required_argument, NULL, 'p'},
        {"enterprise-project", required_argument, NULL, 'e'},
        {"expires", required_argument, NULL, 'x'},
        {"name", required_argument, NULL, 'n'},
        {0},
    };
    int option;

    *ret = (struct create_options) {.name = "", .enterprise_projects = "all"};
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p':
            ret->project_id = optarg;
            break;
        case 'e':
            ret->enterprise_projects = optarg;
            break;
        case 'x':
            if (!clock_parse_span(optarg, &ret->lifetime))
                return error_set(err, ERROR_USAGE,
                                 "--expires must be a time span such as 90s, 15m, 12h, 30d or 4w, got %s", optarg);
            break;
        case 'n':
            ret->name = optarg;
            break;
        default:
            return error_set(err, ERROR_USAGE, "token create: bad option");
        }
    }
    if (optind < argc)
        return error_set(err, ERROR_USAGE, "token create: unexpected argument %s", argv[optind]);
    if (ret->project_id == NULL)
        return error_set(err, ERROR_USAGE, "token create: --project is required");
    return check_length("--project", ret->project_id, err);
}

/* Turns a,b,c into text[] in PostgreSQL's input form, and all into NULL. *ret_literal must be freed. */
static bool parse_enterprise_projects(const char *list, char **ret_literal, struct error *err)
{
    const char *names[MAX_LISTED];
    size_t count = 0;
    bool good = true;
    char *copy, *rest, *name;

    *ret_literal = NULL;
    if (strcmp(list, "all") == 0)
        return true;
    copy = rest = memory_copy_text(list);
    while (good && (name = strsep(&rest, ",")) != NULL) {
        if (count == MAX_LISTED)
            good = error_set(err, ERROR_USAGE, "--enterprise-project must list at most %d", MAX_LISTED);
        else
            good = check_length("each of --enterprise-project", name, err);
        if (good)
            names[count++] = name;
    }
    if (good)
        *ret_literal = db_array_literal(names, count);
    free(copy);
    return good;
}

static bool create(int argc, char **argv, const struct config *config, struct error *err)
{
    struct create_options options;
    char token[TOKEN_SIZE];
    char *enterprise_projects;
    struct db *db = NULL;
    bool created;

    if (!parse_create(argc, argv, &options, err)
        || !parse_enterprise_projects(options.enterprise_projects, &enterprise_projects, err))
        return false;
    created = (db = cli_open_owner(config, err)) != NULL
              && token_create(db, options.name, options.project_id, enterprise_projects, options.lifetime, token, err);
    db_close(db);
    free(enterprise_projects);
    if (created)
        puts(token);
    return created;
}

static void show(const struct token_entry *entry)
{
    printf("%" PRId64 "\t%s\t%s\t%s\t%s\t%s\t%s\n", entry->token_id, entry->state, entry->project_id,
           entry->enterprise_projects == NULL ? "all" : entry->enterprise_projects, entry->create_time,
           entry->expire_time == NULL ? "never" : entry->expire_time, entry->name);
}

static bool list(int argc, char **argv, const struct config *config, struct error *err)
{
    static const struct option options[] = {{"project", required_argument, NULL, 'p'}, {0}};
    const char *project_id = NULL;
    struct db *db;
    bool listed;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option != 'p')
            return error_set(err, ERROR_USAGE, "token list: bad option");
        project_id = optarg;
    }
    if (optind < argc)
        return error_set(err, ERROR_USAGE, "token list: unexpected argument %s", argv[optind]);
    db = cli_open_owner(config, err);
    if (db == NULL)
        return false;
    puts("ID\tSTATE\tPROJECT\tENTERPRISE PROJECTS\tCREATED\tEXPIRES\tNAME");
    listed = token_list(db, project_id, show, err);
    db_close(db);
    return listed;
}

static bool revoke(int argc, char **argv, const struct config *config, struct error *err)
{
    int64_t id = 0;
    struct db *db;
    bool revoked;

    if (argc != 2 || !text_parse_digits(argv[1], 18, &id))
        return error_set(err, ERROR_USAGE,
                         "token revoke: the ID of one token is required; `waybill token list` shows it");
    db = cli_open_owner(config, err);
    if (db == NULL)
        return false;
    revoked = token_revoke(db, id, err);
    db_close(db);
    return revoked;
}

bool cli_token(int argc, char **argv, const struct config *config, struct error *err)
{
    static const struct cli_action actions[] = {{"create", create}, {"list", list}, {"revoke", revoke}, {0}};

    return cli_run_action(actions, argc, argv, config, err);
}
