#include "schedule/rule_syntax.h"

#include <string.h>

#include "base/buffer.h"
#include "check.h"
#include "schedule/recurrence_rule.h"

static const struct syntax_case {
    const char *rule;
    const char *refusal; /* NULL: accepted */
} syntax_cases[] = {
    {"FREQ=DAILY", NULL},
    {"freq=daily;Count=1", NULL},
    {"COUNT=1;FREQ=DAILY", NULL},
    {"", "rule must be 1 to 512 characters long"},
    {"FREQ=SECONDLY", "rule: FREQ must be HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY, got \"SECONDLY\""},
    {"FREQ=MINUTELY", "rule: FREQ must be HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY, got \"MINUTELY\""},
    {"FREQ=", "rule: FREQ must be"},
    {"FREQ=DAILY ", "rule: FREQ must be"},
    {"FREQ= DAILY", "rule: FREQ must be"},
    {"FREQ=DAILYX", "rule: FREQ must be"},
    {"FREQ=DAILY=1", "rule: FREQ must be"},
    {"FREQ=DAILY\n", "rule: FREQ must be HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY, got \"DAILY\\x0a\""},
    {"INTERVAL=1", "rule must have FREQ"},
    {"FREQ", "rule must consist of parts such as FREQ=DAILY with a ; between them, got \"FREQ\""},
    {"FREQ=DAILY;", "rule must consist of parts"},
    {";FREQ=DAILY", "rule must consist of parts"},
    {"FREQ=DAILY;;COUNT=1", "rule must consist of parts"},
    {"=DAILY", "rule must have only parts of RFC 5545"},
    {"RRULE:FREQ=DAILY", "rule must have only parts of RFC 5545 such as FREQ, INTERVAL and BYDAY, got \"RRULE:FREQ="},
    {"FREQ=DAILY;X-NAME=1", "rule must have only parts of RFC 5545"},
    {"FREQ=DAILY;RSCALE=GREGORIAN", "rule must have only parts of RFC 5545"},
    {"FREQ=DAILY;SKIP=OMIT", "rule must have only parts of RFC 5545"},
    {"FREQ=DAILY;BYEASTER=1", "rule must have only parts of RFC 5545"},
    {"FREQ=DAILY; COUNT=1", "rule must have only parts of RFC 5545"},
    {"FREQ=DAILY;\tCOUNT=1", "rule must have only parts of RFC 5545"},
    {"every day", "rule must consist of parts"},
    {"FREQ=DAILY\xFF", "rule must be 1 to 512 characters long and UTF-8"},
    {"FREQ=DAILY;FREQ=DAILY", "rule must have FREQ only once"},
    {"FREQ=DAILY;byhour=1;BYHOUR=2", "rule must have BYHOUR only once"},
    /* numbers */
    {"FREQ=DAILY;COUNT=10000", NULL},
    {"FREQ=DAILY;COUNT=10001", "rule: COUNT must be 1 to 10000, got \"10001\""},
    {"FREQ=DAILY;COUNT=0", "rule: COUNT must be 1 to 10000"},
    {"FREQ=DAILY;COUNT=-1", "rule: COUNT must be"},
    {"FREQ=DAILY;COUNT=+1", "rule: COUNT must be"},
    {"FREQ=DAILY;COUNT=", "rule: COUNT must be"},
    {"FREQ=DAILY;COUNT=1x", "rule: COUNT must be"},
    {"FREQ=DAILY;COUNT=1,2", "rule: COUNT must be"},
    {"FREQ=DAILY;COUNT=4294967297", "rule: COUNT must be"},
    {"FREQ=DAILY;COUNT=99999999999999999999", "rule: COUNT must be"},
    {"FREQ=DAILY;INTERVAL=32767", NULL},
    {"FREQ=DAILY;INTERVAL=32768", "rule: INTERVAL must be 1 to 32767, got \"32768\""},
    {"FREQ=DAILY;INTERVAL=65537", "rule: INTERVAL must be"},
    {"FREQ=HOURLY;INTERVAL=2147483647", "rule: INTERVAL must be"},
    {"FREQ=DAILY;INTERVAL=0", "rule: INTERVAL must be"},
    {"FREQ=DAILY;INTERVAL=-1", "rule: INTERVAL must be"},
    {"FREQ=DAILY;INTERVAL=1.5", "rule: INTERVAL must be"},
    /* UNTIL */
    {"FREQ=DAILY;UNTIL=20261231T235959Z", NULL},
    {"FREQ=DAILY;UNTIL=20261231T235960", NULL},
    {"FREQ=DAILY;UNTIL=20240229T000000", NULL},
    {"FREQ=DAILY;UNTIL=99991231T235959Z", NULL},
    {"FREQ=DAILY;UNTIL=00010101T000000Z", NULL},
    {"FREQ=DAILY;UNTIL=20261231", "rule: UNTIL must be a date and a time such as 20261231T235959Z, got \"20261231\""},
    {"FREQ=DAILY;UNTIL=", "rule: UNTIL must be a date and a time such as"},
    {"FREQ=DAILY;UNTIL=20261231T", "rule: UNTIL must be a date and a time such as"},
    {"FREQ=DAILY;UNTIL=20261231T2359", "rule: UNTIL must be a date and a time such as"},
    {"FREQ=DAILY;UNTIL=20261231T235959z", "rule: UNTIL must be a date and a time such as"},
    {"FREQ=DAILY;UNTIL=20261231T235959ZZ", "rule: UNTIL must be a date and a time such as"},
    {"FREQ=DAILY;UNTIL=20261231T235959+", "rule: UNTIL must be a date and a time such as"},
    {"FREQ=DAILY;UNTIL=20261231 235959", "rule: UNTIL must be a date and a time such as"},
    {"FREQ=DAILY;UNTIL=2026-12-31T23:59:59Z", "rule: UNTIL must be a date and a time such as"},
    {"FREQ=DAILY;UNTIL=x0261231T235959Z", "rule: UNTIL must be a date and a time such as"},
    {"FREQ=DAILY;UNTIL=00000101T000000Z", "rule: UNTIL must be a date and a time that exist"},
    {"FREQ=DAILY;UNTIL=20260229T000000", "rule: UNTIL must be a date and a time that exist, got \"20260229T000000\""},
    {"FREQ=DAILY;UNTIL=20260431T000000", "rule: UNTIL must be a date and a time that exist"},
    {"FREQ=DAILY;UNTIL=20260001T000000", "rule: UNTIL must be a date and a time that exist"},
    {"FREQ=DAILY;UNTIL=20261301T000000", "rule: UNTIL must be a date and a time that exist"},
    {"FREQ=DAILY;UNTIL=20260100T000000", "rule: UNTIL must be a date and a time that exist"},
    {"FREQ=DAILY;UNTIL=20260101T240000", "rule: UNTIL must be a date and a time that exist"},
    {"FREQ=DAILY;UNTIL=20260101T006000", "rule: UNTIL must be a date and a time that exist"},
    {"FREQ=DAILY;UNTIL=20260101T000061", "rule: UNTIL must be a date and a time that exist"},
    {"FREQ=DAILY;COUNT=1;UNTIL=20260101T000000", "rule must not have both COUNT and UNTIL"},
    {"FREQ=DAILY;UNTIL=20260101T000000;COUNT=1", "rule must not have both COUNT and UNTIL"},
    /* lists */
    {"FREQ=DAILY;BYSECOND=0,60", NULL},
    {"FREQ=DAILY;BYSECOND=61", "rule: BYSECOND must be 0 to 60, got \"61\""},
    {"FREQ=DAILY;BYSECOND=-1", "rule: BYSECOND must be 0 to 60"},
    {"FREQ=DAILY;BYMINUTE=0,59", NULL},
    {"FREQ=DAILY;BYMINUTE=60", "rule: BYMINUTE must be 0 to 59"},
    {"FREQ=DAILY;BYHOUR=0,23", NULL},
    {"FREQ=DAILY;BYHOUR=24", "rule: BYHOUR must be 0 to 23, got \"24\""},
    {"FREQ=DAILY;BYHOUR=03", NULL},
    {"FREQ=DAILY;BYHOUR=003", "rule: BYHOUR must be 0 to 23"},
    {"FREQ=DAILY;BYHOUR=+3", "rule: BYHOUR must be 0 to 23"},
    {"FREQ=DAILY;BYHOUR=", "rule: BYHOUR must be 0 to 23, got \"\""},
    {"FREQ=DAILY;BYHOUR=1,", "rule: BYHOUR must be 0 to 23"},
    {"FREQ=DAILY;BYHOUR=,1", "rule: BYHOUR must be 0 to 23"},
    {"FREQ=DAILY;BYHOUR=1,,2", "rule: BYHOUR must be 0 to 23"},
    {"FREQ=DAILY;BYHOUR=1, 2", "rule: BYHOUR must be 0 to 23"},
    {"FREQ=DAILY;BYHOUR=1x", "rule: BYHOUR must be 0 to 23"},
    {"FREQ=DAILY;BYMONTH=1,12", NULL},
    {"FREQ=DAILY;BYMONTH=0", "rule: BYMONTH must be 1 to 12"},
    {"FREQ=DAILY;BYMONTH=13", "rule: BYMONTH must be 1 to 12"},
    {"FREQ=DAILY;BYMONTH=5L", "rule: BYMONTH must be 1 to 12"},
    {"FREQ=DAILY;BYMONTH=-1", "rule: BYMONTH must be 1 to 12"},
    {"FREQ=DAILY;BYMONTHDAY=31,-31,+1,-01", NULL},
    {"FREQ=DAILY;BYMONTHDAY=32", "rule: BYMONTHDAY must be 1 to 31 or -31 to -1, got \"32\""},
    {"FREQ=DAILY;BYMONTHDAY=-32", "rule: BYMONTHDAY must be"},
    {"FREQ=DAILY;BYMONTHDAY=0", "rule: BYMONTHDAY must be"},
    {"FREQ=DAILY;BYMONTHDAY=-0", "rule: BYMONTHDAY must be"},
    {"FREQ=DAILY;BYMONTHDAY=--1", "rule: BYMONTHDAY must be"},
    {"FREQ=YEARLY;BYYEARDAY=366,-366,001", NULL},
    {"FREQ=YEARLY;BYYEARDAY=367", "rule: BYYEARDAY must be 1 to 366"},
    {"FREQ=YEARLY;BYYEARDAY=-367", "rule: BYYEARDAY must be"},
    {"FREQ=YEARLY;BYYEARDAY=0", "rule: BYYEARDAY must be"},
    {"FREQ=YEARLY;BYYEARDAY=0001", "rule: BYYEARDAY must be"},
    {"FREQ=YEARLY;BYWEEKNO=53,-53", NULL},
    {"FREQ=YEARLY;BYWEEKNO=54", "rule: BYWEEKNO must be 1 to 53"},
    {"FREQ=YEARLY;BYWEEKNO=0", "rule: BYWEEKNO must be"},
    {"FREQ=DAILY;BYHOUR=1;BYSETPOS=366,-366", NULL},
    {"FREQ=DAILY;BYHOUR=1;BYSETPOS=367", "rule: BYSETPOS must be 1 to 366"},
    {"FREQ=DAILY;BYHOUR=1;BYSETPOS=0", "rule: BYSETPOS must be"},
    {"FREQ=MONTHLY;BYDAY=MO,-1TU,+53we,02TH", NULL},
    {"FREQ=MONTHLY;BYDAY=54MO", "rule: BYDAY must be 1 to 53 or -53 to -1, got \"54MO\""},
    {"FREQ=MONTHLY;BYDAY=0MO", "rule: BYDAY must be 1 to 53"},
    {"FREQ=MONTHLY;BYDAY=255SU", "rule: BYDAY must be 1 to 53"},
    {"FREQ=MONTHLY;BYDAY=257MO", "rule: BYDAY must be 1 to 53"},
    {"FREQ=MONTHLY;BYDAY=-001MO", "rule: BYDAY must be 1 to 53"},
    {"FREQ=MONTHLY;BYDAY=1111111111111MO", "rule: BYDAY must be 1 to 53"},
    {"FREQ=MONTHLY;BYDAY=-MO", "rule: BYDAY must be 1 to 53"},
    {"FREQ=MONTHLY;BYDAY=1 MO", "rule: BYDAY must be 1 to 53"},
    {"FREQ=MONTHLY;BYDAY=", "rule: BYDAY must be MO, TU, WE, TH, FR, SA or SU, with or without a number, got \"\""},
    {"FREQ=MONTHLY;BYDAY=1", "rule: BYDAY must be MO, TU"},
    {"FREQ=MONTHLY;BYDAY=M", "rule: BYDAY must be MO, TU"},
    {"FREQ=MONTHLY;BYDAY=MO, TU", "rule: BYDAY must be 1 to 53"},
    {"FREQ=MONTHLY;BYDAY=MON", "rule: BYDAY must be MO, TU"},
    {"FREQ=MONTHLY;BYDAY=MO,", "rule: BYDAY must be MO, TU"},
    {"FREQ=WEEKLY;WKST=SU", NULL},
    {"FREQ=WEEKLY;WKST=", "rule: WKST must be MO, TU, WE, TH, FR, SA or SU, got \"\""},
    {"FREQ=WEEKLY;WKST=1SU", "rule: WKST must be"},
    {"FREQ=WEEKLY;WKST=SU,MO", "rule: WKST must be"},
    /* parts that do not go together */
    {"FREQ=WEEKLY;BYMONTHDAY=1", "rule must not have BYMONTHDAY with FREQ=WEEKLY"},
    {"FREQ=DAILY;BYYEARDAY=1", "rule must not have BYYEARDAY with FREQ=DAILY"},
    {"FREQ=WEEKLY;BYYEARDAY=1", "rule must not have BYYEARDAY with FREQ=WEEKLY"},
    {"BYYEARDAY=1;FREQ=MONTHLY", "rule must not have BYYEARDAY with FREQ=MONTHLY"},
    {"FREQ=HOURLY;BYYEARDAY=1", NULL},
    {"FREQ=HOURLY;BYMONTHDAY=1", NULL},
    {"FREQ=HOURLY;BYWEEKNO=1", "rule must not have BYWEEKNO with FREQ=HOURLY"},
    {"FREQ=DAILY;BYWEEKNO=1", "rule must not have BYWEEKNO with FREQ=DAILY"},
    {"FREQ=WEEKLY;BYWEEKNO=1", "rule must not have BYWEEKNO with FREQ=WEEKLY"},
    {"FREQ=MONTHLY;BYWEEKNO=1", "rule must not have BYWEEKNO with FREQ=MONTHLY"},
    {"FREQ=HOURLY;BYDAY=1MO", "rule must have a number in BYDAY only with FREQ=MONTHLY or FREQ=YEARLY"},
    {"FREQ=DAILY;BYDAY=-1MO", "rule must have a number in BYDAY only with"},
    {"BYDAY=MO,1MO;FREQ=WEEKLY", "rule must have a number in BYDAY only with"},
    {"FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO", NULL},
    {"FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "rule must not have both a number in BYDAY and BYWEEKNO"},
    {"FREQ=DAILY;BYSETPOS=1", "rule must have BYSETPOS only with another BY part"},
    {"FREQ=DAILY;COUNT=1;WKST=MO;BYSETPOS=1", "rule must have BYSETPOS only with another BY part"},
};

/* What the syntax accepts, libical accepts too. */
static void checks_syntax(const void *row)
{
    const struct syntax_case *c = row;
    struct recurrence_rule rule;
    struct error err;

    if (c->refusal == NULL) {
        check_good(recurrence_rule_parse(c->rule, &rule, &err), &err);
        return;
    }
    assert_false(recurrence_rule_parse(c->rule, &rule, &err));
    check_refusal(&err, ERROR_PARAMETER, c->refusal);
}

static const struct list_case {
    const char *part;
    const char *value;
    int max;
} list_cases[] = {
    {"BYSECOND", "1", 61}, {"BYMINUTE", "1", 60}, {"BYHOUR", "1", 24}, {"BYMONTHDAY", "1", 31}, {"BYWEEKNO", "1", 53},
    {"BYMONTH", "1", 12},
};

/* libical writes beyond the end of an array for a list that is one longer than it. */
static void limits_lists(const void *row)
{
    const struct list_case *c = row;
    struct recurrence_rule rule;
    struct buffer text = {0};
    struct error err;

    buffer_printf(&text, "FREQ=YEARLY;%s=%s", c->part, c->value);
    for (int i = 1; i < c->max; i++)
        buffer_printf(&text, ",%s", c->value);
    check_good(recurrence_rule_parse(buffer_text(&text), &rule, &err), &err);
    buffer_printf(&text, ",%s", c->value);
    assert_false(recurrence_rule_parse(buffer_text(&text), &rule, &err));
    check_refusal(&err, ERROR_PARAMETER, c->part);
    check_refusal(&err, ERROR_PARAMETER, "must have at most");
    buffer_free(&text);
}

/* A list may fill a rule of the greatest length. */
static void limits_length(void)
{
    struct recurrence_rule rule;
    struct buffer text = {0};
    struct error err;

    buffer_append_text(&text, "FREQ=YEARLY;BYYEARDAY=01");
    while (text.length < RULE_MAX_LENGTH)
        buffer_append_text(&text, ",1");
    assert_int_equal(text.length, RULE_MAX_LENGTH);
    check_good(recurrence_rule_parse(buffer_text(&text), &rule, &err), &err);
    assert_true(rule.year_days.from_start[1]);
    buffer_append_text(&text, " ");
    assert_false(recurrence_rule_parse(buffer_text(&text), &rule, &err));
    check_refusal(&err, ERROR_PARAMETER, "rule must be 1 to 512 characters long");
    buffer_free(&text);
}

int main(void)
{
    CHECK_EACH(checks_syntax, syntax_cases, rule);
    CHECK_EACH(limits_lists, list_cases, part);
    CHECK(limits_length);
    return check_run("schedule/rule_syntax");
}
