#include "base/config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hosts.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/time_zone.h"
#include "base/url.h"

#define MAX_REGION 128 /* characters */
#define MAX_ROLE 255   /* characters, as in Keystone */

enum kind {
    KIND_TEXT,
    KIND_CONNINFO, /* text that may continue on the next lines, which then begin with whitespace */
    KIND_INTEGER,
    KIND_BOOLEAN,
    KIND_CHOICE,
};

struct option {
    const char *section;
    const char *name;
    enum kind kind;
    size_t offset;
    const char *default_value;                 /* as written in the file */
    int min, max;                              /* KIND_INTEGER */
    const char *choices[5];                    /* KIND_CHOICE, ended by NULL, in the order of the enumeration */
    void (*store)(void *member, int choice);   /* KIND_CHOICE */
    const char *(*check)(const char *value);   /* KIND_TEXT: returns the rule that the value breaks, or NULL */
};

/* Whether the value has at most `max` characters and no control characters. */
static bool is_line(const char *value, size_t max)
{
    uint32_t code_point;
    size_t count;

    return text_utf8_count(value, strlen(value), &count) && count <= max && !text_find_control(value, &code_point);
}

static const char *check_region(const char *value)
{
    if (is_line(value, MAX_REGION))
        return NULL;
    return "must have at most " TEXT_OF(MAX_REGION) " characters of UTF-8, without control characters";
}

static const char *check_role(const char *value)
{
    if (*value != '\0' && is_line(value, MAX_ROLE))
        return NULL;
    return "must be the name of a role: 1 to " TEXT_OF(MAX_ROLE) " characters of UTF-8, without control characters";
}

/* Accepts "": there is no Keystone. */
static const char *check_keystone_url(const char *value)
{
    size_t length = strlen(value);

    while (length > 0 && value[length - 1] == '/')
        length--;
    if (length >= strlen("/v3") && strncmp(value + length - strlen("/v3"), "/v3", strlen("/v3")) == 0)
        return "must not contain the path of the API version, /v3";
    return *value == '\0' ? NULL : url_check_service(value);
}

/* Accepts schema.name or name. Both are SQL identifiers; their case is not folded. */
static const char *check_relation(const char *value)
{
    static const char reason[] = "must be the name of a table or view: schema.name";
    int parts = 1;
    bool at_start = true;

    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char) *value;

        if (c == '.') {
            if (at_start || ++parts > 2)
                return reason;
            at_start = true;
            continue;
        }
        if (!(isalpha(c) || c == '_' || c >= 0x80 || (!at_start && (isdigit(c) || c == '$'))))
            return reason;
        at_start = false;
    }
    return at_start ? reason : NULL;
}

static const char *check_absolute_path(const char *value)
{
    return value[0] == '/' ? NULL : "must be an absolute path";
}

static const char *check_optional_path(const char *value)
{
    return *value == '\0' ? NULL : check_absolute_path(value);
}

static const char *check_location(const char *value)
{
    size_t length = strlen(value);

    if (length < 2 || value[0] != '/' || value[length - 1] != '/')
        return "must begin and end with /";
    return NULL;
}

/*
 * Accepts only time zone names. PostgreSQL also accepts other forms, such as POSIX specifications. If this host has the
 * time zone database, it must contain the name. Otherwise PostgreSQL checks the name at the first export.
 */
static const char *check_time_zone(const char *value)
{
    return time_zone_is_name(value) ? NULL : TIME_ZONE_NAME_RULE;
}

static const char *check_hosts(const char *value)
{
    return hosts_is_valid(value) ? NULL : "must be a list of hosts with commas: name, name:port, [IPv6], [IPv6]:port";
}

/* The functions of the member `store`. */
static void store_offload(void *member, int choice)
{
    *(enum config_offload *) member = (enum config_offload) choice;
}

static void store_provider(void *member, int choice)
{
    *(enum config_provider *) member = (enum config_provider) choice;
}

static void store_log_level(void *member, int choice)
{
    *(enum log_level *) member = (enum log_level) choice;
}

static void store_log_format(void *member, int choice)
{
    *(enum log_format *) member = (enum log_format) choice;
}

#define AT(member) offsetof(struct config, member)

static const struct option options[] = {
    {"server", "listen", KIND_TEXT, AT(listen), "", .check = NULL},
    {"server", "request_threads", KIND_INTEGER, AT(request_threads), "16", .min = 1, .max = 1000},
    {"server", "waiting_requests", KIND_INTEGER, AT(waiting_requests), "512", .min = 0, .max = 512},
    {"server", "wait_ms", KIND_INTEGER, AT(wait_ms), "2000", .min = 0, .max = 60000},
    {"server", "grace", KIND_INTEGER, AT(grace), "10", .min = 0, .max = 3600},
    {"server", "region", KIND_TEXT, AT(region), "", .check = check_region},
    {"database", "conninfo", KIND_CONNINFO, AT(conninfo), "dbname=waybill user=waybill_service", .check = NULL},
    {"database", "owner_conninfo", KIND_CONNINFO, AT(owner_conninfo), "", .check = NULL},
    {"database", "pool_size", KIND_INTEGER, AT(pool_size), "8", .min = 1, .max = 1000},
    {"database", "connect_timeout_ms", KIND_INTEGER, AT(connect_timeout_ms), "2000", .min = 100, .max = 60000},
    {"database", "query_timeout_ms", KIND_INTEGER, AT(query_timeout_ms), "4000", .min = 100, .max = 600000},
    {"inventory", "conninfo", KIND_CONNINFO, AT(inventory_conninfo), "", .check = NULL},
    {"inventory", "loader_conninfo", KIND_CONNINFO, AT(loader_conninfo), "", .check = NULL},
    {"inventory", "relation", KIND_TEXT, AT(relation), "waybill.container", .check = check_relation},
    {"export", "threads", KIND_INTEGER, AT(export_threads), "2", .min = 0, .max = 1000},
    {"export", "timeout", KIND_INTEGER, AT(export_timeout), "900", .min = 1, .max = 86400},
    {"export", "lease", KIND_INTEGER, AT(lease), "30", .min = 3, .max = 3600},
    {"files", "directory", KIND_TEXT, AT(directory), "/var/lib/waybill/files", .check = check_absolute_path},
    {"files", "retention_hours", KIND_INTEGER, AT(retention_hours), "168", .min = 1, .max = 876000},
    {"files", "history_hours", KIND_INTEGER, AT(history_hours), "720", .min = 1, .max = 876000},
    {"files", "max_total_mib", KIND_INTEGER, AT(max_total_mib), "0", .min = 0, .max = 999999999},
    {"files", "gzip", KIND_BOOLEAN, AT(gzip), "off", .check = NULL},
    {"files", "offload", KIND_CHOICE, AT(offload), "none",
     .choices = {[CONFIG_OFFLOAD_NONE] = "none",
                 [CONFIG_OFFLOAD_X_SENDFILE] = "x-sendfile",
                 [CONFIG_OFFLOAD_X_ACCEL_REDIRECT] = "x-accel-redirect"},
     .store = store_offload},
    {"files", "accel_location", KIND_TEXT, AT(accel_location), "/waybill-files/", .check = check_location},
    {"csv", "time_zone", KIND_TEXT, AT(time_zone), "UTC", .check = check_time_zone},
    {"csv", "bom", KIND_BOOLEAN, AT(bom), "off", .check = NULL},
    {"csv", "formula_guard", KIND_BOOLEAN, AT(formula_guard), "on", .check = NULL},
    {"limits", "unfinished_tasks", KIND_INTEGER, AT(unfinished_tasks), "200", .min = 0, .max = 1000000},
    {"limits", "running_exports", KIND_INTEGER, AT(running_exports), "16", .min = 0, .max = 100000},
    {"access", "key_file", KIND_TEXT, AT(key_file), "/etc/waybill/access.key", .check = check_absolute_path},
    {"access", "link_minutes", KIND_INTEGER, AT(link_minutes), "15", .min = 0, .max = 10080},
    {"access", "failed_signins", KIND_INTEGER, AT(failed_signins), "100", .min = 0, .max = 1000000},
    {"access", "provider", KIND_CHOICE, AT(provider), "none",
     .choices = {[CONFIG_PROVIDER_NONE] = "none", [CONFIG_PROVIDER_KEYSTONE] = "keystone"}, .store = store_provider},
    {"access", "keystone_url", KIND_TEXT, AT(keystone_url), "", .check = check_keystone_url},
    {"access", "keystone_ca_file", KIND_TEXT, AT(keystone_ca_file), "", .check = check_optional_path},
    {"access", "create_role", KIND_TEXT, AT(create_role), "member", .check = check_role},
    {"access", "read_role", KIND_TEXT, AT(read_role), "reader", .check = check_role},
    {"access", "cache_s", KIND_INTEGER, AT(cache_s), "60", .min = 0, .max = 3600},
    {"notify", "hosts", KIND_TEXT, AT(notify_hosts), "", .check = check_hosts},
    {"notify", "allow_http", KIND_BOOLEAN, AT(notify_allow_http), "off", .check = NULL},
    {"log", "level", KIND_CHOICE, AT(log_level), "info",
     .choices = {[LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"},
     .store = store_log_level},
    {"log", "format", KIND_CHOICE, AT(log_format), "text",
     .choices = {[LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json"}, .store = store_log_format},
};

struct reading {
    struct config *config;
    FILE *file;
    int line;             /* number of the last line that inih has read */
    bool is_continuation; /* the line begins with whitespace: inih passes it as another value of `previous` */
    const struct option *previous; /* the last option of the section so far; NULL: none */
    int error_line;       /* 0: none yet */
    char reason[256];
};

static bool reject_line(struct reading *reading, const char *format, ...) PRINTF_LIKE(2, 3);

static bool reject_line(struct reading *reading, const char *format, ...)
{
    va_list arguments;

    if (reading->error_line != 0)
        return false;
    reading->error_line = reading->line;
    va_start(arguments, format);
    vsnprintf(reading->reason, sizeof(reading->reason), format, arguments);
    va_end(arguments);
    return false;
}

static bool parse_boolean(const char *value, bool *ret_boolean)
{
    static const char *const yes[] = {"on", "true", "yes", "1"};
    static const char *const no[] = {"off", "false", "no", "0"};

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (text_equal_ignoring_case(value, yes[i]) || text_equal_ignoring_case(value, no[i])) {
            *ret_boolean = text_equal_ignoring_case(value, yes[i]);
            return true;
        }
    }
    return false;
}

static bool assign_choice(void *member, const struct option *option, const char *value, char *reason, size_t size)
{
    for (int i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(value, option->choices[i]) == 0) {
            option->store(member, i);
            return true;
        }
    }
    snprintf(reason, size, "must be one of");
    for (int i = 0; option->choices[i] != NULL; i++) {
        size_t used = strlen(reason);

        snprintf(reason + used, size - used, "%s %s", i == 0 ? "" : ",", option->choices[i]);
    }
    return false;
}

/* Stores the value in the configuration. On failure, writes the violated rule to `reason`. */
static bool assign(struct config *config, const struct option *option, const char *value, char *reason, size_t size)
{
    void *member = (char *) config + option->offset;
    int64_t number;

    switch (option->kind) {
    case KIND_TEXT:
    case KIND_CONNINFO: {
        const char *rule = option->check == NULL ? NULL : option->check(value);

        if (rule != NULL) {
            snprintf(reason, size, "%s", rule);
            return false;
        }
        free(*(char **) member);
        *(char **) member = memory_copy_text(value);
        return true;
    }
    case KIND_INTEGER:
        if (!text_parse_digits(value, 9, &number) || number < option->min || number > option->max) {
            snprintf(reason, size, "must be an integer from %d to %d", option->min, option->max);
            return false;
        }
        *(int *) member = (int) number;
        return true;
    case KIND_BOOLEAN:
        if (!parse_boolean(value, member)) {
            snprintf(reason, size, "must be on or off");
            return false;
        }
        return true;
    case KIND_CHOICE:
        return assign_choice(member, option, value, reason, size);
    }
    return false;
}

static const struct option *find_option(const char *section, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        if (strcmp(options[i].section, section) == 0 && strcmp(options[i].name, name) == 0)
            return &options[i];
    }
    return NULL;
}

/* Appends a continuation to a text, after a space. */
static void extend_text(struct config *config, const struct option *option, const char *more)
{
    char **member = (char **) ((char *) config + option->offset);
    size_t length = strlen(*member);

    *member = memory_resize(*member, length + 1 + strlen(more) + 1);
    sprintf(*member + length, " %s", more);
}

/* Called by inih for each `name = value`. Returns 1 on success, as inih requires. */
static int handle_option(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    const struct option *option = find_option(section, name);
    char excerpt[TEXT_EXCERPT_SIZE];
    char reason[128];

    if (option == NULL) {
        text_excerpt(excerpt, name, strlen(name));
        return reject_line(reading, "unknown option %s in section [%.40s]", excerpt, section);
    }
    if (reading->is_continuation && option->kind == KIND_CONNINFO) {
        extend_text(reading->config, option, value);
        return 1;
    }
    reading->previous = option;
    if (assign(reading->config, option, value, reason, sizeof(reason)))
        return 1;
    text_excerpt(excerpt, value, strlen(value));
    return reject_line(reading, "[%s] %s %s, got %s", section, name, reason, excerpt);
}

/*
 * Called by inih for each line, in place of fgets. Counts the lines, and rejects lines that inih would misinterpret:
 * inih splits a long line, treats every indented line as a continuation of the previous value, and ends a value at a ;
 * after whitespace.
 */
static char *read_line(char *line, int size, void *user)
{
    struct reading *reading = user;
    char *got = fgets(line, size, reading->file);
    char first;

    if (got == NULL)
        return NULL;
    reading->line++;
    if (strchr(line, '\n') == NULL && !feof(reading->file))
        reject_line(reading, "the line is longer than %d characters", size - 2);
    first = line[strspn(line, " \t")];
    if (strchr(";#\r\n", first) != NULL)
        return got;
    if (first == '[')
        reading->previous = NULL;
    reading->is_continuation = first != line[0];
    if (reading->is_continuation && (reading->previous == NULL || reading->previous->kind != KIND_CONNINFO))
        reject_line(reading, "only a continuation line of a connection string may begin with whitespace");
    if (strstr(line, " ;") != NULL || strstr(line, "\t;") != NULL)
        reject_line(reading, "a comment must be on its own line, and a value must not contain a ; after whitespace");
    return got;
}

static bool set_defaults(struct config *config, struct error *err)
{
    char reason[128];

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        struct option option = options[i];

        option.check = NULL; /* this host may lack the default time zone and configure another */
        if (!assign(config, &option, option.default_value, reason, sizeof(reason)))
            return error_set(err, ERROR_INTERNAL, "the default of [%s] %s %s", option.section, option.name, reason);
    }
    return true;
}

/* Checks rules between options. */
static bool check_combinations(const struct config *config, struct error *err)
{
    if (config->provider == CONFIG_PROVIDER_KEYSTONE && config->keystone_url[0] == '\0')
        return error_set(err, ERROR_CONFIG, "%s: [access] keystone_url is required with provider = keystone",
                         config->path);
    return true;
}

struct config *config_read(const char *path, struct error *err)
{
    struct reading reading = {0};
    int bad_line;

    if (path == NULL)
        path = getenv("WAYBILL_CONFIG");
    if (path == NULL || *path == '\0')
        path = CONFIG_DEFAULT_PATH;

    reading.file = fopen(path, "re");
    if (reading.file == NULL) {
        error_set(err, ERROR_CONFIG, "%s: %s", path, strerror(errno));
        return NULL;
    }
    reading.config = memory_zeroed(1, sizeof(*reading.config));
    reading.config->path = memory_copy_text(path);
    if (!set_defaults(reading.config, err))
        goto fail;

    bad_line = ini_parse_stream(read_line, &reading, handle_option, &reading);
    if (bad_line > 0 && (reading.error_line == 0 || bad_line < reading.error_line)) {
        error_set(err, ERROR_CONFIG, "%s:%d: the line must be [section], name = value or a comment", path, bad_line);
        goto fail;
    }
    if (reading.error_line != 0) {
        error_set(err, ERROR_CONFIG, "%s:%d: %s", path, reading.error_line, reading.reason);
        goto fail;
    }
    if (bad_line < 0 || ferror(reading.file)) {
        error_set(err, ERROR_CONFIG, "cannot read %s", path);
        goto fail;
    }
    if (!check_combinations(reading.config, err))
        goto fail;
    fclose(reading.file);
    return reading.config;

fail:
    fclose(reading.file);
    config_free(reading.config);
    return NULL;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        if (options[i].kind == KIND_TEXT || options[i].kind == KIND_CONNINFO)
            free(*(char **) ((char *) config + options[i].offset));
    }
    free(config->path);
    free(config);
}
