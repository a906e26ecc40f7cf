/* waybill schedule preview: works with recurrence rules. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/time_zone.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "schedule/recurrence.h"

/* A TIME of the command line. */
struct cli_time {
    int64_t ms;
    bool is_local; /* it has no offset, so that it depends on the time zone */
};

/* A parser of cli_option. */
static const char *parse_cli_time(const char *value, void *target)
{
    struct cli_time *time = target;
    bool has_offset;

    if (!clock_parse_iso8601(value, &time->ms, &has_offset))
        return "must be a time of ISO 8601 in the years 1970 to 9999, such as 2026-04-03T08:15 or 2026-04-03T06:15:00Z";
    time->is_local = !has_offset;
    return NULL;
}

/* Converts a local time in the time zone to an instant. */
static bool resolve_cli_time(struct cli_time *time, const char *time_zone, struct error *err)
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

/* Prints whole seconds: 2026-04-03T08:15:00Z. */
static void print_occurrence(int64_t instant)
{
    char text[CLOCK_ISO8601_SIZE];

    clock_format_iso8601(text, instant);
    printf("%.*sZ\n", (int) strcspn(text, "."), text);
}

static bool preview_schedule(int argc, char **argv, const struct config *config, struct error *err)
{
    const char *rule = NULL;
    const char *time_zone = "UTC";
    struct cli_time start = {.ms = clock_now_ms()};
    int64_t count = 10;
    const struct cli_option options[] = {
        {"--rule", .text = &rule, .required = true},
        {"--time-zone", .text = &time_zone},
        {"--start", .parse = parse_cli_time, .target = &start},
        {"--count", .integer = &count, .min = 1, .max = 10000},
        {0},
    };
    struct recurrence_iterator *iterator;
    struct recurrence *recurrence;
    int64_t instant;

    (void) config;
    if (!cli_parse_options("schedule preview", argc, argv, options, err) || !resolve_cli_time(&start, time_zone, err))
        return false;
    recurrence = recurrence_parse(rule, time_zone, start.ms, err);
    if (recurrence == NULL)
        return false;
    iterator = recurrence_begin(recurrence, start.ms);
    for (; count > 0 && recurrence_step(iterator, &instant); count--)
        print_occurrence(instant);
    recurrence_end(iterator);
    recurrence_free(recurrence);
    return true;
}

bool cli_schedule(int argc, char **argv, const struct config *config, struct error *err)
{
    static const struct cli_action actions[] = {
        {"preview", preview_schedule},
        {0},
    };

    return cli_run_action(actions, argc, argv, config, err);
}
