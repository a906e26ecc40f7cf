#include "cli/time_option.h"

#include "base/clock.h"
#include "base/time_zone.h"

const char *cli_time_parse(const char *value, void *target)
{
    struct cli_time *time = target;
    bool has_offset;

    if (!clock_parse_iso8601(value, &time->ms, &has_offset))
        return "must be a time of ISO 8601 in the years 1970 to 9999, such as 2026-04-03T08:15 or 2026-04-03T06:15:00Z";
    time->is_local = !has_offset;
    return NULL;
}

bool cli_time_resolve(struct cli_time *time, const char *time_zone, struct error *err)
{
    struct time_zone *zone;

    if (!time->is_local)
        return true;
    zone = time_zone_open(time_zone, err);
    if (zone == NULL)
        return false;
    time->ms = time_zone_from_local(zone, time->ms, NULL);
    time->is_local = false;
    time_zone_close(zone);
    return true;
}
