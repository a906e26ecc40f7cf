#include "base/hosts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define NAME_LENGTH 253 /* of a host name, and of a label in it: RFC 1035 section 2.3.4 */
#define LABEL_LENGTH 63
#define WHITESPACE " \t"

struct host_entry {
    char host[NAME_LENGTH + 1];
    int port; /* 0: any */
};

/* Parses an IPv6 address in brackets. */
static bool parse_ipv6(const char *host, struct in6_addr *ret_address)
{
    char address[INET6_ADDRSTRLEN];
    size_t length = strlen(host);

    if (length < 2 || host[0] != '[' || host[length - 1] != ']' || length - 2 >= sizeof(address))
        return false;
    snprintf(address, sizeof(address), "%.*s", (int) length - 2, host + 1);
    return inet_pton(AF_INET6, address, ret_address) == 1;
}

/* Whether a program would take a host with this last label for an IPv4 address, such as 127.1 or 0x7f000001. */
static bool is_number(const char *label)
{
    return strspn(label, "0123456789") == strlen(label) || strncasecmp(label, "0x", 2) == 0;
}

static bool is_host_name(const char *host)
{
    const char *label = host;
    struct in_addr address;

    for (;;) {
        size_t length = strcspn(label, ".");

        if (length == 0 || length > LABEL_LENGTH)
            return false;
        for (size_t i = 0; i < length; i++) {
            if (!isalnum((unsigned char) label[i]) && label[i] != '-' && label[i] != '_')
                return false;
        }
        if (label[length] == '\0')
            return !is_number(label) || inet_pton(AF_INET, host, &address) == 1;
        label += length + 1;
    }
}

/* Parses the entry at the beginning of a list, up to the comma or the end. */
static bool parse_entry(const char *list, struct host_entry *ret_entry)
{
    size_t length = strcspn(list, ","), skipped = strspn(list, WHITESPACE);
    char text[NAME_LENGTH + sizeof(":65535")];
    struct in6_addr address;
    int64_t port = 0;
    char *colon;

    if (skipped >= length)
        return false;
    length -= skipped;
    while (strchr(WHITESPACE, list[skipped + length - 1]) != NULL)
        length--;
    if (length >= sizeof(text))
        return false;
    snprintf(text, sizeof(text), "%.*s", (int) length, list + skipped);

    colon = strchr(text[0] == '[' ? text + strcspn(text, "]") : text, ':');
    if (colon != NULL) {
        if (!text_parse_digits(colon + 1, 5, &port) || port < 1 || port > 65535)
            return false;
        *colon = '\0';
    }
    if (strlen(text) > NAME_LENGTH || !(text[0] == '[' ? parse_ipv6(text, &address) : is_host_name(text)))
        return false;
    strcpy(ret_entry->host, text);
    ret_entry->port = (int) port;
    return true;
}

/* Returns the rest of the list after its first entry, or NULL if there is no other entry. */
static const char *next_entry(const char *list)
{
    const char *comma = strchr(list, ',');

    return comma == NULL ? NULL : comma + 1;
}

bool hosts_is_valid(const char *list)
{
    struct host_entry entry;

    if (list[strspn(list, WHITESPACE)] == '\0')
        return true;
    for (; list != NULL; list = next_entry(list)) {
        if (!parse_entry(list, &entry))
            return false;
    }
    return true;
}

static bool is_same_host(const char *a, const char *b)
{
    struct in6_addr address, other;

    if (parse_ipv6(a, &address) && parse_ipv6(b, &other))
        return memcmp(&address, &other, sizeof(address)) == 0;
    return text_equal_ignoring_case(a, b);
}

bool hosts_contains(const char *list, const char *host, int port)
{
    struct host_entry entry;

    for (; list != NULL; list = next_entry(list)) {
        if (parse_entry(list, &entry) && (entry.port == 0 || entry.port == port) && is_same_host(entry.host, host))
            return true;
    }
    return false;
}
