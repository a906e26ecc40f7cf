#include "base/time_zone.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/calendar.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/tzif.h"

#define DIRECTORY "/usr/share/zoneinfo"
#define MAX_NAME_LENGTH 100
#define MAX_FILE_SIZE 262144
#define CYCLE_SECONDS (CALENDAR_CYCLE_DAYS * CALENDAR_DAY_SECONDS)

struct time_zone {
    struct tzif tzif;
};

/* The time during which an offset is in effect, in seconds. */
struct span {
    int64_t start, end; /* end is not part of it */
    int32_t offset;
};

bool time_zone_is_name(const char *name)
{
    char path[sizeof(DIRECTORY) + MAX_NAME_LENGTH + 1];
    struct stat status;

    if (strlen(name) > MAX_NAME_LENGTH || !isalpha((unsigned char) name[0]))
        return false;
    for (const char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char) *c) && strchr("/_+-", *c) == NULL)
            return false;
    }
    if (stat(DIRECTORY, &status) != 0)
        return true;
    snprintf(path, sizeof(path), DIRECTORY "/%s", name);
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* Whether a file of the directory is not a zone of the database: a copy with leap seconds, or a setting of the host. */
static bool is_no_zone(const char *name)
{
    return strncmp(name, "posix/", 6) == 0 || strncmp(name, "right/", 6) == 0 || strcmp(name, "posixrules") == 0
           || strcmp(name, "localtime") == 0;
}

/* Reads the file of a zone. Returns its length, or 0 if it cannot be read or is too long. */
static size_t read_zone_file(const char *name, unsigned char data[MAX_FILE_SIZE])
{
    char path[sizeof(DIRECTORY) + MAX_NAME_LENGTH + 1];
    size_t length;
    FILE *file;

    snprintf(path, sizeof(path), DIRECTORY "/%s", name);
    file = fopen(path, "rbe");
    if (file == NULL)
        return 0;
    length = fread(data, 1, MAX_FILE_SIZE, file);
    if (ferror(file) || length == MAX_FILE_SIZE)
        length = 0;
    fclose(file);
    return length;
}

struct time_zone *time_zone_open(const char *name, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];
    struct time_zone *zone = NULL;
    unsigned char *data;

    if (strcmp(name, "UTC") == 0) {
        zone = memory_zeroed(1, sizeof(*zone));
        zone->tzif.cycle_limit = INT64_MAX;
        return zone;
    }
    if (time_zone_is_name(name) && !is_no_zone(name)) {
        data = memory_zeroed(1, MAX_FILE_SIZE);
        zone = time_zone_read(data, read_zone_file(name, data), err);
        free(data);
    }
    if (zone == NULL)
        error_set(err, ERROR_PARAMETER, "time_zone " TIME_ZONE_NAME_RULE ", got %s",
                  text_excerpt(excerpt, name, strlen(name)));
    return zone;
}

struct time_zone *time_zone_read(const void *data, size_t length, struct error *err)
{
    struct tzif tzif;
    struct time_zone *zone;

    if (!tzif_read(data, length, &tzif, err))
        return NULL;
    zone = memory_zeroed(1, sizeof(*zone));
    zone->tzif = tzif;
    return zone;
}

void time_zone_close(struct time_zone *zone)
{
    if (zone != NULL)
        tzif_free(&zone->tzif);
    free(zone);
}

/* Returns the number of changes at or before an instant. */
static size_t count_changes(const struct tzif *tzif, int64_t instant)
{
    size_t low = 0, high = tzif->change_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (tzif->changes[middle].instant <= instant)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Returns the span that contains an instant. Its limits are exact within 400 years of the instant. */
static struct span find_span(const struct tzif *tzif, int64_t instant)
{
    int64_t shift = 0;
    struct span span;
    size_t count;

    if (instant >= tzif->cycle_limit)
        shift = ((instant - tzif->cycle_limit) / CYCLE_SECONDS + 1) * CYCLE_SECONDS;
    count = count_changes(tzif, instant - shift);
    span.offset = count == 0 ? tzif->first_offset : tzif->changes[count - 1].offset;
    span.start = count == 0 ? INT64_MIN : tzif->changes[count - 1].instant + shift;
    span.end = count == tzif->change_count ? INT64_MAX : tzif->changes[count].instant + shift;
    return span;
}

int64_t time_zone_to_local(const struct time_zone *zone, int64_t instant)
{
    return instant + find_span(&zone->tzif, calendar_divide(instant, 1000)).offset * INT64_C(1000);
}

int64_t time_zone_from_local(const struct time_zone *zone, int64_t local, bool *ret_skipped)
{
    int64_t seconds = calendar_divide(local, 1000);
    struct span span = find_span(&zone->tzif, seconds - TZIF_OFFSET_LIMIT);
    int32_t offset = span.offset;
    bool skipped;

    /* The first span that ends after this local time has it, or begins after it: then it was skipped. */
    while (seconds - span.offset >= span.end) {
        offset = span.offset;
        span = find_span(&zone->tzif, span.end);
    }
    skipped = seconds - span.offset < span.start;
    if (!skipped)
        offset = span.offset;
    if (ret_skipped != NULL)
        *ret_skipped = skipped;
    return local - offset * INT64_C(1000);
}
