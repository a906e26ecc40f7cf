#include "base/hosts.h"

#include "check.h"

#define L63 "a23456789012345678901234567890123456789012345678901234567890123"
#define L61 "a234567890123456789012345678901234567890123456789012345678901"

static const struct valid_case {
    const char *list;
    bool valid;
} valid_cases[] = {
    {"", true},
    {" \t", true},
    {"a", true},
    {"hooks.example.org", true},
    {"hooks.example.org:443", true},
    {" a ,\tb:1 , c:65535", true},
    {"Hooks.EXAMPLE.org,xn--bcher-kva.example,my_host-1", true},
    {"1a.2b,3com", true},
    {"127.0.0.1,10.0.0.1:80", true},
    {"[::1],[2001:db8::1]:8443,[::ffff:192.0.2.1]", true},
    {L63 "." L63 "." L63 "." L61, true},
    {L63 "." L63 "." L63 "." L61 ":65535", true},
    {L63 "." L63 "." L63 "." L61 "x", false},
    {L63 "x", false},
    {",", false},
    {"a,", false},
    {",a", false},
    {"a,,b", false},
    {"a, ,b", false},
    {"a b", false},
    {"a;b", false},
    {"a:", false},
    {"a:0", false},
    {"a:65536", false},
    {"a:+1", false},
    {"a:80:80", false},
    {":80", false},
    {"a :80", false},
    {"a.", false},
    {".a", false},
    {"a..b", false},
    {"*", false},
    {"*.example.org", false},
    {"https://a", false},
    {"a/b", false},
    {"u@a", false},
    {"b\xC3\xBC.example", false},
    {"a%2eb", false},
    {"::1", false},
    {"[::1", false},
    {"[::1]x", false},
    {"[::1]:", false},
    {"[]", false},
    {"[", false},
    {"[a]", false},
    {"[127.0.0.1]", false},
    {"[fe80::1%eth0]", false},
    {"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]", false},
    {"127.1", false},
    {"127.0.0.1.", false},
    {"127.0.0.256", false},
    {"127.0.0.01", false},
    {"2130706433", false},
    {"0x7f000001", false},
    {"0X7F.1", false},
    {"a.0x1", false},
    {"a.1", false},
};

static void validity(const void *row)
{
    const struct valid_case *c = row;

    assert_int_equal(hosts_is_valid(c->list), c->valid);
}

static const struct match_case {
    const char *label;
    const char *list;
    const char *host;
    int port;
    bool contained;
} match_cases[] = {
    {"none", "", "a", 443, false},
    {"any port", "a.example", "a.example", 1234, true},
    {"the port", "a.example:8443", "a.example", 8443, true},
    {"another port", "a.example:8443", "a.example", 443, false},
    {"the port of the next entry", "a.example:1,a.example:2", "a.example", 2, true},
    {"the port of another host", "a.example:1,b.example:2", "a.example", 2, false},
    {"the last entry", "x, y:1 ,\ta.example ", "a.example", 443, true},
    {"case of the list", "A.Example", "a.example", 443, true},
    {"case of the host", "a.example", "A.EXAMPLE", 443, true},
    {"a longer name", "a.example", "a.example.org", 443, false},
    {"a shorter name", "a.example.org", "a.example", 443, false},
    {"a name below it", "a.example", "b.a.example", 443, false},
    {"a trailing dot", "a.example", "a.example.", 443, false},
    {"an empty host", "a,,b", "", 443, false},
    {"an IPv4 address", "127.0.0.1:80", "127.0.0.1", 80, true},
    {"another IPv4 address", "127.0.0.1", "127.0.0.11", 80, false},
    {"an IPv6 address", "[::1]", "[::1]", 80, true},
    {"another form of an IPv6 address", "[2001:DB8:0:0::1]:80", "[2001:db8::1]", 80, true},
    {"another IPv6 address", "[::1]", "[::2]", 80, false},
    {"another port of an IPv6 address", "[::1]:80", "[::1]", 81, false},
    {"an IPv4 address as IPv6", "127.0.0.1", "[::ffff:127.0.0.1]", 80, false},
    {"an invalid entry", "a b,c", "a b", 443, false},
    {"an entry after an invalid one", "a b,c", "c", 443, true},
};

static void matches(const void *row)
{
    const struct match_case *c = row;

    assert_int_equal(hosts_contains(c->list, c->host, c->port), c->contained);
}

int main(void)
{
    CHECK_EACH(validity, valid_cases, list);
    CHECK_EACH(matches, match_cases, label);
    return check_run("base/hosts");
}
