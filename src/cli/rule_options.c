#include "cli/rule_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

#define MAX_DAY 31

/* Appends a day as in an RRULE. Returns false if it is invalid. */
typedef bool (*append_day)(struct buffer *rule, const char *day);

/* Parses HH:MM, and appends the time. */
static bool append_clock_time(struct buffer *rule, const char *text)
{
    char digits[] = {text[0], text[0] == '\0' ? '\0' : text[1], '\0'};
    int64_t hour, minute;

    if (strlen(text) != strlen("HH:MM") || text[2] != ':' || !text_parse_digits(digits, 2, &hour) || hour > 23
        || !text_parse_digits(text + 3, 2, &minute) || minute > 59)
        return false;
    buffer_printf(rule, ";BYHOUR=%" PRId64 ";BYMINUTE=%" PRId64 ";BYSECOND=0", hour, minute);
    return true;
}

static bool append_weekday(struct buffer *rule, const char *day)
{
    static const struct {
        const char *name, *symbol;
    } days[] = {
        {"mon", "MO"}, {"tue", "TU"}, {"wed", "WE"}, {"thu", "TH"}, {"fri", "FR"}, {"sat", "SA"}, {"sun", "SU"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(days); i++) {
        if (text_equal_ignoring_case(day, days[i].name)) {
            buffer_append_text(rule, days[i].symbol);
            return true;
        }
    }
    return false;
}

static bool append_month_day(struct buffer *rule, const char *day)
{
    bool from_end = *day == '-';
    int64_t number;

    if (!text_parse_digits(day + (from_end ? 1 : 0), 2, &number) || number < 1 || number > MAX_DAY)
        return false;
    buffer_printf(rule, "%s%" PRId64, from_end ? "-" : "", number);
    return true;
}

/* Appends days and a time: DAY,...,HH:MM. */
static bool append_days_and_time(struct buffer *rule, const char *value, append_day append)
{
    char *copy = memory_copy_text(value), *rest = copy, *word = strsep(&rest, ",");
    bool valid = rest != NULL;

    for (const char *separator = ""; valid && rest != NULL; separator = ",") {
        buffer_append_text(rule, separator);
        valid = append(rule, word);
        word = strsep(&rest, ",");
    }
    valid = valid && append_clock_time(rule, word);
    free(copy);
    return valid;
}

/* Sets the target to the content of the buffer, unless an earlier option has set it. */
static const char *set_rule(void *target, struct buffer *rule)
{
    char **text = target;
    const char *broken = NULL;

    if (*text == NULL)
        *text = memory_copy_text(buffer_text(rule));
    else
        broken = "must be the only one of --rule, --daily, --weekly and --monthly";
    buffer_free(rule);
    return broken;
}

/* Frees the buffer and returns the message. */
static const char *reject_rule(struct buffer *rule, const char *broken)
{
    buffer_free(rule);
    return broken;
}

const char *rule_options_rule(const char *value, void *target)
{
    struct buffer rule = {0};

    buffer_append_text(&rule, value);
    return set_rule(target, &rule);
}

const char *rule_options_daily(const char *value, void *target)
{
    struct buffer rule = {0};

    buffer_append_text(&rule, "FREQ=DAILY");
    if (!append_clock_time(&rule, value))
        return reject_rule(&rule, "must be a time from 00:00 to 23:59, such as 03:00");
    return set_rule(target, &rule);
}

const char *rule_options_weekly(const char *value, void *target)
{
    struct buffer rule = {0};

    buffer_append_text(&rule, "FREQ=WEEKLY;BYDAY=");
    if (!append_days_and_time(&rule, value, append_weekday))
        return reject_rule(&rule, "must be days and a time, such as mon,08:00 or mon,wed,08:00");
    return set_rule(target, &rule);
}

const char *rule_options_monthly(const char *value, void *target)
{
    struct buffer rule = {0};

    buffer_append_text(&rule, "FREQ=MONTHLY;BYMONTHDAY=");
    if (!append_days_and_time(&rule, value, append_month_day))
        return reject_rule(&rule, "must be days from 1 to 31 or -1 (the last day) to -31 and a time, such as 1,06:00 or"
                           " 1,15,06:00");
    return set_rule(target, &rule);
}
