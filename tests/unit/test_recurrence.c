#include "schedule/recurrence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/calendar.h"
#include "base/clock.h"
#include "base/time_zone.h"
#include "check.h"
#include "schedule/year_days.h"

/* The work of an expansion, counted instead of timed. */
static int years_matched, times_converted;

void __real_year_days_match(const struct recurrence_rule *rule, int year, bool *matches);
void __wrap_year_days_match(const struct recurrence_rule *rule, int year, bool *matches);
void __wrap_year_days_match(const struct recurrence_rule *rule, int year, bool *matches)
{
    years_matched++;
    __real_year_days_match(rule, year, matches);
}

int64_t __real_time_zone_from_local(const struct time_zone *zone, int64_t local, bool *ret_skipped);
int64_t __wrap_time_zone_from_local(const struct time_zone *zone, int64_t local, bool *ret_skipped);
int64_t __wrap_time_zone_from_local(const struct time_zone *zone, int64_t local, bool *ret_skipped)
{
    times_converted++;
    return __real_time_zone_from_local(zone, local, ret_skipped);
}

/* Reads 20260403, 20260403T0815 or 20260403T081500 as milliseconds. Without a time, it is 09:00. */
static int64_t parse_time(const char *text)
{
    int year, month, day, hour = 9, minute = 0, second = 0;
    char one[16];

    snprintf(one, sizeof(one), "%.*s", (int) strcspn(text, " "), text);
    assert_true(sscanf(one, "%4d%2d%2dT%2d%2d%2d", &year, &month, &day, &hour, &minute, &second) >= 3);
    return (calendar_day(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000;
}

static struct recurrence *parse(const char *rule, const char *zone, int64_t start)
{
    struct error err;
    struct recurrence *recurrence = recurrence_parse(rule, zone, start, &err);

    check_good(recurrence != NULL, &err);
    return recurrence;
}

/* Compares the occurrences from `from` on with those of a list of times, to its end. Returns their number. */
static int check_list(const struct recurrence *recurrence, const struct time_zone *zone, int64_t from, const char *list)
{
    struct recurrence_iterator *iterator = recurrence_begin(recurrence, from);
    char want[CLOCK_ISO8601_SIZE], got[CLOCK_ISO8601_SIZE];
    int count = 0;

    for (const char *at = list; at != NULL && *at != '\0'; at = strchr(at, ' '), count++) {
        int64_t instant;

        at += *at == ' ' ? 1 : 0;
        clock_format_iso8601(want, parse_time(at));
        if (!recurrence_step(iterator, &instant))
            check_fail("%s is missing", want);
        clock_format_iso8601(got, time_zone_to_local(zone, instant));
        if (strcmp(got, want) != 0)
            check_fail("%s instead of %s", got, want);
    }
    recurrence_end(iterator);
    return count;
}

/* The examples of RFC 5545 section 3.8.5.3, except those of MINUTELY, which is refused. */
static const struct example {
    const char *rule;
    const char *start; /* in New York, like the occurrences */
    int count;         /* of all occurrences; -1: there is no end */
    const char *first;
} examples[] = {
    {"FREQ=DAILY;COUNT=10", "19970902", 10,
     "19970902 19970903 19970904 19970905 19970906 19970907 19970908 19970909 19970910 "
     "19970911"},
    {"FREQ=DAILY;UNTIL=19971224T000000Z", "19970902", 113,
     "19970902 19970903 19970904 19970905 19970906 19970907 19970908"},
    {"FREQ=DAILY;INTERVAL=2", "19970902", -1,
     "19970902 19970904 19970906 19970908 19970910 19970912 19970914"},
    {"FREQ=DAILY;INTERVAL=10;COUNT=5", "19970902", 5,
     "19970902 19970912 19970922 19971002 19971012"},
    {"FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", "19980101", 93,
     "19980101 19980102 19980103 19980104 19980105 19980106 19980107"},
    {"FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", "19980101", 93,
     "19980101 19980102 19980103 19980104 19980105 19980106 19980107"},
    {"FREQ=WEEKLY;COUNT=10", "19970902", 10,
     "19970902 19970909 19970916 19970923 19970930 19971007 19971014 19971021 19971028 "
     "19971104"},
    {"FREQ=WEEKLY;UNTIL=19971224T000000Z", "19970902", 17,
     "19970902 19970909 19970916 19970923 19970930 19971007 19971014"},
    {"FREQ=WEEKLY;INTERVAL=2;WKST=SU", "19970902", -1,
     "19970902 19970916 19970930 19971014 19971028 19971111 19971125"},
    {"FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH", "19970902", 10,
     "19970902 19970904 19970909 19970911 19970916 19970918 19970923 19970925 19970930 "
     "19971002"},
    {"FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "19970902", 10,
     "19970902 19970904 19970909 19970911 19970916 19970918 19970923 19970925 19970930 "
     "19971002"},
    {"FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR", "19970901", 25,
     "19970901 19970903 19970905 19970915 19970917 19970919 19970929"},
    {"FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "19970902", 8,
     "19970902 19970904 19970916 19970918 19970930 19971002 19971014 19971016"},
    {"FREQ=MONTHLY;COUNT=10;BYDAY=1FR", "19970905", 10,
     "19970905 19971003 19971107 19971205 19980102 19980206 19980306 19980403 19980501 "
     "19980605"},
    {"FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "19970905", 4,
     "19970905 19971003 19971107 19971205"},
    {"FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU", "19970907", 10,
     "19970907 19970928 19971102 19971130 19980104 19980125 19980301 19980329 19980503 "
     "19980531"},
    {"FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "19970922", 6,
     "19970922 19971020 19971117 19971222 19980119 19980216"},
    {"FREQ=MONTHLY;BYMONTHDAY=-3", "19970928", -1,
     "19970928 19971029 19971128 19971229 19980129 19980226 19980329"},
    {"FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15", "19970902", 10,
     "19970902 19970915 19971002 19971015 19971102 19971115 19971202 19971215 19980102 "
     "19980115"},
    {"FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1", "19970930", 10,
     "19970930 19971001 19971031 19971101 19971130 19971201 19971231 19980101 19980131 "
     "19980201"},
    {"FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15", "19970910", 10,
     "19970910 19970911 19970912 19970913 19970914 19970915 19990310 19990311 19990312 "
     "19990313"},
    {"FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", "19970902", -1,
     "19970902 19970909 19970916 19970923 19970930 19971104 19971111"},
    {"FREQ=YEARLY;COUNT=10;BYMONTH=6,7", "19970610", 10,
     "19970610 19970710 19980610 19980710 19990610 19990710 20000610 20000710 20010610 "
     "20010710"},
    {"FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3", "19970310", 10,
     "19970310 19990110 19990210 19990310 20010110 20010210 20010310 20030110 20030210 "
     "20030310"},
    {"FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", "19970101", 10,
     "19970101 19970410 19970719 20000101 20000409 20000718 20030101 20030410 20030719 "
     "20060101"},
    {"FREQ=YEARLY;BYDAY=20MO", "19970519", -1,
     "19970519 19980518 19990517 20000515 20010514 20020520 20030519"},
    {"FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "19970512", -1,
     "19970512 19980511 19990517 20000515 20010514 20020513 20030512"},
    {"FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "19970313", -1,
     "19970313 19970320 19970327 19980305 19980312 19980319 19980326"},
    {"FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", "19970605", -1,
     "19970605 19970612 19970619 19970626 19970703 19970710 19970717"},
    {"FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "19970902", -1,
     "19980213 19980313 19981113 19990813 20001013 20010413 20010713"},
    {"FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", "19970913", -1,
     "19970913 19971011 19971108 19971213 19980110 19980207 19980307"},
    {"FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", "19961105", -1,
     "19961105 20001107 20041102 20081104 20121106 20161108 20201103"},
    {"FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "19970904", 3,
     "19970904 19971007 19971106"},
    {"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "19970929", -1,
     "19970929 19971030 19971127 19971230 19980129 19980226 19980330"},
    {"FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z", "19970902", 2,
     "19970902 19970902T1200"},
    {"FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40", "19970902", -1,
     "19970902 19970902T0920 19970902T0940 19970902T1000 19970902T1020 19970902T1040 "
     "19970902T1100"},
    {"FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "19970805", 4,
     "19970805 19970810 19970819 19970824"},
    {"FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "19970805", 4,
     "19970805 19970817 19970819 19970831"},
    {"FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "20070115", 5,
     "20070115 20070130 20070215 20070315 20070330"},
};

static void follows_examples(const void *row)
{
    const struct example *c = row;
    struct error err;
    struct time_zone *zone = time_zone_open("America/New_York", &err);
    int64_t start = time_zone_from_local(zone, parse_time(c->start), NULL);
    struct recurrence *recurrence = parse(c->rule, "America/New_York", start);
    int64_t newest;

    check_list(recurrence, zone, start, c->first);
    if (c->count >= 0)
        assert_int_equal(recurrence_count(recurrence, 0, CALENDAR_MAX_MS, &newest), c->count);
    recurrence_free(recurrence);
    time_zone_close(zone);
}

/* What the examples do not show. All times are in UTC. */
static const struct expansion {
    const char *rule;
    const char *start;
    const char *first;
} expansions[] = {
    /* parts that the start gives */
    {"FREQ=YEARLY", "20240229", "20240229 20280229 20320229"},
    {"FREQ=MONTHLY", "20260131", "20260131 20260331 20260531"},
    {"FREQ=YEARLY;BYMONTH=2,3", "20260130", "20260330 20270330"},
    {"FREQ=YEARLY;BYMONTHDAY=31", "20260110", "20260131 20260331 20260531"},
    {"FREQ=YEARLY;BYWEEKNO=2", "20260403", "20270115 20280114 20290112"},
    {"FREQ=YEARLY;BYWEEKNO=2;BYMONTHDAY=12,13", "20260403", "20270112 20270113 20280112 20280113"},
    {"FREQ=YEARLY;BYWEEKNO=2;BYYEARDAY=11,12", "20260403", "20270111 20270112 20280111 20280112"},
    {"FREQ=HOURLY;BYMINUTE=5,10", "20260403T081530", "20260403T090530 20260403T091030 20260403T100530"},
    {"FREQ=DAILY;BYHOUR=7", "20260403T081530", "20260404T071530 20260405T071530"},
    /* a start that does not match does not count */
    {"FREQ=DAILY;COUNT=2;BYHOUR=7", "20260403T0815", "20260404T0715 20260405T0715"},
    /* weeks at the ends of a year: those of 2026 and 2032 have 53, and week 1 of 2025 begins in 2024 */
    {"FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU,MO", "20260101", "20261228 20270103 20321227 20330102"},
    {"FREQ=YEARLY;BYWEEKNO=-1;BYDAY=SU,MO", "20260601", "20261228 20270103 20271227 20280102"},
    {"FREQ=YEARLY;BYWEEKNO=1;BYDAY=SU,MO", "20240601", "20241230 20250105 20251229 20260104 20270104"},
    {"FREQ=YEARLY;BYWEEKNO=-52;BYDAY=MO", "20240601", "20241230 20260105"},
    {"FREQ=YEARLY;BYWEEKNO=-53;BYDAY=MO", "20240601", "20251229 20311229"},
    {"FREQ=YEARLY;BYWEEKNO=1;BYDAY=SU;WKST=SU", "20260601", "20270103 20280102 20281231 20291230"},
    /* numbers in BYDAY count within the year, or within the months of BYMONTH */
    {"FREQ=YEARLY;BYDAY=-1MO", "20260101", "20261228 20271227"},
    {"FREQ=YEARLY;BYDAY=53TH,1MO", "20260101", "20260105 20261231 20270104 20280103"},
    {"FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU", "20260101", "20260329 20261025 20270328"},
    {"FREQ=YEARLY;BYDAY=10MO;BYMONTHDAY=9", "20260101", "20260309 20370309"},
    {"FREQ=MONTHLY;BYDAY=5FR", "20260101", "20260130 20260529 20260731"},
    {"FREQ=MONTHLY;BYDAY=1FR,MO", "20260401", "20260403 20260406 20260413 20260420 20260427 20260501"},
    {"FREQ=MONTHLY;BYDAY=+1FR,-1FR", "20260401", "20260403 20260424 20260501 20260529"},
    /* parts that limit */
    {"FREQ=WEEKLY;BYDAY=MO,FR;BYMONTH=5", "20260401", "20260501 20260504 20260508"},
    {"FREQ=DAILY;BYMONTHDAY=-1,-31", "20260401", "20260430 20260501 20260531 20260630"},
    {"FREQ=HOURLY;BYYEARDAY=-1;BYHOUR=22,23;BYMINUTE=0", "20260401", "20261231T2200 20261231T2300 20271231T2200"},
    {"FREQ=YEARLY;BYYEARDAY=366", "20260401", "20281231 20321231"},
    {"FREQ=YEARLY;BYYEARDAY=-366", "20260401", "20280101 20320101"},
    {"FREQ=YEARLY;BYYEARDAY=60;BYMONTH=2", "20260401", "20280229 20320229"},
    /* intervals */
    {"FREQ=HOURLY;INTERVAL=5;BYHOUR=9", "20260401", "20260401 20260406 20260411"},
    {"FREQ=DAILY;INTERVAL=32767", "20260401", "20260401 21151218 22050904"},
    {"FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=1", "20261101", "20261101 20270401 20270901 20280201"},
    {"FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO", "20260403", "20260405 20260413 20260419"},
    {"FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU", "20260403", "20260412 20260413 20260426"},
    {"FREQ=WEEKLY;BYDAY=SU,MO;WKST=SU;BYSETPOS=-1", "19700101T0000", "19700105T0000 19700112T0000"},
    /* BYSETPOS counts times, from the start of the period and each once */
    {"FREQ=DAILY;BYHOUR=8,12,16;BYMINUTE=0,30;BYSETPOS=2,-2,5", "20260401",
     "20260401T1600 20260402T0830 20260402T1600"},
    {"FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=2", "20260403", "20260408 20260415"},
    {"FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=3", "20260402", "20260403 20260410"},
    {"FREQ=MONTHLY;BYMONTHDAY=1,29,30;BYSETPOS=-1,3", "20260201", "20260201 20260330 20260430"},
    {"FREQ=MONTHLY;BYMONTHDAY=1,2,3;BYSETPOS=-1,3,3,+3", "20260201", "20260203 20260303"},
    {"FREQ=HOURLY;BYMINUTE=1,2,3;BYSETPOS=-1", "20260401", "20260401T0903 20260401T1003"},
    {"FREQ=YEARLY;BYDAY=MO,TU;BYMONTH=4;BYSETPOS=1", "20260401", "20260406 20270405"},
    /* a second 60 is the second before (RFC 5545 section 3.3.12) */
    {"FREQ=DAILY;BYSECOND=58,59,60", "20260401", "20260401T090058 20260401T090059 20260402T090058"},
    {"FREQ=DAILY;BYHOUR=9;BYMINUTE=59;BYSECOND=60", "20260401", "20260401T095959 20260402T095959"},
    {"FREQ=HOURLY;UNTIL=20260401T100060", "20260401T090059", "20260401T090059 20260401T100059"},
    {"FREQ=HOURLY;BYMINUTE=0,1;UNTIL=20260401T100060", "20260401", "20260401T0900 20260401T0901 20260401T1000"},
    {"FREQ=DAILY;BYHOUR=9;BYSETPOS=1,-1;COUNT=2", "20260401", "20260401 20260402"},
    {"FREQ=DAILY;UNTIL=20260402T090000", "20260401", "20260401 20260402"},
    {"FREQ=DAILY;UNTIL=20260402T085959", "20260401", "20260401"},
    {"freq=weekly;byday=mo,Fr;Wkst=su", "20260401", "20260403 20260406"},
    {"BYDAY=FR;COUNT=1;FREQ=WEEKLY", "20260401", "20260403"},
    {"FREQ=YEARLY", "99980501", "99980501 99990501"},
    {"FREQ=DAILY", "99991231", "99991231"},
    {"FREQ=HOURLY;BYMINUTE=59;BYSECOND=59", "99991231T235959", "99991231T235959"},
};

static void expands(const void *row)
{
    const struct expansion *c = row;
    struct error err;
    struct time_zone *utc = time_zone_open("UTC", &err);
    int64_t start = parse_time(c->start);
    struct recurrence *recurrence = parse(c->rule, "UTC", start);
    int64_t newest;
    int listed = check_list(recurrence, utc, start, c->first);

    if (strstr(c->rule, "COUNT=") != NULL || strstr(c->rule, "UNTIL=") != NULL || strncmp(c->start, "9999", 4) == 0)
        assert_int_equal(recurrence_count(recurrence, 0, CALENDAR_MAX_MS, &newest), listed);
    recurrence_free(recurrence);
    time_zone_close(utc);
}

/* Occurrences near changes of the clock, in UTC. */
static const struct clock_case {
    const char *label;
    const char *rule, *zone;
    const char *start; /* in UTC */
    const char *first;
} clock_cases[] = {
    {"a skipped time occurs at the old offset, on that day only", "FREQ=DAILY", "Europe/Berlin", "20260328T0130",
     "20260328T0130 20260329T0130 20260330T0030 20260331T0030"},
    {"a time that occurs twice is the first", "FREQ=DAILY", "Europe/Berlin", "20261024T0030",
     "20261024T0030 20261025T0030 20261026T0130"},
    {"a skipped hour is the next hour", "FREQ=HOURLY", "Europe/Berlin", "20260328T2330",
     "20260328T2330 20260329T0030 20260329T0130 20260329T0230"},
    {"an hour that occurs twice occurs once", "FREQ=HOURLY", "Europe/Berlin", "20261024T2330",
     "20261024T2330 20261025T0030 20261025T0230"},
    {"a start in the second of two hours is before it", "FREQ=HOURLY", "Europe/Berlin", "20261025T0130",
     "20261025T0230 20261025T0330"},
    {"such a start counts", "FREQ=HOURLY;COUNT=2", "Europe/Berlin", "20261025T0130", "20261025T0230"},
    {"skipped times occur between later ones", "FREQ=HOURLY;BYMINUTE=0,15,30,45", "Australia/Lord_Howe",
     "20261003T1515",
     "20261003T1515 20261003T1530 20261003T1545 20261003T1600 20261003T1615 20261003T1630"},
    {"a skipped time is later than the next", "FREQ=DAILY;BYHOUR=2;BYMINUTE=10,35", "Australia/Lord_Howe",
     "20261002T1600", "20261002T1605 20261003T1535 20261003T1540 20261004T1510 20261004T1535"},
    {"a skipped time that is before the start on the clock", "FREQ=DAILY;BYHOUR=2;BYMINUTE=10,35",
     "Australia/Lord_Howe", "20261003T153600", "20261004T1510 20261004T1535"},
    {"a skipped day is the next day", "FREQ=DAILY", "Pacific/Apia", "20111229T1900",
     "20111229T1900 20111230T1900 20111231T1900"},
    {"daylight saving time in winter", "FREQ=DAILY", "Europe/Dublin", "20260328T0130",
     "20260328T0130 20260329T0130 20260330T0030"},
    {"after the year 2037", "FREQ=YEARLY;BYMONTH=7", "Europe/Berlin", "20450101T0800", "20450701T0700 20460701T0700"},
    {"UNTIL in UTC includes its instant", "FREQ=DAILY;UNTIL=20260329T013000Z", "Europe/Berlin", "20260328T0130",
     "20260328T0130 20260329T0130"},
    {"UNTIL in UTC excludes a moved time", "FREQ=DAILY;UNTIL=20260329T012959Z", "Europe/Berlin", "20260328T0130",
     "20260328T0130"},
    {"UNTIL on the local clock includes a moved time", "FREQ=DAILY;UNTIL=20260329T023000", "Europe/Berlin",
     "20260328T0130", "20260328T0130 20260329T0130"},
    {"UNTIL on the local clock excludes one", "FREQ=DAILY;UNTIL=20260329T022959", "Europe/Berlin", "20260328T0130",
     "20260328T0130"},
    {"COUNT counts times before they are moved", "FREQ=HOURLY;BYMINUTE=0;COUNT=3", "Europe/Berlin", "20260329T0000",
     "20260329T0000 20260329T0100"},
    {"the year 1970 begins in 1969", "FREQ=DAILY;COUNT=2", "America/New_York", "19700101T0000",
     "19700101T0000 19700102T0000"},
    {"the year 9999 ends in UTC", "FREQ=DAILY;UNTIL=99991231T235959", "America/New_York", "99991230T0300",
     "99991230T0300 99991231T0300"},
};

static void follows_clock(const void *row)
{
    const struct clock_case *c = row;
    struct error err;
    struct time_zone *utc = time_zone_open("UTC", &err);
    int64_t start = parse_time(c->start);
    struct recurrence *recurrence = parse(c->rule, c->zone, start);
    int64_t newest;
    int listed = check_list(recurrence, utc, start, c->first);

    if (strstr(c->rule, "COUNT=") != NULL || strstr(c->rule, "UNTIL=") != NULL)
        assert_int_equal(recurrence_count(recurrence, 0, CALENDAR_MAX_MS, &newest), listed);
    recurrence_free(recurrence);
    time_zone_close(utc);
}

/* A list that begins within a day after a change has the times that the change moved. */
static const struct resumption {
    const char *rule, *zone;
    const char *from;
    const char *first;
} resumptions[] = {
    {"FREQ=DAILY;BYHOUR=2;BYMINUTE=10,35", "Australia/Lord_Howe", "20261003T153600", "20261003T1540 20261004T1510"},
    {"FREQ=DAILY;BYHOUR=9,20;BYMONTHDAY=30", "Pacific/Apia", "20111230T200000", "20111231T0600 20120129T1900"},
    {"FREQ=DAILY;BYHOUR=0,20;BYMONTHDAY=30", "Pacific/Apia", "20111230T095959", "20111230T1000 20111231T0600"},
    {"FREQ=DAILY;BYHOUR=0,20;BYMONTHDAY=30", "Pacific/Apia", "20111231T060000", "20111231T0600 20120129T1000"},
};

static void resumes(const void *row)
{
    const struct resumption *c = row;
    struct error err;
    struct time_zone *utc = time_zone_open("UTC", &err);
    struct recurrence *recurrence = parse(c->rule, c->zone, parse_time("20100101T000000"));

    check_list(recurrence, utc, parse_time(c->from), c->first);
    recurrence_free(recurrence);
    time_zone_close(utc);
}

static const struct refusal_case {
    const char *label;
    const char *rule, *zone;
    int64_t start;
    const char *refusal;
} refusal_cases[] = {
    {"rule", "FREQ=DAY", "UTC", 0, "rule: FREQ must be"},
    {"zone", "FREQ=DAILY", "Europe/Atlantis", 0, "time_zone must be a name"},
    {"zone before start", "FREQ=DAILY", "x", -1, "time_zone must be"},
    {"rule before zone", "FREQ=DAY", "x", 0, "rule: FREQ must be"},
    {"start too early", "FREQ=DAILY", "UTC", -1, "start_time must be 0 to 253402300799999, got -1"},
    {"start too late", "FREQ=DAILY", "UTC", CALENDAR_MAX_MS + 1, "start_time must be"},
    {"start out of range", "FREQ=DAILY", "UTC", INT64_MIN, "start_time must be"},
    {"no such day", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "UTC", 0, "rule must have an occurrence within 10 years"},
    {"no such position", "FREQ=MONTHLY;BYDAY=1TH;BYSETPOS=2", "UTC", 0, "rule must have an occurrence"},
    {"no such hour", "FREQ=HOURLY;INTERVAL=2;BYHOUR=5;COUNT=10000", "UTC", 0, "rule must have an occurrence"},
    {"no such hour of a position", "FREQ=HOURLY;BYMINUTE=0;BYSETPOS=2", "UTC", 0, "rule must have an occurrence"},
    {"too rare", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "UTC", INT64_C(1775000000000),
     "rule must have an occurrence"},
    {"ended before the start", "FREQ=DAILY;UNTIL=19700101T000000", "UTC", 1, "rule must have an occurrence"},
    {"ended before the start, in UTC", "FREQ=DAILY;UNTIL=19700101T000000Z", "UTC", 1, "rule must have an occurrence"},
    /* 02:00 for the second time; the only occurrence is the first */
    {"counted before the start", "FREQ=DAILY;COUNT=1", "Europe/Berlin", INT64_C(1792890000000),
     "rule must have an occurrence"},
    {"past the last year", "FREQ=HOURLY;BYMINUTE=0", "UTC", CALENDAR_MAX_MS, "rule must have an occurrence"},
};

static void refuses(const void *row)
{
    const struct refusal_case *c = row;
    struct error err;

    assert_null(recurrence_parse(c->rule, c->zone, c->start, &err));
    check_refusal(&err, ERROR_PARAMETER, c->refusal);
    assert_memory_equal(err.message, c->refusal, strlen(c->refusal));
}

/* An occurrence 10 years after the start is the last that a rule may begin with. */
static void ten_years_are_included(void)
{
    recurrence_free(parse("FREQ=YEARLY;INTERVAL=10;BYMONTH=4;BYMONTHDAY=2", "UTC", parse_time("20260403")));
}

static void start_is_rounded_up(void)
{
    int64_t start = parse_time("20260403T081500");
    struct recurrence *recurrence = parse("FREQ=DAILY", "UTC", start + 1);
    int64_t next;

    assert_true(recurrence_next(recurrence, 0, &next) && next == start + 1000);
    recurrence_free(recurrence);
    recurrence = parse("FREQ=DAILY", "UTC", start);
    assert_true(recurrence_next(recurrence, 0, &next) && next == start);
    assert_true(recurrence_next(recurrence, start, &next) && next == start);
    assert_true(recurrence_next(recurrence, start + 1, &next) && next == start + CALENDAR_DAY_MS);
    assert_true(recurrence_next(recurrence, INT64_MIN, &next) && next == start);
    next = -1;
    assert_false(recurrence_next(recurrence, INT64_MAX, &next));
    assert_true(next == -1);
    recurrence_free(recurrence);
}

static void counts(void)
{
    int64_t start = parse_time("20260403T081500");
    struct recurrence *recurrence = parse("FREQ=DAILY", "UTC", start);
    int64_t newest = -1;

    assert_int_equal(recurrence_count(recurrence, start + 1, start + CALENDAR_DAY_MS - 1, &newest), 0);
    assert_true(newest == -1);
    assert_int_equal(recurrence_count(recurrence, start, start, &newest), 1);
    assert_true(newest == start);
    assert_int_equal(recurrence_count(recurrence, start, start - 1, &newest), 0);
    assert_int_equal(recurrence_count(recurrence, start + 1, start + 10 * CALENDAR_DAY_MS, &newest), 10);
    assert_true(newest == start + 10 * CALENDAR_DAY_MS);
    recurrence_free(recurrence);
}

/* Appends NAME=0,1,... to a rule. */
static void append_all(struct buffer *rule, const char *name, int last)
{
    buffer_printf(rule, ";%s=0", name);
    for (int i = 1; i <= last; i++)
        buffer_printf(rule, ",%d", i);
}

/* A year of seconds is not listed to count it, and its newest occurrence is still right. */
static void counts_each_second(void)
{
    static const char *const zones[] = {"UTC", "Europe/Berlin", "Pacific/Apia"};
    int64_t start = parse_time("20110101T000000");
    int64_t newest;

    for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
        struct buffer rule = {0};
        struct recurrence *recurrence;

        buffer_append_text(&rule, "FREQ=DAILY");
        append_all(&rule, "BYHOUR", 23);
        append_all(&rule, "BYMINUTE", 59);
        append_all(&rule, "BYSECOND", 59);
        recurrence = parse(buffer_text(&rule), zones[i], start);
        times_converted = 0;
        assert_int_equal(recurrence_count(recurrence, start, start + 370 * CALENDAR_DAY_MS + 500, &newest),
                         RECURRENCE_COUNT_MAX);
        assert_true(newest == start + 370 * CALENDAR_DAY_MS);
        recurrence_count(recurrence, start, start + 300 * CALENDAR_DAY_MS, &newest);
        assert_true(newest == start + 300 * CALENDAR_DAY_MS);
        assert_in_range(times_converted, RECURRENCE_COUNT_MAX, 7 * RECURRENCE_COUNT_MAX);
        recurrence_free(recurrence);
        buffer_free(&rule);
    }
}

/* Thousands of times on one day, and none in the next centuries: what comes after `to` is not searched. */
static void counts_to_an_end(void)
{
    int64_t start = parse_time("20240229T000000"), newest = -1;
    struct buffer rule = {0};
    struct recurrence *recurrence;

    buffer_append_text(&rule, "FREQ=DAILY;INTERVAL=3001;BYMONTH=2;BYMONTHDAY=29");
    append_all(&rule, "BYSECOND", 13);
    append_all(&rule, "BYHOUR", 23);
    append_all(&rule, "BYMINUTE", 59);
    recurrence = parse(buffer_text(&rule), "UTC", start);
    years_matched = 0;
    assert_int_equal(recurrence_count(recurrence, 0, start + 300 * CALENDAR_DAY_MS, &newest), RECURRENCE_COUNT_MAX);
    assert_true(newest == start + CALENDAR_DAY_MS - 47000);
    assert_in_range(years_matched, 1, 100);
    newest = -1;
    assert_int_equal(recurrence_count(recurrence, 0, INT64_MAX, &newest), RECURRENCE_COUNT_MAX);
    assert_true(newest >= start + CALENDAR_DAY_MS);
    newest = -1;
    assert_int_equal(recurrence_count(recurrence, 0, INT64_MIN, &newest), 0);
    assert_true(newest == -1);
    recurrence_free(recurrence);
    buffer_free(&rule);
}

/* Rules that could take long: each matches, and matches rarely or never again. */
static const struct extreme {
    const char *rule;
    const char *start;
} extremes[] = {
    {"FREQ=HOURLY;INTERVAL=32767", "20260403"},
    {"FREQ=YEARLY;INTERVAL=32767", "20260403"},
    {"FREQ=HOURLY;INTERVAL=23;BYMONTH=2;BYMONTHDAY=29;BYHOUR=9", "20240229"},
    {"FREQ=HOURLY;INTERVAL=24;BYHOUR=10;BYYEARDAY=366", "20240229"},
    {"FREQ=YEARLY;INTERVAL=400;BYMONTH=2;BYMONTHDAY=29;BYDAY=TH", "20240229"},
    {"FREQ=YEARLY;INTERVAL=3;BYMONTH=2;BYMONTHDAY=29;BYDAY=TH;BYWEEKNO=9;BYYEARDAY=60", "20240229"},
    {"FREQ=DAILY;INTERVAL=1461;BYMONTH=2;BYMONTHDAY=29", "20960229"},
    {"FREQ=MONTHLY;BYMONTHDAY=29;BYMONTH=2;COUNT=10000", "20240229"},
    {"FREQ=DAILY;BYMONTHDAY=29;BYMONTH=2;BYDAY=TH;BYSETPOS=1;COUNT=10000", "20240229"},
    {"FREQ=WEEKLY;INTERVAL=5;BYMONTH=2;BYSETPOS=-366,1", "20240229"},
};

static void extremes_are_cheap(const void *row)
{
    const struct extreme *c = row;
    struct recurrence *recurrence;
    int64_t instant;

    years_matched = times_converted = 0;
    recurrence = parse(c->rule, "Europe/Berlin", parse_time(c->start));
    assert_in_range(years_matched, 1, 8500);
    assert_in_range(times_converted, 0, 10);
    years_matched = times_converted = 0;
    recurrence_next(recurrence, parse_time("99990101"), &instant);
    assert_in_range(years_matched, 0, 10);
    recurrence_next(recurrence, parse_time("25000101"), &instant);
    assert_in_range(years_matched, 0, 8500);
    assert_in_range(times_converted, 0, 10);
    recurrence_free(recurrence);
}

int main(void)
{
    CHECK_EACH(follows_examples, examples, rule);
    CHECK_EACH(expands, expansions, rule);
    CHECK_EACH(follows_clock, clock_cases, label);
    CHECK_EACH(resumes, resumptions, from);
    CHECK_EACH(refuses, refusal_cases, label);
    CHECK(ten_years_are_included);
    CHECK(start_is_rounded_up);
    CHECK(counts);
    CHECK(counts_each_second);
    CHECK(counts_to_an_end);
    CHECK_EACH(extremes_are_cheap, extremes, rule);
    return check_run("schedule/recurrence");
}
