#include "http/prefer.h"

#include "check.h"

static const struct prefer_case {
    const char *value;
    int wait;
    bool respond_async;
} prefer_cases[] = {
    {NULL, -1, false},
    {"", -1, false},
    {"wait=0", 0, false},
    {"wait=1", 1, false},
    {"wait=59", 59, false},
    {"wait=60", 60, false},
    {"wait=61", 60, false},
    {"wait=3600", 60, false},
    {"wait=99999999999999999999", 60, false},
    {"wait=1000000000000000000000000000000000000000000000000000000000000000000000000000000", 60, false},
    {"wait=007", 7, false},
    {"wait=\"10\"", 10, false},
    {"wait = 10", 10, false},
    {"  wait=10  ", 10, false},
    {"\twait=10", 10, false},
    {"Wait=10", 10, false},
    {"WAIT=10", 10, false},
    {"respond-async", -1, true},
    {"Respond-Async", -1, true},
    {"respond-async, wait=10", 10, true},
    {"wait=10,respond-async", 10, true},
    {"respond-async,,wait=10", 10, true},
    {", , wait=10", 10, false},
    {"wait=10; x=y", 10, false},
    {"wait=10;x", 10, false},
    {"respond-async; x=\"a, wait=5\"", -1, true},
    {"return=minimal, wait=10, handling=lenient", 10, false},
    {"foo=\"a, b\", wait=10", 10, false},
    {"foo=\"wait=5, respond-async\"", -1, false},
    {"foo=\"a\\\", wait=5, \", respond-async", -1, true},
    {"foo; wait=5", -1, false},
    {"foo; respond-async", -1, false},
    /* the first of two counts */
    {"wait=5, wait=10", 5, false},
    {"wait=10, wait=5", 10, false},
    {"wait=0, wait=10", 0, false},
    {"WAIT=5, wait=10", 5, false},
    /* an unreadable preference is ignored */
    {"wait", -1, false},
    {"wait=", -1, false},
    {"wait=\"\"", -1, false},
    {"wait=x", -1, false},
    {"wait=-1", -1, false},
    {"wait=+5", -1, false},
    {"wait=1.5", -1, false},
    {"wait=1e1", -1, false},
    {"wait=0x5", -1, false},
    {"wait=5s", -1, false},
    {"wait=5 6", -1, false},
    {"wait=\"5", -1, false},
    {"wait=5\"", -1, false},
    {"wait=' 5'", -1, false},
    {"wait=x, respond-async", -1, true},
    {"waits=5", -1, false},
    {"await=5", -1, false},
    {"wait:5", -1, false},
    {"\"wait=5\"", -1, false},
    {"respond-asynchronously", -1, false},
    {"respond async", -1, false},
    {"\"", -1, false},
    {"\\", -1, false},
    {"\"\\", -1, false},
    {"=", -1, false},
    {";", -1, false},
    {"\xFF\xFE", -1, false},
};

static void parses(const void *row)
{
    const struct prefer_case *c = row;
    struct http_prefer prefer = http_prefer_parse(c->value);

    assert_int_equal(prefer.wait, c->wait);
    assert_int_equal(prefer.respond_async, c->respond_async);
}

int main(void)
{
    CHECK_EACH(parses, prefer_cases, value);
    return check_run("http/prefer");
}
