#include "base/tzif.h"

#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"
#include "base/memory.h"
#include "base/posix_tz.h"

#define HEADER_SIZE 44
#define CYCLE_YEARS 400
#define MAX_FOOTER 255

/* The counts of a header (RFC 9636 section 3.1) and where its data block begins. */
struct block {
    size_t is_ut, is_standard, leaps, changes, types, characters;
    size_t time_size; /* 4 or 8 bytes */
    const unsigned char *data;
    size_t length;
};

static size_t read_count(const unsigned char *data)
{
    return (size_t) data[0] << 24 | (size_t) data[1] << 16 | (size_t) data[2] << 8 | data[3];
}

static int64_t read_time(const unsigned char *data, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | data[i];
    return size == 4 ? (int32_t) (uint32_t) value : (int64_t) value;
}

/* Reads a header and the length of its data block. Returns false if the data is too short or a count is invalid. */
static bool read_block(const unsigned char *data, size_t length, size_t time_size, struct block *block)
{
    if (length < HEADER_SIZE || memcmp(data, "TZif", 4) != 0)
        return false;
    block->is_ut = read_count(data + 20);
    block->is_standard = read_count(data + 24);
    block->leaps = read_count(data + 28);
    block->changes = read_count(data + 32);
    block->types = read_count(data + 36);
    block->characters = read_count(data + 40);
    block->time_size = time_size;
    block->data = data + HEADER_SIZE;
    if (block->is_ut > length || block->is_standard > length || block->leaps > length || block->changes > length
        || block->types > length || block->characters > length)
        return false; /* before the sum can overflow */
    block->length = block->changes * (time_size + 1) + block->types * 6 + block->characters
                    + block->leaps * (time_size + 4) + block->is_standard + block->is_ut;
    return block->length <= length - HEADER_SIZE && block->types > 0 && block->types <= 256 && block->characters > 0
           && (block->is_ut == 0 || block->is_ut == block->types)
           && (block->is_standard == 0 || block->is_standard == block->types);
}

static void append_change(struct tzif *tzif, int64_t instant, int32_t offset)
{
    int32_t before = tzif->change_count == 0 ? tzif->first_offset : tzif->changes[tzif->change_count - 1].offset;

    if (offset != before)
        tzif->changes[tzif->change_count++] = (struct tzif_change) {.instant = instant, .offset = offset};
}

/* Reads the offset of a type. Returns false if the type does not exist or its offset is out of range. */
static bool read_offset(const struct block *block, size_t type, int32_t *ret_offset)
{
    const unsigned char *types = block->data + block->changes * (block->time_size + 1);

    if (type >= block->types)
        return false;
    *ret_offset = (int32_t) read_time(types + type * 6, 4);
    return *ret_offset > -TZIF_OFFSET_LIMIT && *ret_offset < TZIF_OFFSET_LIMIT;
}

/* Reads the changes of a data block. `room` is the number of changes that will be appended later. */
static bool read_changes(const struct block *block, size_t room, struct tzif *tzif, int64_t *ret_last)
{
    const unsigned char *indexes = block->data + block->changes * block->time_size;
    int64_t last = INT64_MIN;

    if (!read_offset(block, 0, &tzif->first_offset))
        return false;
    tzif->changes = memory_zeroed(block->changes + room + 1, sizeof(*tzif->changes));
    for (size_t i = 0; i < block->changes; i++) {
        int64_t instant = read_time(block->data + i * block->time_size, block->time_size);
        int32_t offset;

        if ((i > 0 && instant <= last) || !read_offset(block, indexes[i], &offset))
            return false;
        append_change(tzif, instant, offset);
        last = instant;
    }
    *ret_last = last;
    return true;
}

/* Appends the changes of the rule after `last`, for more than 400 years, and sets the limit of the cycle. */
static void append_cycle(struct tzif *tzif, const struct posix_tz *tz, int64_t last)
{
    const int64_t earliest = calendar_day(1960, 1, 1) * CALENDAR_DAY_SECONDS;
    int first_year = calendar_date(calendar_divide(last > earliest ? last : earliest, CALENDAR_DAY_SECONDS)).year;

    for (int year = first_year - 1; year <= first_year + CYCLE_YEARS + 1; year++) {
        struct tzif_change pair[] = {
            {.instant = posix_tz_start(tz, year), .offset = tz->daylight_offset},
            {.instant = posix_tz_end(tz, year), .offset = tz->standard_offset},
        };
        int first = pair[0].instant <= pair[1].instant ? 0 : 1;

        /* A change that the next one overtakes has no effect: daylight saving time may last all year. */
        for (int i = 0; i < 2; i++) {
            const struct tzif_change *change = &pair[i == 0 ? first : 1 - first];

            while (tzif->change_count > 0 && tzif->changes[tzif->change_count - 1].instant >= change->instant
                   && change->instant > last)
                tzif->change_count--;
            if (change->instant > last)
                append_change(tzif, change->instant, change->offset);
        }
    }
    tzif->cycle_limit = calendar_day(first_year + CYCLE_YEARS + 1, 1, 1) * CALENDAR_DAY_SECONDS;
}

/* Reads the footer, which is a TZ string between two newlines. An empty one says nothing. */
static bool read_footer(const unsigned char *data, size_t length, struct posix_tz *ret_tz)
{
    const unsigned char *end = length == 0 ? NULL : memchr(data + 1, '\n', length - 1);
    char text[MAX_FOOTER + 1];
    size_t size;

    if (end == NULL || data[0] != '\n')
        return false;
    size = (size_t) (end - data) - 1;
    if (size > MAX_FOOTER || memchr(data, '\0', size + 1) != NULL)
        return false;
    memcpy(text, data + 1, size);
    text[size] = '\0';
    return size == 0 || posix_tz_parse(text, ret_tz);
}

static bool read_content(const unsigned char *data, size_t length, struct tzif *tzif)
{
    struct posix_tz tz = {.has_daylight = false};
    struct block block;
    int64_t last;

    if (!read_block(data, length, 4, &block))
        return false;
    if (data[4] == '\0')
        return read_changes(&block, 0, tzif, &last);
    if (data[4] < '2')
        return false;
    data += HEADER_SIZE + block.length;
    length -= HEADER_SIZE + block.length;
    if (!read_block(data, length, 8, &block)
        || !read_footer(data + HEADER_SIZE + block.length, length - HEADER_SIZE - block.length, &tz)
        || !read_changes(&block, 2 * (CYCLE_YEARS + 3), tzif, &last))
        return false;
    if (tz.has_daylight && last < CALENDAR_MAX_MS / 1000)
        append_cycle(tzif, &tz, last);
    return true;
}

bool tzif_read(const unsigned char *data, size_t length, struct tzif *ret_tzif, struct error *err)
{
    struct tzif tzif = {.cycle_limit = INT64_MAX};

    if (!read_content(data, length, &tzif)) {
        tzif_free(&tzif);
        return error_set(err, ERROR_INTERNAL, "the content is not that of a TZif file");
    }
    *ret_tzif = tzif;
    return true;
}

void tzif_free(struct tzif *tzif)
{
    free(tzif->changes);
    tzif->changes = NULL;
    tzif->change_count = 0;
}
