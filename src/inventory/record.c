#include "inventory/record.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/calendar.h"
#include "base/text.h"
#include "inventory/filters.h"

const struct record_column record_columns[RECORD_FIELD_COUNT] = {
    [RECORD_CONTAINER_ID]          = {"container_id", RECORD_TEXT, RECORD_MAX_CONTAINER_ID},
    [RECORD_CONTAINER_NAME]        = {"container_name", RECORD_TEXT, RECORD_MAX_TEXT},
    [RECORD_IMAGE_NAME]            = {"image_name", RECORD_TEXT, RECORD_MAX_TEXT},
    [RECORD_POD_NAME]              = {"pod_name", RECORD_TEXT, RECORD_MAX_TEXT},
    [RECORD_CLUSTER_NAME]          = {"cluster_name", RECORD_TEXT, RECORD_MAX_TEXT},
    [RECORD_CLUSTER_TYPE]          = {"cluster_type", RECORD_CHOICE, 0},
    [RECORD_STATUS]                = {"status", RECORD_CHOICE, 0},
    [RECORD_RISKY]                 = {"risky", RECORD_BOOLEAN, 0},
    [RECORD_LOW_RISK]              = {"low_risk", RECORD_COUNT, 0},
    [RECORD_MEDIUM_RISK]           = {"medium_risk", RECORD_COUNT, 0},
    [RECORD_HIGH_RISK]             = {"high_risk", RECORD_COUNT, 0},
    [RECORD_FATAL_RISK]            = {"fatal_risk", RECORD_COUNT, 0},
    [RECORD_CREATE_TIME]           = {"create_time", RECORD_TIME, 0},
    [RECORD_RESTART_COUNT]         = {"restart_count", RECORD_COUNT, 0},
    [RECORD_CPU_LIMIT]             = {"cpu_limit", RECORD_TEXT, RECORD_MAX_TEXT},
    [RECORD_MEMORY_LIMIT]          = {"memory_limit", RECORD_TEXT, RECORD_MAX_TEXT},
    [RECORD_ENTERPRISE_PROJECT_ID] = {"enterprise_project_id", RECORD_TEXT, 256},
    [RECORD_CLUSTER_CONTAINER]     = {"cluster_container", RECORD_BOOLEAN, 0},
};

/* The API lists containers with this cluster_type, although no filter of an export accepts it. */
static const char other_cluster_type[] = "k8s";

void record_clear(struct record *record)
{
    memset(record->fields, 0, sizeof(record->fields));
}

enum record_field record_find(const char *name, size_t length)
{
    enum record_field field = 0;

    while (field < RECORD_FIELD_COUNT
           && (strlen(record_columns[field].name) != length || memcmp(record_columns[field].name, name, length) != 0))
        field++;
    return field;
}

static bool reject_value(struct record *record, enum record_field field, const char *rule, const char *text,
                         size_t length, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];

    record->fields[field] = (struct db_field) {0};
    return error_set(err, ERROR_PARAMETER, "%s must be %s, got %s", record_columns[field].name, rule,
                     text_excerpt(excerpt, text, length));
}

static void set_scratch(struct record *record, enum record_field field, const char *text)
{
    char *scratch = record->scratch[field];

    assert(strlen(text) < RECORD_SCRATCH_SIZE);
    strcpy(scratch, text);
    record->fields[field] = (struct db_field) {scratch, strlen(scratch)};
}

/* Writes the choices of a column as "one of a, b, c". */
static void list_choices(char *out, size_t size, enum record_field field, const char *const *choices)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; choices[i] != NULL && used < size; i++)
        used += (size_t) snprintf(out + used, size - used, "%s%s", i == 0 ? "one of " : ", ", choices[i]);
    if (field == RECORD_CLUSTER_TYPE && used < size)
        snprintf(out + used, size - used, ", %s", other_cluster_type);
}

static bool is_choice(enum record_field field, const char *const *choices, const char *text, size_t length)
{
    for (; *choices != NULL; choices++) {
        if (strlen(*choices) == length && memcmp(*choices, text, length) == 0)
            return true;
    }
    return field == RECORD_CLUSTER_TYPE && length == strlen(other_cluster_type)
           && memcmp(text, other_cluster_type, length) == 0;
}

bool record_is_choice(enum record_field field, const char *text)
{
    assert(record_columns[field].kind == RECORD_CHOICE);
    return is_choice(field, filter_find(record_columns[field].name)->choices, text, strlen(text));
}

static bool set_choice(struct record *record, enum record_field field, const char *text, size_t length,
                       struct error *err)
{
    const char *const *choices = filter_find(record_columns[field].name)->choices;
    char rule[160];

    if (is_choice(field, choices, text, length)) {
        record->fields[field] = (struct db_field) {text, length};
        return true;
    }
    list_choices(rule, sizeof(rule), field, choices);
    return reject_value(record, field, rule, text, length, err);
}

bool record_set_text(struct record *record, enum record_field field, const char *text, size_t length,
                     struct error *err)
{
    const struct record_column *column = &record_columns[field];
    size_t count = 0;
    char rule[64];

    record->fields[field] = (struct db_field) {0};
    if (text == NULL)
        return true;
    if (column->kind == RECORD_CHOICE)
        return set_choice(record, field, text, length, err);
    assert(column->kind == RECORD_TEXT);
    if (memchr(text, '\0', length) != NULL)
        return reject_value(record, field, "text without a NUL character", text, length, err);
    if (!text_utf8_count(text, length, &count))
        return reject_value(record, field, "valid UTF-8", text, length, err);
    if (field == RECORD_ENTERPRISE_PROJECT_ID && count == 0)
        return reject_value(record, field, "1 to 256 characters long", text, length, err);
    if (count > column->max_length) {
        snprintf(rule, sizeof(rule), "at most %zu characters long", column->max_length);
        return reject_value(record, field, rule, text, length, err);
    }
    record->fields[field] = (struct db_field) {text, length};
    return true;
}

bool record_set_string(struct record *record, enum record_field field, const char *text, struct error *err)
{
    return record_set_text(record, field, text, text == NULL ? 0 : strlen(text), err);
}

bool record_set_count(struct record *record, enum record_field field, int64_t value, struct error *err)
{
    char text[RECORD_SCRATCH_SIZE];

    assert(record_columns[field].kind == RECORD_COUNT);
    snprintf(text, sizeof(text), "%" PRId64, value);
    if (value < 0 || value > INT32_MAX)
        return reject_value(record, field, "an integer from 0 to 2147483647", text, strlen(text), err);
    set_scratch(record, field, text);
    return true;
}

/* Reads a number of min to max digits at *at, and moves *at behind it. */
static bool read_number(const char **at, const char *end, int min, int max, int *ret_number)
{
    int digits = 0;

    *ret_number = 0;
    for (; digits < max && *at < end && **at >= '0' && **at <= '9'; digits++)
        *ret_number = *ret_number * 10 + *(*at)++ - '0';
    return digits >= min;
}

static bool read_character(const char **at, const char *end, char wanted)
{
    return *at < end && *(*at)++ == wanted;
}

/*
 * Reads 2026-04-03, with a year of up to 6 digits. One year less than PostgreSQL's range at both ends makes its limits
 * independent of the offset. The year 1 BC is year 0 of the calendar, a leap year.
 */
static bool read_date(const char **at, const char *end, bool before_christ)
{
    int year, month, day;

    return read_number(at, end, 4, 6, &year) && read_character(at, end, '-')
           && read_number(at, end, 2, 2, &month) && read_character(at, end, '-')
           && read_number(at, end, 2, 2, &day)
           && year >= 1 && year <= (before_christ ? 4712 : 294275) && month >= 1 && month <= 12 && day >= 1
           && day <= calendar_month_length(before_christ ? 1 - year : year, month);
}

/* Reads 08:15:00 and a fraction, of which three digits count. Appends the time to `out`. */
static bool read_clock_time(const char **at, const char *end, char *out, size_t size)
{
    const char *start = *at;
    int hour, minute, second;
    size_t kept;

    if (!read_number(at, end, 2, 2, &hour) || !read_character(at, end, ':')
        || !read_number(at, end, 2, 2, &minute) || !read_character(at, end, ':')
        || !read_number(at, end, 2, 2, &second) || hour > 23 || minute > 59 || second > 59)
        return false;
    kept = (size_t) (*at - start);
    if (*at < end && **at == '.') {
        const char *fraction = ++*at;

        while (*at < end && **at >= '0' && **at <= '9')
            ++*at;
        if (*at == fraction)
            return false;
        kept += 1 + (*at - fraction < 3 ? (size_t) (*at - fraction) : 3);
    }
    snprintf(out, size, "%.*s", (int) kept, start);
    return true;
}

/* Reads Z, +02, +02:00 or +00:53:28. */
static bool read_time_offset(const char **at, const char *end)
{
    int number;

    if (*at < end && **at == 'Z') {
        ++*at;
        return true;
    }
    if (*at == end || (**at != '+' && **at != '-'))
        return false;
    ++*at;
    if (!read_number(at, end, 2, 2, &number) || number > 15)
        return false;
    for (int i = 0; i < 2 && *at < end && **at == ':'; i++) {
        ++*at;
        if (!read_number(at, end, 2, 2, &number) || number > 59)
            return false;
    }
    return true;
}

/* Reads a time, with `before_christ` also one that ends with " BC". Writes it for PostgreSQL. */
static bool read_record_time(const char *text, size_t length, bool before_christ, char out[RECORD_SCRATCH_SIZE])
{
    const char *at = text, *end = text + length;
    const char *date_end, *offset;
    char clock_time[16];

    before_christ = before_christ && length > 3 && memcmp(end - 3, " BC", 3) == 0;
    if (before_christ)
        end -= 3;
    if (!read_date(&at, end, before_christ))
        return false;
    date_end = at;
    if (at == end || (*at != 'T' && *at != ' '))
        return false;
    at++;
    if (!read_clock_time(&at, end, clock_time, sizeof(clock_time)))
        return false;
    offset = at;
    if (!read_time_offset(&at, end) || at != end)
        return false;
    snprintf(out, RECORD_SCRATCH_SIZE, "%.*s %s%.*s%s", (int) (date_end - text), text, clock_time, (int) (end - offset),
             offset, before_christ ? " BC" : "");
    return true;
}

static bool set_time(struct record *record, enum record_field field, const char *text, size_t length,
                     bool before_christ, struct error *err)
{
    char value[RECORD_SCRATCH_SIZE];

    assert(record_columns[field].kind == RECORD_TIME);
    if (!read_record_time(text, length, before_christ, value))
        return reject_value(record, field, "a time with an offset, such as 2026-04-03T08:15:00.123Z", text, length,
                            err);
    set_scratch(record, field, value);
    return true;
}

bool record_set_time(struct record *record, enum record_field field, const char *text, struct error *err)
{
    record->fields[field] = (struct db_field) {0};
    return text == NULL || set_time(record, field, text, strlen(text), false, err);
}

static bool is_text(const char *text, size_t length, const char *wanted)
{
    return strlen(wanted) == length && memcmp(text, wanted, length) == 0;
}

static bool set_exported_count(struct record *record, enum record_field field, const char *text, size_t length,
                               struct error *err)
{
    char digits[19];
    int64_t value;

    if (length < sizeof(digits)) {
        memcpy(digits, text, length);
        digits[length] = '\0';
        if (text_parse_digits(digits, sizeof(digits) - 1, &value))
            return record_set_count(record, field, value, err);
    }
    return reject_value(record, field, "an integer from 0 to 2147483647", text, length, err);
}

bool record_set_exported(struct record *record, enum record_field field, const char *text, size_t length,
                         struct error *err)
{
    switch (record_columns[field].kind) {
    case RECORD_TEXT:
    case RECORD_CHOICE:
        break;
    case RECORD_BOOLEAN:
        if (!is_text(text, length, "true") && !is_text(text, length, "false"))
            return reject_value(record, field, "true or false", text, length, err);
        record->fields[field] = (struct db_field) {text, length};
        return true;
    case RECORD_COUNT:
        return set_exported_count(record, field, text, length, err);
    case RECORD_TIME:
        if (is_text(text, length, "infinity") || is_text(text, length, "-infinity")) {
            record->fields[field] = (struct db_field) {text, length};
            return true;
        }
        return set_time(record, field, text, length, true, err);
    }
    return record_set_text(record, field, text, length, err);
}

bool record_check(const struct record *record, struct error *err)
{
    const struct db_field *id = &record->fields[RECORD_CONTAINER_ID];

    if (id->data != NULL && id->length > 0)
        return true;
    return error_set(err, ERROR_PARAMETER, "container_id is required");
}
