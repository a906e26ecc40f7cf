/* waybill schedule add: builds the body of "create an export schedule" from its options, and creates the schedule. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/rule_options.h"
#include "cli/schedule.h"
#include "cli/selection_options.h"
#include "cli/time_option.h"
#include "db/query.h"
#include "schedule/schedule.h"

#define MAX_REQUEST 1048576 /* bytes */
#define MAX_KEEP 1000
#define ALL_GRANTED "all_granted_eps"

struct add_options {
    const char *project_id, *name, *time_zone, *enterprise_project_id, *notify_url;
    const char *request_path; /* "-": standard input */
    char *rule;
    struct cli_time start;
    int64_t keep, export_size; /* -1: not given, like start.ms */
    bool is_paused;
    struct selection_options selection;
};

/* The fields of the body that come from options of another name. */
static const struct {
    const char *field, *option;
} field_options[] = {
    {"name", "--name"},
    {"rule", "--rule"},
    {"time_zone", "--time-zone"},
    {"start_time", "--start"},
    {"keep", "--keep"},
    {"enterprise_project_id", "--enterprise-project"},
    {"export_size", "--size"},
    {"notify_url", "--notify-url"},
};

/* A parser of cli_option for a `const char *`. */
static const char *parse_enterprise_project(const char *value, void *target)
{
    *(const char **) target = strcmp(value, "all") == 0 ? ALL_GRANTED : value;
    return NULL;
}

/* If the message begins with a field that an option sets, makes it an error of the option. Returns false. */
static bool name_option(struct error *err)
{
    char message[sizeof(err->message)];

    for (size_t i = 0; i < ARRAY_SIZE(field_options); i++) {
        size_t length = strlen(field_options[i].field);

        if (strncmp(err->message, field_options[i].field, length) != 0
            || (err->message[length] != ' ' && err->message[length] != ':'))
            continue;
        memcpy(message, err->message, sizeof(message));
        return error_set(err, ERROR_USAGE, "schedule add: %s%s", field_options[i].option, message + length);
    }
    return false;
}

static bool parse_add_options(int argc, char **argv, struct add_options *add, struct error *err)
{
    const struct cli_option options[] = {
        {"--project", .parse = cli_parse_project, .target = &add->project_id, .required = true},
        {"--name", .text = &add->name, .required = true},
        {"--rule", .parse = rule_options_rule, .target = &add->rule},
        {"--daily", .parse = rule_options_daily, .target = &add->rule},
        {"--weekly", .parse = rule_options_weekly, .target = &add->rule},
        {"--monthly", .parse = rule_options_monthly, .target = &add->rule},
        {"--time-zone", .text = &add->time_zone},
        {"--start", .parse = cli_time_parse, .target = &add->start},
        {"--keep", .integer = &add->keep, .min = 1, .max = MAX_KEEP},
        {"--enterprise-project", .parse = parse_enterprise_project, .target = &add->enterprise_project_id},
        {"--size", .integer = &add->export_size, .min = 1, .max = TASK_MAX_EXPORT_SIZE},
        {"--request", .text = &add->request_path},
        {"--column", .parse = selection_options_column, .target = &add->selection},
        {"--filter", .parse = selection_options_filter, .target = &add->selection},
        {"--notify-url", .text = &add->notify_url},
        {"--paused", .flag = &add->is_paused},
        {0},
    };

    if (!cli_parse_options("schedule add", argc, argv, options, err))
        return false;
    if (add->rule == NULL)
        return error_set(err, ERROR_USAGE, "schedule add: one of --rule, --daily, --weekly and --monthly is required");
    if (add->request_path != NULL && selection_options_are_given(&add->selection))
        return error_set(err, ERROR_USAGE, "schedule add: --request already contains the columns and filters, so"
                         " --column and --filter must not be used with it");
    return cli_time_resolve(&add->start, add->time_zone, err) || name_option(err);
}

/* Reads a file, or standard input, of at most MAX_REQUEST bytes. */
static bool read_request_text(const char *path, struct buffer *ret_text, struct error *err)
{
    bool is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(path, "re");
    char chunk[4096];
    size_t count;
    int failure = 0;

    if (file == NULL)
        return error_set(err, ERROR_STORAGE, "schedule add: --request %s: %s", path, strerror(errno));
    while (ret_text->length <= MAX_REQUEST && (count = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buffer_append(ret_text, chunk, count);
    if (ferror(file))
        failure = errno;
    if (!is_input)
        fclose(file);
    if (failure != 0)
        return error_set(err, ERROR_STORAGE, "schedule add: --request %s: %s", path, strerror(failure));
    if (ret_text->length > MAX_REQUEST)
        return error_set(err, ERROR_TOO_LARGE, "schedule add: --request %s: must be at most %d bytes", path,
                         MAX_REQUEST);
    return true;
}

/* Reads and parses the request of --request. It may be null, which the definition rejects. */
static bool read_request_option(const char *path, struct json_object **ret_request, struct error *err)
{
    static const struct json_rules rules = {.subject = "the request", .max_levels = 8};
    struct buffer text = {0};
    bool done = read_request_text(path, &text, err)
                && json_parse(buffer_text(&text), text.length, &rules, ret_request, err);

    buffer_free(&text);
    return done;
}

static void add_integer(struct json_object *body, const char *field, int64_t value)
{
    if (value >= 0)
        json_object_object_add(body, field, json_object_new_int64(value));
}

static void add_text(struct json_object *body, const char *field, const char *value)
{
    if (value != NULL)
        json_add_text(body, field, value);
}

/* Returns the body. Takes over the request. Free the body with json_object_put. */
static struct json_object *build_body(const struct add_options *add, struct json_object *request)
{
    struct json_object *body = json_object_new_object();

    add_text(body, "name", add->name);
    add_text(body, "rule", add->rule);
    add_text(body, "time_zone", add->time_zone);
    add_text(body, "enterprise_project_id", add->enterprise_project_id);
    add_text(body, "notify_url", add->notify_url);
    add_integer(body, "start_time", add->start.ms);
    add_integer(body, "keep", add->keep);
    add_integer(body, "export_size", add->export_size);
    json_object_object_add(body, "enabled", json_object_new_boolean(!add->is_paused));
    json_object_object_add(body, "request", request);
    return body;
}

static struct schedule_definition *parse_definition(const struct add_options *add, struct json_object *request,
                                                    int64_t now, const struct config *config, struct error *err)
{
    const struct webhook_policy policy = {.hosts = config->notify_hosts, .allow_http = config->notify_allow_http};
    struct json_object *body = build_body(add, request);
    const char *text = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
    struct schedule_definition *definition = schedule_definition_parse(text, strlen(text), now, &policy, err);

    json_object_put(body);
    if (definition == NULL && err->code == ERROR_PARAMETER)
        (void) name_option(err);
    return definition;
}

/* Creates the schedule, and prints its id and the secret of its notifications. */
static bool create_schedule(struct db *db, const char *project_id, const struct schedule_definition *definition,
                            const struct config *config, struct error *err)
{
    const char *enterprise_project = definition->enterprise_project_id;
    char *scope = strcmp(enterprise_project, ALL_GRANTED) == 0 ? NULL : db_array_literal(&enterprise_project, 1);
    struct key_ring *ring = key_ring_new(config->key_file);
    const struct schedule_owner owner = {.project_id = project_id, .enterprise_projects = scope, .ring = ring};
    char schedule_id[TEXT_UUID_LENGTH + 1], secret[WEBHOOK_SECRET_SIZE];
    bool created = schedule_create(db, &owner, definition, schedule_id, secret, err);

    free(scope);
    key_ring_free(ring);
    if (!created)
        return false;
    printf("schedule_id=%s\n", schedule_id);
    if (secret[0] != '\0')
        printf("notify_secret=%s\n", secret);
    memory_wipe(secret, sizeof(secret));
    return true;
}

/* Takes over the request. */
static bool add_schedule(const struct add_options *add, struct json_object *request, const struct config *config,
                         struct error *err)
{
    struct schedule_definition *definition = NULL;
    struct db *db = cli_open_service(config, add->project_id, err);
    int64_t now;
    bool added = false;

    if (db == NULL || !schedule_now(db, &now, err)) {
        json_object_put(request);
    } else {
        definition = parse_definition(add, request, now, config, err);
        added = definition != NULL && create_schedule(db, add->project_id, definition, config, err);
    }
    schedule_definition_free(definition);
    db_close(db);
    return added;
}

bool cli_schedule_add(int argc, char **argv, const struct config *config, struct error *err)
{
    struct add_options add = {
        .time_zone = "UTC",
        .start = {.ms = -1},
        .keep = -1,
        .export_size = -1,
        .selection = {.allow_period = true},
    };
    struct json_object *request = NULL;
    bool added = parse_add_options(argc, argv, &add, err);

    if (added && add.request_path == NULL)
        request = selection_options_body(&add.selection);
    else if (added)
        added = read_request_option(add.request_path, &request, err);
    added = added && add_schedule(&add, request, config, err);
    selection_options_clear(&add.selection);
    free(add.rule);
    return added;
}
