/* Schedules: whether the service has paused some, whether a scheduler runs, and what notifications need. */
#include <inttypes.h>

#include "base/time_zone.h"
#include "cli/checkup.h"
#include "cli/cli.h"
#include "schedule/schedule_admin.h"

#define SAMPLE_ZONE "Europe/Berlin"

static void report_schedules(struct checkup *checkup, const struct schedule_health *health)
{
    if (health->paused > 0)
        checkup_add(checkup, FINDING_WARNING, "schedules", "schedules that the service has paused: %" PRId64
                    " (%s): change them, or run `waybill schedule resume`", health->paused, health->first_paused);
    else
        checkup_add(checkup, FINDING_OK, "schedules", "%" PRId64 " enabled", health->enabled);
    if (health->overdue > 0)
        checkup_add(checkup, FINDING_WARNING, "scheduler", "overdue schedules: %" PRId64 ", the first for %" PRId64
                    " seconds: start waybill.fcgi or `waybill worker`, and see their logs", health->overdue,
                    health->overdue_s);
    else
        checkup_add(checkup, FINDING_OK, "scheduler", "no schedule is overdue");
}

static void check_schedules(struct checkup *checkup)
{
    struct schedule_health health;
    struct error err;
    struct db *db = cli_open_worker(checkup->config, &err);

    if (db == NULL) {
        checkup_add(checkup, FINDING_SKIPPED, "schedules", "there is no connection to the database");
        checkup_add(checkup, FINDING_SKIPPED, "scheduler", "there is no connection to the database");
    } else if (!schedule_admin_health(db, &health, &err)) {
        checkup_add_error(checkup, FINDING_FAILED, "schedules", &err, "run `waybill migrate`");
        checkup_add(checkup, FINDING_SKIPPED, "scheduler", "the schedules cannot be read");
    } else {
        report_schedules(checkup, &health);
    }
    db_close(db);
}

static void check_time_zones(struct checkup *checkup)
{
    struct error err;
    struct time_zone *zone = time_zone_open(SAMPLE_ZONE, &err);

    if (zone == NULL)
        checkup_add_error(checkup, FINDING_WARNING, "tzdata", &err, "schedules can only use UTC: install the package"
                          " tzdata");
    else
        checkup_add(checkup, FINDING_OK, "tzdata", "the time zone database can be read");
    time_zone_close(zone);
}

static void check_notifications(struct checkup *checkup)
{
    const char *hosts = checkup->config->notify_hosts;

    if (hosts[0] == '\0')
        checkup_add(checkup, FINDING_OK, "notifications", "off: [notify] hosts is empty");
    else if (checkup->config->notify_allow_http)
        checkup_add(checkup, FINDING_WARNING, "notifications", "to %s, also without encryption: turn off [notify]"
                    " allow_http, unless the network is trusted", hosts);
    else
        checkup_add(checkup, FINDING_OK, "notifications", "to %s", hosts);
}

void checkup_schedules(struct checkup *checkup)
{
    check_schedules(checkup);
    check_time_zones(checkup);
    check_notifications(checkup);
}
