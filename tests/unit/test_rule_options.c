/* The rules that --rule, --daily, --weekly and --monthly stand for. */
#include "cli/rule_options.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

#define TIME_RULE "must be a time from 00:00 to 23:59"
#define WEEK_RULE "must be days and a time, such as mon,08:00 or mon,wed,08:00"
#define MONTH_RULE "must be days from 1 to 31 or -1 (the last day) to -31 and a time"

static const struct rule_case {
    const char *label;
    const char *(*parse)(const char *value, void *target);
    const char *value;
    const char *rule;
    const char *refusal; /* part of it; NULL: the value is good */
} rule_cases[] = {
    {"rule", rule_options_rule, "FREQ=YEARLY", "FREQ=YEARLY", NULL},
    {"rule, checked later", rule_options_rule, "nonsense", "nonsense", NULL},
    {"rule, empty", rule_options_rule, "", "", NULL},
    {"daily", rule_options_daily, "03:00", "FREQ=DAILY;BYHOUR=3;BYMINUTE=0;BYSECOND=0", NULL},
    {"daily, first minute", rule_options_daily, "00:00", "FREQ=DAILY;BYHOUR=0;BYMINUTE=0;BYSECOND=0", NULL},
    {"daily, last minute", rule_options_daily, "23:59", "FREQ=DAILY;BYHOUR=23;BYMINUTE=59;BYSECOND=0", NULL},
    {"daily, hour 24", rule_options_daily, "24:00", NULL, TIME_RULE},
    {"daily, minute 60", rule_options_daily, "23:60", NULL, TIME_RULE},
    {"daily, empty", rule_options_daily, "", NULL, TIME_RULE},
    {"daily, one digit", rule_options_daily, "3", NULL, TIME_RULE},
    {"daily, no minute", rule_options_daily, "03:", NULL, TIME_RULE},
    {"daily, short hour", rule_options_daily, "3:00", NULL, TIME_RULE},
    {"daily, short minute", rule_options_daily, "03:0", NULL, TIME_RULE},
    {"daily, seconds", rule_options_daily, "03:00:00", NULL, TIME_RULE},
    {"daily, no colon", rule_options_daily, "03.00", NULL, TIME_RULE},
    {"daily, sign", rule_options_daily, "+3:00", NULL, TIME_RULE},
    {"daily, sign of the minute", rule_options_daily, "03:-1", NULL, TIME_RULE},
    {"daily, another rule", rule_options_daily, "03:00;COUNT=1", NULL, TIME_RULE},
    {"weekly", rule_options_weekly, "mon,08:00", "FREQ=WEEKLY;BYDAY=MO;BYHOUR=8;BYMINUTE=0;BYSECOND=0", NULL},
    {"weekly, two days", rule_options_weekly, "mon,wed,08:05",
     "FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=8;BYMINUTE=5;BYSECOND=0", NULL},
    {"weekly, all days", rule_options_weekly, "sun,mon,tue,wed,thu,fri,sat,00:00",
     "FREQ=WEEKLY;BYDAY=SU,MO,TU,WE,TH,FR,SA;BYHOUR=0;BYMINUTE=0;BYSECOND=0", NULL},
    {"weekly, upper case", rule_options_weekly, "Fri,17:30", "FREQ=WEEKLY;BYDAY=FR;BYHOUR=17;BYMINUTE=30;BYSECOND=0",
     NULL},
    {"weekly, no day", rule_options_weekly, "08:00", NULL, WEEK_RULE},
    {"weekly, no time", rule_options_weekly, "mon", NULL, WEEK_RULE},
    {"weekly, two days and no time", rule_options_weekly, "mon,tue", NULL, WEEK_RULE},
    {"weekly, empty", rule_options_weekly, "", NULL, WEEK_RULE},
    {"weekly, empty day", rule_options_weekly, ",08:00", NULL, WEEK_RULE},
    {"weekly, empty time", rule_options_weekly, "mon,", NULL, WEEK_RULE},
    {"weekly, day of an RRULE", rule_options_weekly, "mo,08:00", NULL, WEEK_RULE},
    {"weekly, whole name", rule_options_weekly, "monday,08:00", NULL, WEEK_RULE},
    {"weekly, bad time", rule_options_weekly, "mon,8:00", NULL, WEEK_RULE},
    {"weekly, space", rule_options_weekly, "mon, 08:00", NULL, WEEK_RULE},
    {"weekly, time before the day", rule_options_weekly, "08:00,mon", NULL, WEEK_RULE},
    {"monthly", rule_options_monthly, "1,06:00", "FREQ=MONTHLY;BYMONTHDAY=1;BYHOUR=6;BYMINUTE=0;BYSECOND=0", NULL},
    {"monthly, last day", rule_options_monthly, "-1,06:00",
     "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=6;BYMINUTE=0;BYSECOND=0", NULL},
    {"monthly, several days", rule_options_monthly, "1,15,31,-31,06:00",
     "FREQ=MONTHLY;BYMONTHDAY=1,15,31,-31;BYHOUR=6;BYMINUTE=0;BYSECOND=0", NULL},
    {"monthly, zeros", rule_options_monthly, "01,06:00", "FREQ=MONTHLY;BYMONTHDAY=1;BYHOUR=6;BYMINUTE=0;BYSECOND=0",
     NULL},
    {"monthly, day 0", rule_options_monthly, "0,06:00", NULL, MONTH_RULE},
    {"monthly, day 32", rule_options_monthly, "32,06:00", NULL, MONTH_RULE},
    {"monthly, day -32", rule_options_monthly, "-32,06:00", NULL, MONTH_RULE},
    {"monthly, day -0", rule_options_monthly, "-0,06:00", NULL, MONTH_RULE},
    {"monthly, two signs", rule_options_monthly, "--1,06:00", NULL, MONTH_RULE},
    {"monthly, plus", rule_options_monthly, "+1,06:00", NULL, MONTH_RULE},
    {"monthly, name of a day", rule_options_monthly, "mon,06:00", NULL, MONTH_RULE},
    {"monthly, no day", rule_options_monthly, "06:00", NULL, MONTH_RULE},
    {"monthly, no time", rule_options_monthly, "1", NULL, MONTH_RULE},
};

static void builds(const void *row)
{
    const struct rule_case *c = row;
    char *rule = NULL;
    const char *refusal = c->parse(c->value, &rule);

    if (c->refusal == NULL) {
        assert_null(refusal);
        assert_string_equal(rule, c->rule);
    } else {
        assert_non_null(refusal);
        assert_non_null(strstr(refusal, c->refusal));
        assert_null(rule);
    }
    free(rule);
}

/* A second rule does not replace the first one. */
static void there_is_one_rule(void)
{
    const char *only = "must be the only one of --rule, --daily, --weekly and --monthly";
    char *rule = NULL;

    assert_null(rule_options_daily("03:00", &rule));
    assert_string_equal(rule_options_daily("03:00", &rule), only);
    assert_string_equal(rule_options_weekly("mon,08:00", &rule), only);
    assert_string_equal(rule_options_monthly("1,06:00", &rule), only);
    assert_string_equal(rule_options_rule("FREQ=YEARLY", &rule), only);
    assert_string_equal(rule, "FREQ=DAILY;BYHOUR=3;BYMINUTE=0;BYSECOND=0");
    free(rule);
}

int main(void)
{
    CHECK_EACH(builds, rule_cases, label);
    CHECK(there_is_one_rule);
    return check_run("cli/rule_options");
}
