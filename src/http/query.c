#include "http/query.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/*
 * Returns the part of a pair that may be invalid, for a message. What precedes it is valid, and may be a secret: the
 * signature of a link that has grown at its end.
 */
static const char *skip_plain_text(const char *pair)
{
    while (*pair != '\0' && *pair != '%' && (unsigned char) *pair < 0x80)
        pair++;
    return pair;
}

static bool add_pair(struct http_query *query, char *pair, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];
    char *value;

    text_excerpt(excerpt, skip_plain_text(pair), strlen(skip_plain_text(pair)));
    if (!text_decode_pair(pair, &value))
        return error_set(err, ERROR_PARAMETER, "the query must be percent-encoded UTF-8 without U+0000, got %s",
                         excerpt);
    if (http_query_find(query, pair) != NULL)
        return error_set(err, ERROR_PARAMETER, "query parameter %s must not occur more than once",
                         text_excerpt(excerpt, pair, strlen(pair)));
    if (query->count == HTTP_QUERY_MAX_PAIRS)
        return error_set(err, ERROR_PARAMETER, "the query must have at most %d parameters, got more",
                         HTTP_QUERY_MAX_PAIRS);
    query->pairs[query->count].name = pair;
    query->pairs[query->count].value = value;
    query->count++;
    return true;
}

bool http_query_parse(struct http_query *query, const char *text, struct error *err)
{
    char *rest;
    char *pair;

    *query = (struct http_query) {.text = memory_copy_text(text)};
    rest = query->text;
    while ((pair = text_next_pair(&rest)) != NULL) {
        if (!add_pair(query, pair, err))
            return false;
    }
    return true;
}

bool http_query_mentions(const char *text, const char *name)
{
    char *copy = memory_copy_text(text);
    char *rest = copy;
    bool found = false;
    char *pair;

    while (!found && (pair = strsep(&rest, "&")) != NULL) {
        pair[strcspn(pair, "=")] = '\0';
        found = text_percent_decode(pair, true) && strcmp(pair, name) == 0;
    }
    free(copy);
    return found;
}

void http_query_end(struct http_query *query)
{
    free(query->text);
    *query = (struct http_query) {0};
}

const char *http_query_find(const struct http_query *query, const char *name)
{
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->pairs[i].name, name) == 0)
            return query->pairs[i].value;
    }
    return NULL;
}
