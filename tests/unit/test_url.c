/* base/url.c: the URLs of services. */
#include "base/url.h"

#include <string.h>

#include "check.h"

#define LABEL "abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz"

static const struct url_case {
    const char *url;
    const char *fragment; /* of the rule that it breaks; NULL: none */
} url_cases[] = {
    {"https://keystone.example.org", NULL},
    {"https://keystone.example.org/", NULL},
    {"https://keystone.example.org:5000", NULL},
    {"https://keystone.example.org:5000/identity/", NULL},
    {"https://keystone/a-b_c~d.e/..", NULL},
    {"https://192.0.2.1:5000", NULL},
    {"https://[2001:db8::1]:5000", NULL},
    {"https://" LABEL "." LABEL "." LABEL "." LABEL "/", "the form https://HOST"},
    {"http://127.0.0.1:5000", NULL},
    {"http://localhost/identity", NULL},
    {"http://[::1]", NULL},
    {"http://127.0.0.2:5000", "the scheme https, except"},
    {"http://127.0.0.11", "the scheme https, except"},
    {"http://localhost.example.org", "the scheme https, except"},
    {"http://localhosts", "the scheme https, except"},
    {"http://[::2]", "the scheme https, except"},
    {"http://[::1]x", "the form https://HOST"},
    {"http://keystone.example.org:5000", "the scheme https, except"},
    {"http://127.0.0.1@keystone.example.org", "the form https://HOST"},
    {"http://127.0.0.1:5000@keystone.example.org", "the form https://HOST"},
    {"http://127.0.0.1,keystone.example.org", "the form https://HOST"},
    {"https://user@keystone.example.org", "the form https://HOST"},
    {"https://user:password@keystone.example.org", "the form https://HOST"},
    {"https://keystone.example.org?a=b", "the form https://HOST"},
    {"https://keystone.example.org/?a=b", "the form https://HOST"},
    {"https://keystone.example.org/a#b", "the form https://HOST"},
    {"https://keystone.example.org/a b", "the form https://HOST"},
    {"https://keystone.example.org/%2e", "the form https://HOST"},
    {"https://keystone.example.org\\x", "the form https://HOST"},
    {"https://keystone.example.org:0", "the form https://HOST"},
    {"https://keystone.example.org:65536", "the form https://HOST"},
    {"https://keystone.example.org:", "the form https://HOST"},
    {"https:// keystone.example.org", "the form https://HOST"},
    {"https://a,b", "the form https://HOST"},
    {"https://[2001:db8::1", "the form https://HOST"},
    {"https://b\xC3\xBC" "cher.example", "the form https://HOST"},
    {"https://keystone.example.org/\xC3\xBC", "the form https://HOST"},
    {"https://", "the form https://HOST"},
    {"https:///a", "the form https://HOST"},
    {"HTTPS://keystone.example.org", "the form https://HOST"},
    {"ftp://keystone.example.org", "the form https://HOST"},
    {"keystone.example.org", "the form https://HOST"},
    {"", "the form https://HOST"},
};

static void urls(const void *row)
{
    const struct url_case *c = row;
    const char *rule = url_check_service(c->url);

    if (c->fragment == NULL)
        assert_null(rule);
    else if (rule == NULL || strstr(rule, c->fragment) == NULL)
        check_fail("%s: %s", c->url, rule == NULL ? "allowed" : rule);
}

int main(void)
{
    CHECK_EACH(urls, url_cases, url);
    return check_run("base/url");
}
