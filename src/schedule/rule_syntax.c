#include "schedule/rule_syntax.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"
#include "base/memory.h"
#include "base/text.h"
#include "schedule/recurrence_rule.h"

#define ALL_FREQUENCIES 0x1F
#define ONLY(frequency) (1U << (frequency))

static const char *const frequency_names[] = {
    [RULE_HOURLY] = "HOURLY",   [RULE_DAILY] = "DAILY",   [RULE_WEEKLY] = "WEEKLY",
    [RULE_MONTHLY] = "MONTHLY", [RULE_YEARLY] = "YEARLY",
};

static const char *const weekday_names[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};

enum part_kind {
    PART_FREQUENCY,
    PART_NUMBER,
    PART_UNTIL,
    PART_WEEKDAY,
    PART_NUMBERS,  /* a list */
    PART_WEEKDAYS, /* a list of weekdays, with or without numbers */
};

enum part_id {
    FREQ, COUNT, UNTIL, INTERVAL, WKST, BYSECOND, BYMINUTE, BYHOUR, BYDAY, BYMONTHDAY, BYYEARDAY, BYWEEKNO, BYMONTH,
    BYSETPOS,
    PART_COUNT
};

static const struct part {
    const char *name;
    enum part_kind kind;
    int min, max;         /* of the numbers; -max to -1 too if is_signed */
    bool is_signed;
    int max_values;       /* of a list; below the size of libical's array, because libical writes beyond its end */
    unsigned frequencies; /* that may have the part */
} parts[PART_COUNT] = {
    [FREQ] = {"FREQ", PART_FREQUENCY, 0, 0, false, 0, ALL_FREQUENCIES},
    [COUNT] = {"COUNT", PART_NUMBER, 1, RULE_MAX_COUNT, false, 0, ALL_FREQUENCIES},
    [UNTIL] = {"UNTIL", PART_UNTIL, 0, 0, false, 0, ALL_FREQUENCIES},
    [INTERVAL] = {"INTERVAL", PART_NUMBER, 1, 32767, false, 0, ALL_FREQUENCIES},
    [WKST] = {"WKST", PART_WEEKDAY, 0, 0, false, 0, ALL_FREQUENCIES},
    [BYSECOND] = {"BYSECOND", PART_NUMBERS, 0, 60, false, 61, ALL_FREQUENCIES},
    [BYMINUTE] = {"BYMINUTE", PART_NUMBERS, 0, 59, false, 60, ALL_FREQUENCIES},
    [BYHOUR] = {"BYHOUR", PART_NUMBERS, 0, 23, false, 24, ALL_FREQUENCIES},
    [BYDAY] = {"BYDAY", PART_WEEKDAYS, 1, 53, true, 371, ALL_FREQUENCIES},
    [BYMONTHDAY] = {"BYMONTHDAY", PART_NUMBERS, 1, 31, true, 31, ALL_FREQUENCIES & ~ONLY(RULE_WEEKLY)},
    [BYYEARDAY] = {"BYYEARDAY", PART_NUMBERS, 1, 366, true, 366, ONLY(RULE_HOURLY) | ONLY(RULE_YEARLY)},
    [BYWEEKNO] = {"BYWEEKNO", PART_NUMBERS, 1, 53, true, 53, ONLY(RULE_YEARLY)},
    [BYMONTH] = {"BYMONTH", PART_NUMBERS, 1, 12, false, 12, ALL_FREQUENCIES},
    [BYSETPOS] = {"BYSETPOS", PART_NUMBERS, 1, 366, true, 366, ALL_FREQUENCIES},
};

/* What the parts so far have, for the checks of several parts. */
struct syntax {
    bool is_given[PART_COUNT];
    int frequency;
    bool has_numbered_weekday;
};

static bool refuse_value(const struct part *part, const char *reason, const char *value, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    return error_set(err, ERROR_PARAMETER, "rule: %s %s, got %s", part->name, reason,
                     text_excerpt(excerpt, value, strlen(value)));
}

static int find_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal_ignoring_case(names[i], name))
            return (int) i;
    }
    return -1;
}

static bool is_weekday(const char *name)
{
    return find_name(weekday_names, ARRAY_SIZE(weekday_names), name) >= 0;
}

/* Whether the text is a number of the part: of a list, with at most as many digits as RFC 5545 allows. */
static bool is_number_of(const struct part *part, const char *text)
{
    size_t digits = part->kind == PART_NUMBER ? 18 : part->max > 99 ? 3 : 2;
    int64_t number;

    if (part->is_signed && (*text == '+' || *text == '-'))
        text++;
    return text_parse_digits(text, digits, &number) && number >= part->min && number <= part->max;
}

static bool refuse_number(const struct part *part, const char *value, struct error *err)
{
    char reason[80];

    if (part->is_signed)
        snprintf(reason, sizeof(reason), "must be %d to %d or -%d to -%d", part->min, part->max, part->max,
                 part->min);
    else
        snprintf(reason, sizeof(reason), "must be %d to %d", part->min, part->max);
    return refuse_value(part, reason, value, err);
}

static bool check_weekday_value(const struct part *part, struct syntax *syntax, char *value, struct error *err)
{
    size_t length = strlen(value);
    const char *name = length < 2 ? value : value + length - 2;
    char number[8];

    if (!is_weekday(name))
        return refuse_value(part, "must be MO, TU, WE, TH, FR, SA or SU, with or without a number", value, err);
    if (length == 2)
        return true;
    syntax->has_numbered_weekday = true;
    snprintf(number, sizeof(number), "%.*s", (int) (length > 8 ? 8 : length) - 2, value);
    return is_number_of(part, number) || refuse_number(part, value, err);
}

static bool check_list(const struct part *part, struct syntax *syntax, char *list, struct error *err)
{
    int count = 0;

    for (char *value = list, *next; value != NULL; value = next) {
        next = strchr(value, ',');
        if (next != NULL)
            *next++ = '\0';
        if (part->kind == PART_WEEKDAYS ? !check_weekday_value(part, syntax, value, err)
                                        : !is_number_of(part, value) && !refuse_number(part, value, err))
            return false;
        if (++count > part->max_values)
            return error_set(err, ERROR_PARAMETER, "rule: %s must have at most %d values", part->name,
                             part->max_values);
    }
    return true;
}

/* Reads two digits of a time. */
static int two_digits(const char *text)
{
    return (text[0] - '0') * 10 + text[1] - '0';
}

/* Checks a DATE-TIME with or without Z (RFC 5545 section 3.3.5). A DATE is refused, because DTSTART has a time. */
static bool check_until(const struct part *part, const char *value, struct error *err)
{
    static const char form[] = "00000000T000000";
    size_t length = strlen(value);
    bool has_form = length == sizeof(form) - 1 || (length == sizeof(form) && value[length - 1] == 'Z');
    int year, month, day;

    for (size_t i = 0; has_form && i < sizeof(form) - 1; i++)
        has_form = form[i] == '0' ? isdigit((unsigned char) value[i]) : value[i] == form[i];
    if (!has_form)
        return refuse_value(part, "must be a date and a time such as 20261231T235959Z", value, err);
    year = two_digits(value) * 100 + two_digits(value + 2);
    month = two_digits(value + 4);
    day = two_digits(value + 6);
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > calendar_month_length(year, month)
        || two_digits(value + 9) > 23 || two_digits(value + 11) > 59 || two_digits(value + 13) > 60)
        return refuse_value(part, "must be a date and a time that exist", value, err);
    return true;
}

static bool check_frequency(const struct part *part, struct syntax *syntax, const char *value, struct error *err)
{
    syntax->frequency = find_name(frequency_names, ARRAY_SIZE(frequency_names), value);
    return syntax->frequency >= 0
           || refuse_value(part, "must be HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY", value, err);
}

static bool check_part_value(const struct part *part, struct syntax *syntax, char *value, struct error *err)
{
    switch (part->kind) {
    case PART_FREQUENCY:
        return check_frequency(part, syntax, value, err);
    case PART_NUMBER:
        return is_number_of(part, value) || refuse_number(part, value, err);
    case PART_UNTIL:
        return check_until(part, value, err);
    case PART_WEEKDAY:
        return is_weekday(value) || refuse_value(part, "must be MO, TU, WE, TH, FR, SA or SU", value, err);
    case PART_NUMBERS:
    case PART_WEEKDAYS:
        break;
    }
    return check_list(part, syntax, value, err);
}

/* Checks NAME=VALUE. */
static bool check_part(struct syntax *syntax, char *text, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];
    char *value = strchr(text, '=');
    size_t id = 0;

    text_excerpt(excerpt, text, strlen(text));
    if (value == NULL)
        return error_set(err, ERROR_PARAMETER,
                         "rule must consist of parts such as FREQ=DAILY with a ; between them, got %s", excerpt);
    *value++ = '\0';
    while (id < PART_COUNT && !text_equal_ignoring_case(parts[id].name, text))
        id++;
    if (id == PART_COUNT)
        return error_set(err, ERROR_PARAMETER,
                         "rule must have only parts of RFC 5545 such as FREQ, INTERVAL and BYDAY, got %s", excerpt);
    if (syntax->is_given[id])
        return error_set(err, ERROR_PARAMETER, "rule must have %s only once", parts[id].name);
    syntax->is_given[id] = true;
    return check_part_value(&parts[id], syntax, value, err);
}

/* Checks which parts go together (RFC 5545 section 3.3.10). */
static bool check_combination(const struct syntax *syntax, struct error *err)
{
    bool has_other_list = false;

    if (!syntax->is_given[FREQ])
        return error_set(err, ERROR_PARAMETER, "rule must have FREQ");
    for (size_t id = 0; id < PART_COUNT; id++) {
        if (syntax->is_given[id] && (parts[id].frequencies & ONLY(syntax->frequency)) == 0)
            return error_set(err, ERROR_PARAMETER, "rule must not have %s with FREQ=%s", parts[id].name,
                             frequency_names[syntax->frequency]);
        if (syntax->is_given[id] && parts[id].max_values > 0 && id != BYSETPOS)
            has_other_list = true;
    }
    if (syntax->is_given[COUNT] && syntax->is_given[UNTIL])
        return error_set(err, ERROR_PARAMETER, "rule must not have both COUNT and UNTIL");
    if (syntax->is_given[BYSETPOS] && !has_other_list)
        return error_set(err, ERROR_PARAMETER, "rule must have BYSETPOS only with another BY part");
    if (syntax->has_numbered_weekday && syntax->frequency != RULE_MONTHLY && syntax->frequency != RULE_YEARLY)
        return error_set(err, ERROR_PARAMETER,
                         "rule must have a number in BYDAY only with FREQ=MONTHLY or FREQ=YEARLY");
    if (syntax->has_numbered_weekday && syntax->is_given[BYWEEKNO])
        return error_set(err, ERROR_PARAMETER, "rule must not have both a number in BYDAY and BYWEEKNO");
    return true;
}

bool rule_syntax_check(const char *rule, struct error *err)
{
    struct syntax syntax = {.frequency = -1};
    bool is_good = true;
    size_t count;
    char *copy;

    if (!text_utf8_count(rule, strlen(rule), &count) || count < 1 || count > RULE_MAX_LENGTH)
        return error_set(err, ERROR_PARAMETER, "rule must be 1 to %d characters long and UTF-8", RULE_MAX_LENGTH);
    copy = memory_copy_text(rule);
    for (char *part = copy, *next; is_good && part != NULL; part = next) {
        next = strchr(part, ';');
        if (next != NULL)
            *next++ = '\0';
        is_good = check_part(&syntax, part, err);
    }
    free(copy);
    return is_good && check_combination(&syntax, err);
}
