/* Functions that subcommands share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "db/query.h"
#include "db/scope.h"
#include "db/settings.h"

#define MAX_NAMES 1000

struct db *cli_open_owner(const struct config *config, struct error *err)
{
    const struct db_settings settings = db_settings_for_owner(config);

    return db_open(&settings, err);
}

struct db *cli_open_service(const struct config *config, const char *project_id, struct error *err)
{
    const struct db_settings settings = db_settings_for_service(config);
    struct db *db = db_open(&settings, err);

    if (db != NULL)
        db_set_scope(db, project_id, NULL);
    return db;
}

struct db *cli_open_worker(const struct config *config, struct error *err)
{
    const struct db_settings settings = db_settings_for_worker(config);

    return db_open(&settings, err);
}

bool cli_run_action(const struct cli_action *actions, int argc, char **argv, const struct config *config,
                    struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];
    struct buffer names = {0};

    for (const struct cli_action *action = actions; argc > 1 && action->name != NULL; action++) {
        if (strcmp(argv[1], action->name) == 0)
            return action->run(argc - 1, argv + 1, config, err);
    }
    for (const struct cli_action *action = actions; action->name != NULL; action++)
        buffer_printf(&names, "%s%s", names.length == 0 ? "" : ", ", action->name);
    error_set(err, ERROR_USAGE, "%s: %s%s is required%s%s", argv[0], actions[1].name == NULL ? "" : "one of ",
              buffer_text(&names), argc > 1 ? ", got " : "",
              argc > 1 ? text_excerpt(excerpt, argv[1], strlen(argv[1])) : "");
    buffer_free(&names);
    return false;
}

const char *cli_parse_project(const char *value, void *target)
{
    size_t count = 0;

    if (!text_utf8_count(value, strlen(value), &count) || count < 1 || count > 256)
        return "must be 1 to 256 characters of valid UTF-8";
    *(const char **) target = value;
    return NULL;
}

const char *cli_parse_enterprise_projects(const char *value, void *target)
{
    const char *names[MAX_NAMES], *ignored, *rule = NULL;
    char **literal = target;
    char *copy, *rest, *name;
    size_t count = 0;

    free(*literal);
    *literal = NULL;
    if (strcmp(value, "all") == 0)
        return NULL;
    copy = rest = memory_copy_text(value);
    while (rule == NULL && (name = strsep(&rest, ",")) != NULL) {
        if (cli_parse_project(name, &ignored) != NULL)
            rule = "must be all, or a comma-separated list of names, each 1 to 256 characters of valid UTF-8";
        else if (count == MAX_NAMES)
            rule = "must have at most 1000 names";
        else
            names[count++] = name;
    }
    if (rule == NULL)
        *literal = db_array_literal(names, count);
    free(copy);
    return rule;
}

void cli_print_value(const char *value)
{
    size_t length = strlen(value);

    for (size_t at = 0; at < length;) {
        uint32_t code_point = 0;
        size_t size = text_utf8_decode(value + at, length - at, &code_point);

        if (size == 0 || text_is_control(code_point)) {
            printf("\\x%02x", (unsigned char) value[at++]);
        } else {
            printf("%.*s", (int) size, value + at);
            at += size;
        }
    }
}

void cli_print_line(const char *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            putchar('\t');
        cli_print_value(values[i]);
    }
    putchar('\n');
}

void cli_print_field(const char *name, const char *value)
{
    printf("%s: ", name);
    cli_print_value(value);
    putchar('\n');
}
