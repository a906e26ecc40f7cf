/* waybill inventory load: loads the inventory of a project from files. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "db/settings.h"
#include "inventory/combinations.h"
#include "inventory/load.h"

struct inventory_load {
    struct load_options options;
    bool as_json;
    const char **files;
    size_t file_count;
    struct progress progress;
};

/* A parser of cli_option for a name that becomes the value of a column. */
static const char *parse_column_text(const char *value, void *target)
{
    size_t count = 0;

    if (!text_utf8_count(value, strlen(value), &count) || count > RECORD_MAX_TEXT)
        return "must be at most " TEXT_OF(RECORD_MAX_TEXT) " characters of valid UTF-8";
    *(const char **) target = value;
    return NULL;
}

static const char *parse_cluster_type(const char *value, void *target)
{
    if (!record_is_choice(RECORD_CLUSTER_TYPE, value))
        return "must be cce, ali, tencent, azure, aws, self_built_hw, self_built_idc or k8s";
    *(const char **) target = value;
    return NULL;
}

static const char *parse_image(const char *value, void *target)
{
    size_t count = 0;

    if (value[0] == '\0' || strlen(value) > IMAGE_NAME_MAX_BYTES || !text_utf8_count(value, strlen(value), &count))
        return "must be 1 to " TEXT_OF(IMAGE_NAME_MAX_BYTES) " bytes of valid UTF-8";
    *(const char **) target = value;
    return NULL;
}

static const char *parse_format(const char *value, void *target)
{
    const struct load_format *format = load_format_find(value);

    if (format == NULL)
        return "must be kubernetes, docker, trivy or csv";
    *(const struct load_format **) target = format;
    return NULL;
}

/* A parser of cli_option for a list of kinds of containers. */
static const char *parse_include(const char *value, void *target)
{
    struct loader_options *options = target;

    do {
        size_t length = strcspn(value, ",");

        if (length == 4 && memcmp(value, "init", 4) == 0)
            options->include_init = true;
        else if (length == 9 && memcmp(value, "ephemeral", 9) == 0)
            options->include_ephemeral = true;
        else
            return "must be init, ephemeral or both, separated by a comma";
        value += length + (value[length] == ',' && value[length + 1] != '\0');
    } while (*value != '\0');
    return NULL;
}

static const char *parse_on_error(const char *value, void *target)
{
    if (strcmp(value, "stop") != 0 && strcmp(value, "skip") != 0)
        return "must be stop or skip";
    *(bool *) target = strcmp(value, "skip") == 0;
    return NULL;
}

static const char *parse_file(const char *value, void *target)
{
    struct inventory_load *load = target;

    load->files = memory_resize(load->files, (load->file_count + 1) * sizeof(load->files[0]));
    load->files[load->file_count++] = value;
    return NULL;
}

static bool parse_load_options(int argc, char **argv, struct inventory_load *load, struct error *err)
{
    struct load_options *options = &load->options;
    const struct cli_option table[] = {
        {"--project", .parse = cli_parse_project, .target = &options->project_id, .required = true},
        {"--enterprise-project", .parse = cli_parse_project, .target = &options->enterprise_project_id},
        {"--format", .parse = parse_format, .target = &options->format},
        {"--source", .parse = parse_column_text, .target = &options->source},
        {"--cluster-name", .parse = parse_column_text, .target = &options->loader.cluster_name},
        {"--cluster-type", .parse = parse_cluster_type, .target = &options->loader.cluster_type},
        {"--image", .parse = parse_image, .target = &options->loader.image},
        {"--include", .parse = parse_include, .target = &options->loader},
        {"--replace", .flag = &options->replace},
        {"--on-error", .parse = parse_on_error, .target = &options->skip_refused},
        {"--dry-run", .flag = &options->dry_run},
        {"--json", .flag = &load->as_json},
        {"FILE", .parse = parse_file, .target = load, .repeated = true},
        {0},
    };

    if (!cli_parse_options("inventory load", argc, argv, table, err))
        return false;
    if (load->file_count == 0)
        parse_file("-", load);
    if (options->source == NULL)
        options->source = options->loader.cluster_name != NULL ? options->loader.cluster_name : "";
    return true;
}

static void print_refused(void *context, const char *reason)
{
    struct inventory_load *load = context;

    progress_clear(&load->progress);
    fprintf(stderr, "waybill: %s\n", reason);
}

static bool show_progress(void *context, int64_t position, int64_t size, int64_t records, struct error *err)
{
    struct inventory_load *load = context;

    (void) err;
    progress_show(&load->progress, position, size, records);
    return true;
}

static void print_summary(const struct load_summary *summary, bool as_json)
{
    const struct {
        const char *name;
        int64_t count;
    } counts[] = {
        {"added", summary->added}, {"changed", summary->changed}, {"unchanged", summary->unchanged},
        {"removed", summary->removed}, {"skipped", summary->skipped}, {"refused", summary->refused},
    };
    struct json_object *object = json_object_new_object();

    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        json_object_object_add(object, counts[i].name, json_object_new_int64(counts[i].count));
        if (!as_json)
            printf("%s%s=%" PRId64, i == 0 ? "" : " ", counts[i].name, counts[i].count);
    }
    puts(as_json ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN) : "");
    json_object_put(object);
}

static bool run_load(struct inventory_load *load, const struct config *config, struct error *err)
{
    const struct db_settings settings = db_settings_for_loader(config);
    struct load_summary summary = {0};
    struct db *db = db_open(&settings, err);
    bool loaded;

    progress_begin(&load->progress);
    loaded = db != NULL && load_files(db, &load->options, load->files, load->file_count, &summary, err);
    progress_clear(&load->progress);
    db_close(db);
    if (loaded && summary.keeps_rows && load->options.replace)
        fputs("waybill: no rows were removed, because refused records may stand for some of them\n", stderr);
    print_summary(&summary, load->as_json);
    if (loaded && summary.refused > 0)
        return error_set(err, ERROR_PARTIAL, "%" PRId64 " %s refused", summary.refused,
                         summary.refused == 1 ? "record was" : "records were");
    return loaded;
}

static bool load_inventory(int argc, char **argv, const struct config *config, struct error *err)
{
    struct inventory_load load = {
        .options = {.enterprise_project_id = "0", .refused = print_refused, .progress = show_progress},
    };
    bool loaded;

    load.options.context = &load;
    loaded = parse_load_options(argc, argv, &load, err);
    if (loaded && !combinations_exist(config->relation))
        fprintf(stderr, "waybill: exports read %s, not waybill.container, into which this command loads\n",
                config->relation);
    loaded = loaded && run_load(&load, config, err);
    free(load.files);
    return loaded;
}

bool cli_inventory(int argc, char **argv, const struct config *config, struct error *err)
{
    static const struct cli_action actions[] = {{"load", load_inventory}, {0}};

    return cli_run_action(actions, argc, argv, config, err);
}
