#include "cli/cli.h"

#define QUERY_TIMEOUT_MS (24 * 60 * 60 * 1000) /* building an index of a large inventory takes its time */

struct db *cli_open_owner(const struct config *config, struct error *err)
{
    const struct db_settings settings = {
        .conninfo = config->owner_conninfo[0] != '\0' ? config->owner_conninfo : config->conninfo,
        .application_name = "waybill",
        .time_zone = "UTC",
        .connect_timeout_ms = config->connect_timeout_ms,
        .query_timeout_ms = QUERY_TIMEOUT_MS,
    };

    return db_open(&settings, err);
}
