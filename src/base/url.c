#include "base/url.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/hosts.h"

#define MAX_AUTHORITY 260 /* bytes: a host name of 253 characters, a colon and a port */
#define PATH_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-/"

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Whether the authority is a single host, optionally with a port. */
static bool is_authority(const char *authority)
{
    return *authority != '\0' && strpbrk(authority, ", \t") == NULL && hosts_is_valid(authority);
}

static bool is_loopback(const char *authority)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]"};

    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
        size_t length = strlen(hosts[i]);

        if (starts_with(authority, hosts[i]) && (authority[length] == '\0' || authority[length] == ':'))
            return true;
    }
    return false;
}

const char *url_check_service(const char *url)
{
    static const char form[] = "must be a URL of the form https://HOST[:PORT][/PATH], without user, query and fragment";
    bool encrypted = starts_with(url, "https://");
    char authority[MAX_AUTHORITY];
    size_t length;

    if (!encrypted && !starts_with(url, "http://"))
        return form;
    url += strlen(encrypted ? "https://" : "http://");
    length = strcspn(url, "/");
    if (length >= sizeof(authority))
        return form;
    snprintf(authority, sizeof(authority), "%.*s", (int) length, url);
    if (!is_authority(authority) || url[strspn(url + length, PATH_CHARACTERS) + length] != '\0')
        return form;
    if (!encrypted && !is_loopback(authority))
        return "must have the scheme https, except for the hosts localhost, 127.0.0.1 and [::1]";
    return NULL;
}
