#include "http/query.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/*
 * Rejects a pair that cannot be decoded. `pair` is its place in the query. The message has the name and the part that
 * may be invalid. What precedes that part is valid, and may be a secret: the signature of a link that has grown at its
 * end.
 */
static bool reject_pair(const char *pair, struct error *err)
{
    char name[TEXT_EXCERPT_SIZE], rest[TEXT_EXCERPT_SIZE];
    size_t plain = 0, length = strcspn(pair, "=&"), end = strcspn(pair, "&");

    while (plain < end && pair[plain] != '%' && (unsigned char) pair[plain] < 0x80)
        plain++;
    text_excerpt(rest, pair + plain, end - plain);
    if (plain <= length)
        return error_set(err, ERROR_PARAMETER, "the query must be percent-encoded UTF-8 without U+0000, got %s", rest);
    return error_set(err, ERROR_PARAMETER, "query parameter %s must be percent-encoded UTF-8 without U+0000, got %s",
                     text_excerpt(name, pair, length), rest);
}

/* Decodes and adds a pair. `original` is the same pair in the text of the query. */
static bool add_pair(struct http_query *query, char *pair, const char *original, struct error *err)
{
    char excerpt[TEXT_EXCERPT_SIZE];
    char *value;

    if (!text_decode_pair(pair, &value))
        return reject_pair(original, err);
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
        if (!add_pair(query, pair, text + (pair - query->text), err))
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

    while (!found && (pair = text_next_pair(&rest)) != NULL) {
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
