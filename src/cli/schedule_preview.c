/* waybill schedule preview: prints the next occurrences of a rule. It needs no database. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/schedule.h"
#include "cli/time_option.h"
#include "schedule/recurrence.h"

/* Prints whole seconds: 2026-04-03T08:15:00Z. */
static void print_occurrence(int64_t instant)
{
    char text[CLOCK_ISO8601_SIZE];

    clock_format_iso8601(text, instant);
    printf("%.*sZ\n", (int) strcspn(text, "."), text);
}

bool cli_schedule_preview(int argc, char **argv, const struct config *config, struct error *err)
{
    const char *rule = NULL;
    const char *time_zone = "UTC";
    struct cli_time start = {.ms = clock_now_ms()};
    int64_t count = 10;
    const struct cli_option options[] = {
        {"--rule", .text = &rule, .required = true},
        {"--time-zone", .text = &time_zone},
        {"--start", .parse = cli_time_parse, .target = &start},
        {"--count", .integer = &count, .min = 1, .max = 10000},
        {0},
    };
    struct recurrence_iterator *iterator;
    struct recurrence *recurrence;
    int64_t instant;

    (void) config;
    if (!cli_parse_options("schedule preview", argc, argv, options, err) || !cli_time_resolve(&start, time_zone, err))
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
