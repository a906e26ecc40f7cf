#include "http/range.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

static const char whitespace[] = " \t";

/* Whether a list of entity tags contains this one, by weak comparison (RFC 9110 section 8.8.3.2). */
static bool list_has_etag(const char *list, const char *etag)
{
    size_t length = strlen(etag);

    list += strspn(list, whitespace);
    if (strcmp(list, "*") == 0)
        return true;
    while (*list != '\0') {
        const char *close;

        list += strspn(list, " \t,");
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        close = *list == '"' ? strchr(list + 1, '"') : NULL;
        if (close == NULL)
            return false;
        if ((size_t) (close + 1 - list) == length && memcmp(list, etag, length) == 0)
            return true;
        list = close + 1;
    }
    return false;
}

static bool is_not_modified(const struct http_conditions *conditions, const struct http_representation *file)
{
    int64_t since;

    if (conditions->if_none_match != NULL)
        return list_has_etag(conditions->if_none_match, file->etag);
    return conditions->if_modified_since != NULL && clock_parse_http_date(conditions->if_modified_since, &since)
           && file->last_modified / 1000 * 1000 <= since;
}

/* Whether the Range applies: If-Range must match this file, by strong comparison or by its exact date. */
static bool range_applies(const struct http_conditions *conditions, const struct http_representation *file)
{
    int64_t date;

    if (conditions->if_range == NULL)
        return true;
    if (conditions->if_range[0] == '"')
        return strcmp(conditions->if_range, file->etag) == 0;
    return clock_parse_http_date(conditions->if_range, &date) && date == file->last_modified / 1000 * 1000;
}

/* Parses a position and advances *text past it. Returns -1 without a digit, and INT64_MAX for a larger number. */
static int64_t take_position(const char **text)
{
    int64_t position = isdigit((unsigned char) **text) ? 0 : -1;

    for (; isdigit((unsigned char) **text); ++*text)
        position = position > INT64_MAX / 10 - 1 ? INT64_MAX : position * 10 + (**text - '0');
    return position;
}

/* Parses one range of bytes: first-last, first- or -suffix. */
static bool parse_range(const char *range, int64_t *ret_first, int64_t *ret_last)
{
    if (strncasecmp(range, "bytes=", 6) != 0)
        return false;
    range += 6;
    *ret_first = take_position(&range);
    if (*range != '-')
        return false;
    range++;
    *ret_last = take_position(&range);
    range += strspn(range, whitespace);
    if (*range != '\0')
        return false;
    if (*ret_first == -1)
        return *ret_last != -1;
    return *ret_last == -1 || *ret_first <= *ret_last;
}

enum http_selection http_select(const struct http_conditions *conditions, const struct http_representation *file,
                                int64_t *ret_first, int64_t *ret_last)
{
    int64_t first, last;

    if (is_not_modified(conditions, file))
        return HTTP_NOT_MODIFIED;
    if (conditions->range == NULL || !range_applies(conditions, file) || !parse_range(conditions->range, &first, &last))
        return HTTP_SEND_ALL;

    if (first == -1) { /* a suffix: the last bytes */
        if (last == 0 || file->size == 0)
            return HTTP_NOT_SATISFIABLE;
        first = last < file->size ? file->size - last : 0;
        last = file->size - 1;
    }
    if (first >= file->size)
        return HTTP_NOT_SATISFIABLE;
    *ret_first = first;
    *ret_last = last == -1 || last >= file->size ? file->size - 1 : last;
    return HTTP_SEND_PART;
}
