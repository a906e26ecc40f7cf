#include "http/encoding.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define NOT_LISTED (-1)

static const char whitespace[] = " \t";

/*
 * Parses the weight that follows a coding, ";q=0.5" or nothing, up to `end`. Returns thousandths, 0 if it is invalid.
 */
static int parse_weight(const char *text, const char *end)
{
    int weight;

    text += strspn(text, whitespace);
    if (text >= end)
        return 1000;
    if (*text != ';')
        return 0;
    text += 1 + strspn(text + 1, whitespace);
    if (strncasecmp(text, "q=", 2) != 0 || (text[2] != '0' && text[2] != '1'))
        return 0;
    weight = (text[2] - '0') * 1000;
    text += 3;
    if (*text == '.') {
        text++;
        for (int unit = 100; unit > 0 && isdigit((unsigned char) *text); unit /= 10)
            weight += (*text++ - '0') * unit;
    }
    text += strspn(text, whitespace);
    return text >= end && weight <= 1000 ? weight : 0;
}

static bool is_coding(const char *element, size_t length, const char *coding)
{
    return length == strlen(coding) && strncasecmp(element, coding, length) == 0;
}

bool http_prefers_gzip(const char *accept_encoding)
{
    const char *element = accept_encoding == NULL ? "" : accept_encoding;
    int gzip = NOT_LISTED, identity = NOT_LISTED, others = NOT_LISTED;

    while (*element != '\0') {
        const char *end = element + strcspn(element, ",");
        size_t length;
        int weight;

        element += strspn(element, whitespace);
        length = strcspn(element, " \t;,");
        weight = parse_weight(element + length, end);
        if (is_coding(element, length, "gzip") || is_coding(element, length, "x-gzip"))
            gzip = weight;
        else if (is_coding(element, length, "identity"))
            identity = weight;
        else if (is_coding(element, length, "*"))
            others = weight;
        element = *end == ',' ? end + 1 : end;
    }
    if (gzip == NOT_LISTED)
        gzip = others;
    return gzip > 0 && gzip >= identity;
}
