#include "base/clock.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/calendar.h"
#include "base/compiler.h"
#include "base/text.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int clock_remaining_ms(int64_t deadline)
{
    int64_t left = deadline - clock_monotonic_ms();

    if (left < 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int) left;
}

struct timespec clock_timespec_after(int ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    return until;
}

void clock_init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void clock_format_iso8601(char out[CLOCK_ISO8601_SIZE], int64_t instant)
{
    time_t seconds = (time_t) (instant / 1000);
    struct tm tm;
    size_t length;

    gmtime_r(&seconds, &tm);
    length = strftime(out, CLOCK_ISO8601_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + length, CLOCK_ISO8601_SIZE - length, ".%03dZ", (int) (instant % 1000));
}

/*
 * Reads a text of the same form: a 0 in the form stands for a digit, any other character for itself. The digits of each
 * group are a number. Returns the rest of the text, or NULL if it has another form.
 */
static const char *read_form(const char *text, const char *form, int numbers[])
{
    for (size_t i = 0; form[i] != '\0'; i++) {
        if (form[i] != '0') {
            if (text[i] != form[i])
                return NULL;
            continue;
        }
        if (text[i] < '0' || text[i] > '9')
            return NULL;
        if (i == 0 || form[i - 1] != '0')
            *numbers++ = 0;
        numbers[-1] = numbers[-1] * 10 + (text[i] - '0');
    }
    return text + strlen(form);
}

/* Reads the offset at the end of a time, Z, +02:00 or +0200, in minutes. */
static bool read_offset_minutes(const char *text, int *ret_minutes)
{
    int parts[2] = {0};
    int sign = *text == '-' ? -1 : 1;
    const char *end;

    if (strcmp(text, "Z") == 0) {
        *ret_minutes = 0;
        return true;
    }
    if (*text != '+' && *text != '-')
        return false;
    end = read_form(text + 1, "00:00", parts);
    if (end == NULL) {
        end = read_form(text + 1, "0000", parts);
        parts[1] = parts[0] % 100;
        parts[0] /= 100;
    }
    if (end == NULL || *end != '\0' || parts[0] > 23 || parts[1] > 59)
        return false;
    *ret_minutes = sign * (parts[0] * 60 + parts[1]);
    return true;
}

/* Reads T08:15, T08:15:00 or T08:15:00.123. Returns the rest of the text, or NULL. */
static const char *read_time_of_day(const char *text, int *ret_ms)
{
    static const char *const forms[] = {"T00:00:00.000", "T00:00:00", "T00:00"};

    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        int parts[4] = {0};
        const char *end = read_form(text, forms[i], parts);

        if (end == NULL)
            continue;
        *ret_ms = ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + parts[3];
        return parts[0] <= 23 && parts[1] <= 59 && parts[2] <= 59 ? end : NULL;
    }
    return NULL;
}

bool clock_parse_iso8601(const char *text, int64_t *ret_ms, bool *ret_has_offset)
{
    int date[3] = {0};
    int time_ms = 0, offset_minutes = 0;
    const char *rest = read_form(text, "0000-00-00", date);
    bool has_time = rest != NULL && *rest != '\0';
    bool has_offset;
    int64_t ms;

    if (has_time)
        rest = read_time_of_day(rest, &time_ms);
    if (rest == NULL || date[0] < 1 || date[1] < 1 || date[1] > 12 || date[2] < 1
        || date[2] > calendar_month_length(date[0], date[1]))
        return false;
    has_offset = *rest != '\0';
    if (has_offset && !read_offset_minutes(rest, &offset_minutes))
        return false;
    ms = calendar_day(date[0], date[1], date[2]) * CALENDAR_DAY_MS + time_ms - offset_minutes * INT64_C(60000);
    if (ms < 0 || ms > CALENDAR_MAX_MS)
        return false;
    *ret_ms = ms;
    *ret_has_offset = has_offset;
    return true;
}

/* The programs stay in the C locale, so the names of days and months are those of the RFC. */
static const char http_date_format[] = "%a, %d %b %Y %H:%M:%S GMT";

/* The two older formats (RFC 9110 section 5.6.7): RFC 850 and asctime. */
static const char *const http_date_formats[] = {http_date_format, "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"};

void clock_format_http_date(char out[CLOCK_HTTP_DATE_SIZE], int64_t instant)
{
    time_t seconds = (time_t) (instant / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    if (strftime(out, CLOCK_HTTP_DATE_SIZE, http_date_format, &tm) == 0)
        out[0] = '\0';
}

bool clock_parse_http_date(const char *text, int64_t *ret_instant)
{
    for (size_t i = 0; i < ARRAY_SIZE(http_date_formats); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, http_date_formats[i], &tm);
        int day = tm.tm_mday;
        time_t seconds;

        if (end == NULL || *end != '\0')
            continue;
        seconds = timegm(&tm);
        if (tm.tm_mday != day)
            return false; /* 31 February, which timegm converts to 3 March */
        *ret_instant = (int64_t) seconds * 1000;
        return true;
    }
    return false;
}

bool clock_parse_duration(const char *text, int64_t *ret_duration)
{
    static const struct {
        char suffix;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    const int64_t longest = INT64_C(100) * 366 * 86400;
    size_t length = strlen(text);
    char digits[16];
    int64_t number;

    if (length < 2 || length > sizeof(digits))
        return false;
    memcpy(digits, text, length - 1);
    digits[length - 1] = '\0';
    if (!text_parse_digits(digits, 10, &number))
        return false;

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (text[length - 1] == units[i].suffix && number >= 1 && number <= longest / units[i].seconds) {
            *ret_duration = number * units[i].seconds * 1000;
            return true;
        }
    }
    return false;
}
