/* waybill export: writes a selection from the inventory as a CSV file. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/selection_options.h"
#include "db/query.h"
#include "db/scope.h"
#include "db/settings.h"
#include "export/task.h"
#include "inventory/rows_csv.h"
#include "inventory/selection.h"

struct export_options {
    const char *project_id;
    char *enterprise_projects; /* text[] in its input format; NULL: all */
    int64_t limit;             /* of rows; 0: no limit */
    const char *path;          /* "-": standard output */
    struct selection_options selection;
};

/* A parser of cli_option for an int64_t, which is 0 for `all`. */
static const char *parse_size(const char *value, void *target)
{
    int64_t number = 0;

    if (strcmp(value, "all") != 0
        && (!text_parse_digits(value, 18, &number) || number < 1 || number > TASK_MAX_EXPORT_SIZE))
        return "must be all, or an integer from 1 to " TEXT_OF(TASK_MAX_EXPORT_SIZE);
    *(int64_t *) target = number;
    return NULL;
}

static bool parse_export_options(int argc, char **argv, struct export_options *export, struct error *err)
{
    const struct cli_option options[] = {
        {"--project", .parse = cli_parse_project, .target = &export->project_id, .required = true},
        {"--enterprise-project", .parse = cli_parse_enterprise_projects, .target = &export->enterprise_projects},
        {"--column", .parse = selection_options_column, .target = &export->selection},
        {"--filter", .parse = selection_options_filter, .target = &export->selection},
        {"--size", .parse = parse_size, .target = &export->limit},
        {"-o", .text = &export->path},
        {0},
    };

    return cli_parse_options("export", argc, argv, options, err);
}

static struct selection *parse_selection(const struct selection_options *options, struct error *err)
{
    struct json_object *body = selection_options_body(options);
    const char *text = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
    struct selection *selection = selection_parse(text, strlen(text), err);

    json_object_put(body);
    return selection;
}

/* A function of struct inventory_watcher. */
static bool may_go_on(void *context, const struct inventory_progress *progress, struct error *err)
{
    (void) context;
    (void) progress;
    return cli_output_may_continue(err);
}

/* Reports what was exported to standard error: truncation always, and the number of rows to a terminal. */
static void report_rows(const struct inventory_progress *progress)
{
    if (progress->truncated)
        fprintf(stderr, "waybill: warning: more than %" PRId64 " rows match; only the first %" PRId64
                " were exported, use --size all to export all\n", progress->rows, progress->rows);
    else if (isatty(STDERR_FILENO))
        fprintf(stderr, "%" PRId64 " rows\n", progress->rows);
}

/* Writes the rows of the selection to the output. */
static bool write_rows(const struct export_options *export, const struct selection *selection,
                       struct cli_output *output, const struct config *config, struct error *err)
{
    const struct inventory_query query = {
        .relation = config->relation,
        .project_id = export->project_id,
        .enterprise_projects = export->enterprise_projects,
        .selection = selection,
        .limit = export->limit,
    };
    const struct db_settings settings = db_settings_for_inventory(config);
    const struct csv_options csv = csv_options_configured(config);
    const struct csv_output sink = {cli_output_write, output};
    const struct inventory_watcher watcher = {may_go_on, NULL};
    struct db *db = db_open(&settings, err);
    struct inventory_progress progress;
    bool done = db != NULL;

    if (done) {
        db_set_scope(db, export->project_id, export->enterprise_projects);
        done = inventory_rows_csv(db, &query, &csv, &sink, &watcher, &progress, err) && cli_output_commit(output, err);
    }
    db_close(db);
    if (done)
        report_rows(&progress);
    return done;
}

static bool export_selection(const struct export_options *export, const struct config *config, struct error *err)
{
    struct selection *selection = parse_selection(&export->selection, err);
    struct cli_output *output = selection == NULL ? NULL : cli_output_open(export->path, err);
    bool done = output != NULL && write_rows(export, selection, output, config, err);

    cli_output_close(output);
    selection_free(selection);
    return done;
}

bool cli_export(int argc, char **argv, const struct config *config, struct error *err)
{
    const char *default_project = "0";
    struct export_options export = {
        .enterprise_projects = db_array_literal(&default_project, 1),
        .limit = TASK_MAX_EXPORT_SIZE,
        .path = "-",
    };
    bool done;

    signal(SIGPIPE, SIG_IGN); /* a reader that ends early is an error */
    done = parse_export_options(argc, argv, &export, err) && export_selection(&export, config, err);
    selection_options_clear(&export.selection);
    free(export.enterprise_projects);
    return done;
}
