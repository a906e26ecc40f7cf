#include "http/prefer.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

/* Returns the end of the element that begins at `text`: the next comma outside quotes, or the end of the text. */
static const char *end_of_element(const char *text)
{
    bool quoted = false;

    for (; *text != '\0' && (quoted || *text != ','); text++) {
        if (*text == '\\' && quoted && text[1] != '\0')
            text++;
        else if (*text == '"')
            quoted = !quoted;
    }
    return text;
}

/* Copies from `text` to `end` without leading and trailing whitespace, cut to `size`. */
static void copy_trimmed(char *out, size_t size, const char *text, const char *end)
{
    while (text < end && strchr(" \t", *text) != NULL)
        text++;
    while (end > text && strchr(" \t", end[-1]) != NULL)
        end--;
    snprintf(out, size, "%.*s", (int) (end - text), text);
}

/* Parses a number of seconds, as a token or a quoted string. */
static bool parse_wait(char *value, int *ret_wait)
{
    size_t length = strlen(value);
    int64_t seconds;

    if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
        value[length - 1] = '\0';
        value++;
        length -= 2;
    }
    if (length == 0 || strspn(value, "0123456789") != length)
        return false;
    if (!text_parse_digits(value, 9, &seconds) || seconds > HTTP_PREFER_MAX_WAIT)
        seconds = HTTP_PREFER_MAX_WAIT;
    *ret_wait = (int) seconds;
    return true;
}

struct http_prefer http_prefer_parse(const char *value)
{
    struct http_prefer prefer = {.wait = -1};
    bool seen_wait = false;

    while (value != NULL && *value != '\0') {
        const char *end = end_of_element(value);
        const char *semicolon = memchr(value, ';', (size_t) (end - value));
        const char *token_end = semicolon == NULL ? end : semicolon;
        const char *equals = memchr(value, '=', (size_t) (token_end - value));
        char name[32], argument[64];

        copy_trimmed(name, sizeof(name), value, equals == NULL ? token_end : equals);
        copy_trimmed(argument, sizeof(argument), equals == NULL ? token_end : equals + 1, token_end);
        if (strcasecmp(name, "respond-async") == 0)
            prefer.respond_async = true;
        if (strcasecmp(name, "wait") == 0 && !seen_wait)
            seen_wait = parse_wait(argument, &prefer.wait);
        value = *end == ',' ? end + 1 : end;
    }
    return prefer;
}
