#include "db/settings.h"

#define OWNER_TIMEOUT_MS (24 * 60 * 60 * 1000)
#define LOADER_TIMEOUT_MS (60 * 60 * 1000)
#define EXPORT_SLACK_MS 5000 /* the server enforces its limit only if the exporter, whose limit is shorter, hangs */

static struct db_settings common_settings(const struct config *config)
{
    return (struct db_settings) {
        .conninfo = config->conninfo,
        .application_name = "waybill",
        .time_zone = "UTC",
        .connect_timeout_ms = config->connect_timeout_ms,
        .query_timeout_ms = config->query_timeout_ms,
    };
}

struct db_settings db_settings_for_service(const struct config *config)
{
    struct db_settings settings = common_settings(config);

    settings.prefers_indexes = true;
    return settings;
}

struct db_settings db_settings_for_worker(const struct config *config)
{
    struct db_settings settings = db_settings_for_service(config);

    settings.role = "waybill_worker";
    return settings;
}

struct db_settings db_settings_for_owner(const struct config *config)
{
    struct db_settings settings = common_settings(config);

    if (config->owner_conninfo[0] != '\0')
        settings.conninfo = config->owner_conninfo;
    settings.query_timeout_ms = OWNER_TIMEOUT_MS;
    return settings;
}

struct db_settings db_settings_for_loader(const struct config *config)
{
    struct db_settings settings = db_settings_for_owner(config);

    if (config->loader_conninfo[0] != '\0')
        settings.conninfo = config->loader_conninfo;
    settings.application_name = "waybill load";
    settings.query_timeout_ms = LOADER_TIMEOUT_MS;
    return settings;
}

struct db_settings db_settings_for_inventory(const struct config *config)
{
    struct db_settings settings = common_settings(config);

    if (config->inventory_conninfo[0] != '\0')
        settings.conninfo = config->inventory_conninfo;
    settings.application_name = "waybill export";
    settings.reads_inventory = true;
    settings.time_zone = config->time_zone;
    settings.query_timeout_ms = config->export_timeout * 1000 + EXPORT_SLACK_MS;
    return settings;
}

struct db_settings db_settings_for_catalog(const struct config *config)
{
    struct db_settings settings = db_settings_for_inventory(config);

    settings.application_name = "waybill catalog";
    settings.query_timeout_ms = config->query_timeout_ms;
    return settings;
}
