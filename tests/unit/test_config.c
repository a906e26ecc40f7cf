/* The options of the configuration, each on both sides of its bounds. test_config_file.c tests how a file is read. */
#include "base/config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/text.h"
#include "check.h"
#include "scratch.h"

#define X31 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X127 X31 "x" X31 "x" X31 "x" X31
#define X128 X127 "x"

enum kind { INTEGER, TEXT, BOOLEAN };

/* All options, with the bounds and defaults of the sample file and the contract. */
static const struct option_case {
    const char *name; /* section.option */
    enum kind kind;
    size_t offset;
    int min, max;
    int number;       /* default of INTEGER and BOOLEAN, and of choices by their position */
    const char *text; /* default of TEXT */
} option_cases[] = {
    {"server.listen", TEXT, offsetof(struct config, listen), 0, 0, 0, ""},
    {"server.request_threads", INTEGER, offsetof(struct config, request_threads), 1, 1000, 16, NULL},
    {"server.waiting_requests", INTEGER, offsetof(struct config, waiting_requests), 0, 512, 512, NULL},
    {"server.wait_ms", INTEGER, offsetof(struct config, wait_ms), 0, 60000, 2000, NULL},
    {"server.grace", INTEGER, offsetof(struct config, grace), 0, 3600, 10, NULL},
    {"server.region", TEXT, offsetof(struct config, region), 0, 0, 0, ""},
    {"database.conninfo", TEXT, offsetof(struct config, conninfo), 0, 0, 0, "dbname=waybill user=waybill_service"},
    {"database.owner_conninfo", TEXT, offsetof(struct config, owner_conninfo), 0, 0, 0, ""},
    {"inventory.loader_conninfo", TEXT, offsetof(struct config, loader_conninfo), 0, 0, 0, ""},
    {"database.pool_size", INTEGER, offsetof(struct config, pool_size), 1, 1000, 8, NULL},
    {"database.connect_timeout_ms", INTEGER, offsetof(struct config, connect_timeout_ms), 100, 60000, 2000, NULL},
    {"database.query_timeout_ms", INTEGER, offsetof(struct config, query_timeout_ms), 100, 600000, 4000, NULL},
    {"inventory.conninfo", TEXT, offsetof(struct config, inventory_conninfo), 0, 0, 0, ""},
    {"inventory.relation", TEXT, offsetof(struct config, relation), 0, 0, 0, "waybill.container"},
    {"export.threads", INTEGER, offsetof(struct config, export_threads), 0, 1000, 2, NULL},
    {"export.timeout", INTEGER, offsetof(struct config, export_timeout), 1, 86400, 900, NULL},
    {"export.lease", INTEGER, offsetof(struct config, lease), 3, 3600, 30, NULL},
    {"files.directory", TEXT, offsetof(struct config, directory), 0, 0, 0, "/var/lib/waybill/files"},
    {"files.retention_hours", INTEGER, offsetof(struct config, retention_hours), 1, 876000, 168, NULL},
    {"files.history_hours", INTEGER, offsetof(struct config, history_hours), 1, 876000, 720, NULL},
    {"files.max_total_mib", INTEGER, offsetof(struct config, max_total_mib), 0, 999999999, 0, NULL},
    {"files.gzip", BOOLEAN, offsetof(struct config, gzip), 0, 0, false, NULL},
    {"files.offload", INTEGER, offsetof(struct config, offload), 0, 0, CONFIG_OFFLOAD_NONE, NULL},
    {"files.accel_location", TEXT, offsetof(struct config, accel_location), 0, 0, 0, "/waybill-files/"},
    {"csv.time_zone", TEXT, offsetof(struct config, time_zone), 0, 0, 0, "UTC"},
    {"csv.bom", BOOLEAN, offsetof(struct config, bom), 0, 0, false, NULL},
    {"csv.formula_guard", BOOLEAN, offsetof(struct config, formula_guard), 0, 0, true, NULL},
    {"limits.unfinished_tasks", INTEGER, offsetof(struct config, unfinished_tasks), 0, 1000000, 200, NULL},
    {"limits.running_exports", INTEGER, offsetof(struct config, running_exports), 0, 100000, 16, NULL},
    {"access.key_file", TEXT, offsetof(struct config, key_file), 0, 0, 0, "/etc/waybill/access.key"},
    {"access.link_minutes", INTEGER, offsetof(struct config, link_minutes), 0, 10080, 15, NULL},
    {"access.failed_signins", INTEGER, offsetof(struct config, failed_signins), 0, 1000000, 100, NULL},
    {"access.provider", INTEGER, offsetof(struct config, provider), 0, 0, CONFIG_PROVIDER_NONE, NULL},
    {"access.keystone_url", TEXT, offsetof(struct config, keystone_url), 0, 0, 0, ""},
    {"access.keystone_ca_file", TEXT, offsetof(struct config, keystone_ca_file), 0, 0, 0, ""},
    {"access.create_role", TEXT, offsetof(struct config, create_role), 0, 0, 0, "member"},
    {"access.read_role", TEXT, offsetof(struct config, read_role), 0, 0, 0, "reader"},
    {"access.cache_s", INTEGER, offsetof(struct config, cache_s), 0, 3600, 60, NULL},
    {"notify.hosts", TEXT, offsetof(struct config, notify_hosts), 0, 0, 0, ""},
    {"notify.allow_http", BOOLEAN, offsetof(struct config, notify_allow_http), 0, 0, false, NULL},
    {"log.level", INTEGER, offsetof(struct config, log_level), 0, 0, LOG_INFO, NULL},
    {"log.format", INTEGER, offsetof(struct config, log_format), 0, 0, LOG_FORMAT_TEXT, NULL},
};

static const struct option_case *find_option(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(option_cases); i++) {
        if (strcmp(option_cases[i].name, name) == 0)
            return &option_cases[i];
    }
    check_fail("no option %s", name);
}

static int number_of(const struct config *config, const struct option_case *option)
{
    const char *member = (const char *) config + option->offset;

    switch (option->offset) {
    case offsetof(struct config, offload):
        return (int) config->offload;
    case offsetof(struct config, provider):
        return (int) config->provider;
    case offsetof(struct config, log_level):
        return (int) config->log_level;
    case offsetof(struct config, log_format):
        return (int) config->log_format;
    default:
        return option->kind == BOOLEAN ? *(const bool *) member : *(const int *) (const void *) member;
    }
}

static const char *text_of(const struct config *config, const struct option_case *option)
{
    return *(char *const *) (const void *) ((const char *) config + option->offset);
}

/* Reads a file of these bytes. If ret_path is not NULL, the caller frees *ret_path. */
static struct config *read_text(const char *text, size_t length, char **ret_path, struct error *err)
{
    char *path = scratch_write("test.conf", text, length);
    struct config *config = config_read(path, err);

    if (ret_path != NULL)
        *ret_path = path;
    else
        free(path);
    return config;
}

/* Reads a file with one option, on line 2. */
static struct config *read_option(const char *name, const char *value, char **ret_path, struct error *err)
{
    const char *dot = strchr(name, '.');
    struct buffer text = {0};
    struct config *config;

    buffer_printf(&text, "[%.*s]\n%s = %s\n", (int) (dot - name), name, dot + 1, value);
    config = read_text(text.data, text.length, ret_path, err);
    buffer_free(&text);
    return config;
}

static void check_refused(const char *name, const char *value)
{
    char excerpt[TEXT_EXCERPT_SIZE];
    struct buffer place = {0};
    struct error err;
    char *path;

    if (read_option(name, value, &path, &err) != NULL)
        check_fail("%s = %s was taken", name, value);
    buffer_printf(&place, "%s:2: ", path);
    check_refusal(&err, ERROR_CONFIG, place.data);
    check_refusal(&err, ERROR_CONFIG, strchr(name, '.') + 1);
    check_refusal(&err, ERROR_CONFIG, text_excerpt(excerpt, value, strlen(value)));
    buffer_free(&place);
    free(path);
}

static void check_number(const char *name, const char *value, int number)
{
    struct error err;
    struct config *config = read_option(name, value, NULL, &err);

    check_good(config != NULL, &err);
    assert_int_equal(number_of(config, find_option(name)), number);
    config_free(config);
}

static void check_defaults(const struct config *config)
{
    for (size_t i = 0; i < ARRAY_SIZE(option_cases); i++) {
        const struct option_case *option = &option_cases[i];

        if (option->kind == TEXT ? strcmp(text_of(config, option), option->text) != 0
                                 : number_of(config, option) != option->number)
            check_fail("the default of %s", option->name);
    }
}

static void integer_bounds(const void *row)
{
    static const char *const no_integers[] = {"", "x", "-1", "+5", "5x", "5 5", "5.0", "1e2", "0x10", "5,",
                                              "2147483648", "4294967297", "99999999999999999999"};
    const struct option_case *option = row;
    char value[16];

    for (int change = 0; change <= 1; change++) {
        snprintf(value, sizeof(value), "%d", option->min + change);
        check_number(option->name, value, option->min + change);
        snprintf(value, sizeof(value), "%d", option->max - change);
        check_number(option->name, value, option->max - change);
    }
    snprintf(value, sizeof(value), "%d", option->min - 1);
    check_refused(option->name, value);
    snprintf(value, sizeof(value), "%d", option->max + 1);
    check_refused(option->name, value);
    for (size_t i = 0; i < ARRAY_SIZE(no_integers); i++)
        check_refused(option->name, no_integers[i]);
}

static const struct value_case {
    const char *name;
    const char *value;
    int number; /* -1: refused */
} word_cases[] = {
    {"files.offload", "none", CONFIG_OFFLOAD_NONE},
    {"files.offload", "x-sendfile", CONFIG_OFFLOAD_X_SENDFILE},
    {"files.offload", "x-accel-redirect", CONFIG_OFFLOAD_X_ACCEL_REDIRECT},
    {"files.offload", "", -1},
    {"files.offload", "X-Sendfile", -1},
    {"files.offload", "sendfile", -1},
    {"files.offload", "x-sendfile2", -1},
    {"log.level", "error", LOG_ERROR},
    {"log.level", "warning", LOG_WARNING},
    {"log.level", "info", LOG_INFO},
    {"log.level", "debug", LOG_DEBUG},
    {"log.level", "", -1},
    {"log.level", "warn", -1},
    {"log.level", "3", -1},
    {"log.format", "text", LOG_FORMAT_TEXT},
    {"log.format", "json", LOG_FORMAT_JSON},
    {"log.format", "", -1},
    {"log.format", "JSON", -1},
    {"log.format", "logfmt", -1},
    {"log.format", "1", -1},
    {"access.provider", "none", CONFIG_PROVIDER_NONE},
    {"access.provider", "Keystone", -1},
    {"access.provider", "", -1},
    {"csv.bom", "on", true},
    {"csv.bom", "ON", true},
    {"csv.bom", "true", true},
    {"csv.bom", "yes", true},
    {"csv.bom", "1", true},
    {"csv.formula_guard", "off", false},
    {"csv.formula_guard", "Off", false},
    {"csv.formula_guard", "false", false},
    {"csv.formula_guard", "no", false},
    {"csv.formula_guard", "0", false},
    {"notify.allow_http", "on", true},
    {"notify.allow_http", "maybe", -1},
    {"csv.bom", "", -1},
    {"csv.bom", "2", -1},
    {"csv.bom", "onn", -1},
    {"csv.formula_guard", "enabled", -1},
    {"csv.formula_guard", "o", -1},
};

static void words(const void *row)
{
    const struct value_case *c = row;

    if (c->number < 0)
        check_refused(c->name, c->value);
    else
        check_number(c->name, c->value, c->number);
}

/* The message lists the choices. */
static void names_the_choices(void)
{
    struct error err;

    assert_null(read_option("log.level", "loud", NULL, &err));
    check_refusal(&err, ERROR_CONFIG, "[log] level must be one of error, warning, info, debug, got \"loud\"");
}

#define ONLY_WITH_ZONES 2

static const struct text_case {
    const char *value;
    const char *name;
    int good; /* ONLY_WITH_ZONES: refused only if the host has the time zone database */
} text_cases[] = {
    {"/run/waybill.sock", "server.listen", true},
    {"127.0.0.1:9000", "server.listen", true},
    {"", "server.listen", true},
    {"host=/run/postgresql dbname=w password='a b#c'", "database.conninfo", true},
    {"postgresql://u@h:5432/d?sslmode=require&x=y", "database.owner_conninfo", true},
    {"", "database.owner_conninfo", true},
    {"container", "inventory.relation", true},
    {"site.container_view", "inventory.relation", true},
    {"_s._t", "inventory.relation", true},
    {"Site.Table$1", "inventory.relation", true},
    {"b\xC3\xBCro.beh\xC3\xA4lter", "inventory.relation", true},
    {"", "inventory.relation", false},
    {".", "inventory.relation", false},
    {"a.", "inventory.relation", false},
    {".a", "inventory.relation", false},
    {"a..b", "inventory.relation", false},
    {"a.b.c", "inventory.relation", false},
    {"1a", "inventory.relation", false},
    {"a.1b", "inventory.relation", false},
    {"$a", "inventory.relation", false},
    {"a b", "inventory.relation", false},
    {"a-b", "inventory.relation", false},
    {"\"a\".b", "inventory.relation", false},
    {"a.b;DROP", "inventory.relation", false},
    {"a.b--", "inventory.relation", false},
    {"a.b(1)", "inventory.relation", false},
    {"/", "files.directory", true},
    {"/srv/way bill/files", "files.directory", true},
    {"", "files.directory", false},
    {"files", "files.directory", false},
    {"./files", "files.directory", false},
    {"~/files", "files.directory", false},
    {"/x/", "files.accel_location", true},
    {"/a/b/", "files.accel_location", true},
    {"", "files.accel_location", false},
    {"/x", "files.accel_location", false},
    {"x/", "files.accel_location", false},
    {"", "server.region", true},
    {"eu-west-101", "server.region", true},
    {"R\xC3\xA9gion \xE9\x95\xB7 \"1\"", "server.region", true},
    {X128, "server.region", true},
    {X128 "x", "server.region", false},
    {"\xC3\xA9" X127, "server.region", true},
    {"a\tb", "server.region", false},
    {"a\x7F", "server.region", false},
    {"a\xC2\x85", "server.region", false},
    {"\xFF", "server.region", false},
    {"a\xC3", "server.region", false},
    {"", "access.keystone_url", true},
    {"https://keystone.example.org:5000", "access.keystone_url", true},
    {"https://keystone.example.org/identity", "access.keystone_url", true},
    {"https://keystone.example.org/identity/v3", "access.keystone_url", false},
    {"https://keystone.example.org:5000/v3/", "access.keystone_url", false},
    {"https://keystone.example.org:5000/v3//", "access.keystone_url", false},
    {"http://keystone.example.org:5000", "access.keystone_url", false},
    {"keystone.example.org:5000", "access.keystone_url", false},
    {"", "access.keystone_ca_file", true},
    {"/etc/ssl/certs/site.pem", "access.keystone_ca_file", true},
    {"site.pem", "access.keystone_ca_file", false},
    {"export writer", "access.create_role", true},
    {"Lecteur \xC3\xA9" X127, "access.read_role", true},
    {"", "access.create_role", false},
    {"", "access.read_role", false},
    {"a\tb", "access.create_role", false},
    {"\xFF", "access.read_role", false},
    {"", "notify.hosts", true},
    {"hooks.example.org, relay:8443,[2001:db8::1]", "notify.hosts", true},
    {"hooks.example.org,", "notify.hosts", false},
    {"https://hooks.example.org", "notify.hosts", false},
    {"relay:0", "notify.hosts", false},
    {"UTC", "csv.time_zone", true},
    {"Etc/GMT+5", "csv.time_zone", true},
    {"Asia/Kolkata", "csv.time_zone", true},
    {"America/Argentina/Buenos_Aires", "csv.time_zone", true},
    {"", "csv.time_zone", false},
    {"+02:00", "csv.time_zone", false},
    {"/etc/localtime", "csv.time_zone", false},
    {"Europe/../UTC", "csv.time_zone", false},
    {"UTC'; SELECT 1", "csv.time_zone", false},
    {"<+02>-2", "csv.time_zone", false},
    {"Europe/Atlantis", "csv.time_zone", ONLY_WITH_ZONES},
    {"Europe", "csv.time_zone", ONLY_WITH_ZONES},
};

static void texts(const void *row)
{
    const struct text_case *c = row;
    struct config *config;
    struct error err;

    if (c->good == false || (c->good == ONLY_WITH_ZONES && access("/usr/share/zoneinfo/UTC", R_OK) == 0)) {
        check_refused(c->name, c->value);
        return;
    }
    config = read_option(c->name, c->value, NULL, &err);
    check_good(config != NULL, &err);
    assert_string_equal(text_of(config, find_option(c->name)), c->value);
    config_free(config);
}

/* Reads the sample line by line, turns each `#name = value` into an option, and counts it. */
static void uncomment_sample(struct buffer *out, int counts[ARRAY_SIZE(option_cases)])
{
    const char *srcdir = getenv("srcdir");
    char path[PATH_MAX], line[512], section[64] = "";
    FILE *file;

    snprintf(path, sizeof(path), "%s/conf/waybill.conf", srcdir == NULL ? "." : srcdir);
    file = fopen(path, "re");
    if (file == NULL)
        check_fail("%s can't be read", path);
    while (fgets(line, sizeof(line), file) != NULL) {
        size_t length = strspn(line + 1, "abcdefghijklmnopqrstuvwxyz_");
        char name[128];

        (void) sscanf(line, "[%63[a-z]]", section);
        if (line[0] != '#' || length == 0 || strncmp(line + 1 + length, " =", 2) != 0) {
            buffer_append_text(out, line);
            continue;
        }
        buffer_append_text(out, line + 1);
        snprintf(name, sizeof(name), "%s.%.*s", section, (int) length, line + 1);
        counts[find_option(name) - option_cases]++;
    }
    fclose(file);
}

static void sample_has_every_option_with_its_default(void)
{
    int counts[ARRAY_SIZE(option_cases)] = {0};
    struct buffer text = {0};
    struct config *config;
    struct error err;

    uncomment_sample(&text, counts);
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        if (counts[i] != 1)
            check_fail("the sample has %s %d times", option_cases[i].name, counts[i]);
    }
    config = read_text(text.data, text.length, NULL, &err);
    check_good(config != NULL, &err);
    check_defaults(config);
    config_free(config);
    buffer_free(&text);
}

static void an_empty_file_gives_the_defaults(void)
{
    struct error err;
    struct config *config = read_text("", 0, NULL, &err);

    check_good(config != NULL, &err);
    check_defaults(config);
    config_free(config);
}

static void keystone_needs_a_url(void)
{
    static const char with_url[] = "[access]\nprovider = keystone\nkeystone_url = https://keystone.example.org\n";
    static const char without_url[] = "[access]\nprovider = keystone\n";
    struct error err;
    struct config *config = read_text(BYTES(with_url), NULL, &err);

    check_good(config != NULL, &err);
    assert_int_equal(config->provider, CONFIG_PROVIDER_KEYSTONE);
    config_free(config);
    assert_null(read_text(BYTES(without_url), NULL, &err));
    check_refusal(&err, ERROR_CONFIG, "[access] keystone_url is required with provider = keystone");
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(option_cases); i++) {
        if (option_cases[i].max > 0)
            check_add("integer_bounds", option_cases[i].name, integer_bounds, &option_cases[i]);
    }
    CHECK_EACH(words, word_cases, value);
    CHECK(names_the_choices);
    CHECK_EACH(texts, text_cases, value);
    CHECK(keystone_needs_a_url);
    CHECK(an_empty_file_gives_the_defaults);
    CHECK(sample_has_every_option_with_its_default);
    return check_run("base/config");
}
