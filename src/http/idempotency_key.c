#include "http/idempotency_key.h"

#include <string.h>

#include "base/text.h"

#define WHITESPACE " \t" /* which HTTP allows around the value of a header */

/* A key while it is read. */
struct key {
    char text[HTTP_IDEMPOTENCY_KEY_SIZE];
    size_t length;
};

/* Appends a character of printable ASCII. */
static bool append_to_key(struct key *key, char character)
{
    if (character < ' ' || character > '~' || key->length == HTTP_IDEMPOTENCY_KEY_MAX)
        return false;
    key->text[key->length++] = character;
    return true;
}

/* Reads a string after its first quote. Returns what follows its last quote, or NULL if it is invalid. */
static const char *read_string(struct key *key, const char *text)
{
    for (; *text != '"'; text++) {
        if (*text == '\\' && *++text != '"' && *text != '\\')
            return NULL;
        if (!append_to_key(key, *text))
            return NULL;
    }
    return text + 1;
}

/* Reads a bare key. Returns what follows it, or NULL if it is invalid. */
static const char *read_bare(struct key *key, const char *text)
{
    for (; *text != '\0' && strchr(WHITESPACE "\",", *text) == NULL; text++) {
        if (!append_to_key(key, *text))
            return NULL;
    }
    return text;
}

bool http_idempotency_key_parse(const char *value, char ret_key[HTTP_IDEMPOTENCY_KEY_SIZE], struct error *err)
{
    const char *text = value + strspn(value, WHITESPACE);
    struct key key = {.length = 0};
    const char *end = *text == '"' ? read_string(&key, text + 1) : read_bare(&key, text);
    char excerpt[TEXT_EXCERPT_SIZE];

    if (end == NULL || end[strspn(end, WHITESPACE)] != '\0' || key.length == 0)
        return error_set(err, ERROR_PARAMETER, "Idempotency-Key must be 1 to %d characters of printable ASCII in double"
                         " quotes, or without quotes, spaces and commas, got %s", HTTP_IDEMPOTENCY_KEY_MAX,
                         text_excerpt(excerpt, value, strlen(value)));
    memcpy(ret_key, key.text, key.length);
    ret_key[key.length] = '\0';
    return true;
}
