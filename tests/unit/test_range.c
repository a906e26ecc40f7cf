#include "http/range.h"

#include <inttypes.h>

#include "check.h"

#define ETAG "\"5d41402a\""
#define MODIFIED "Fri, 03 Apr 2026 08:15:00 GMT"
#define BEFORE "Fri, 03 Apr 2026 08:14:59 GMT"
#define AFTER "Fri, 03 Apr 2026 08:15:01 GMT"

/* Half a second after its date: HTTP dates have whole seconds only. */
static const struct http_representation file = {.etag = ETAG, .last_modified = 1775204100500, .size = 1000};
static const struct http_representation empty = {.etag = ETAG, .last_modified = 1775204100500, .size = 0};

static void check(const struct http_conditions *conditions, const struct http_representation *representation,
                  enum http_selection selection, int64_t first, int64_t last)
{
    int64_t got_first = -7, got_last = -7;
    enum http_selection got = http_select(conditions, representation, &got_first, &got_last);

    assert_int_equal(got, selection);
    if (selection == HTTP_SEND_PART && (got_first != first || got_last != last))
        check_fail("%" PRId64 "-%" PRId64 ", not %" PRId64 "-%" PRId64, got_first, got_last, first, last);
}

static const struct range_case {
    const char *range;
    enum http_selection selection;
    int64_t first, last;
} range_cases[] = {
    {NULL, HTTP_SEND_ALL, 0, 0},
    {"bytes=0-499", HTTP_SEND_PART, 0, 499},
    {"bytes=500-999", HTTP_SEND_PART, 500, 999},
    {"bytes=0-0", HTTP_SEND_PART, 0, 0},
    {"bytes=999-999", HTTP_SEND_PART, 999, 999},
    {"bytes=0-999", HTTP_SEND_PART, 0, 999},
    {"bytes=0-1000", HTTP_SEND_PART, 0, 999},
    {"bytes=500-5000", HTTP_SEND_PART, 500, 999},
    {"bytes=0-999999999999999999", HTTP_SEND_PART, 0, 999},
    {"bytes=0-", HTTP_SEND_PART, 0, 999},
    {"bytes=500-", HTTP_SEND_PART, 500, 999},
    {"bytes=999-", HTTP_SEND_PART, 999, 999},
    {"bytes=-1", HTTP_SEND_PART, 999, 999},
    {"bytes=-500", HTTP_SEND_PART, 500, 999},
    {"bytes=-1000", HTTP_SEND_PART, 0, 999},
    {"bytes=-1001", HTTP_SEND_PART, 0, 999},
    {"bytes=-999999999999999999", HTTP_SEND_PART, 0, 999},
    {"BYTES=0-1", HTTP_SEND_PART, 0, 1},
    {"bytes=0-1 \t", HTTP_SEND_PART, 0, 1},
    {"bytes=000-0001", HTTP_SEND_PART, 0, 1},
    {"bytes=00000000000000000000000-00000000000000000000001", HTTP_SEND_PART, 0, 1},
    {"bytes=0-99999999999999999999999", HTTP_SEND_PART, 0, 999},
    {"bytes=-9223372036854775808", HTTP_SEND_PART, 0, 999},
    {"bytes=1000-", HTTP_NOT_SATISFIABLE, 0, 0},
    {"bytes=1000-1000", HTTP_NOT_SATISFIABLE, 0, 0},
    {"bytes=1000-2000", HTTP_NOT_SATISFIABLE, 0, 0},
    {"bytes=999999999999999999-", HTTP_NOT_SATISFIABLE, 0, 0},
    {"bytes=9223372036854775807-", HTTP_NOT_SATISFIABLE, 0, 0},
    {"bytes=9223372036854775808-9223372036854775809", HTTP_NOT_SATISFIABLE, 0, 0},
    {"bytes=18446744073709551616-", HTTP_NOT_SATISFIABLE, 0, 0},
    {"bytes=99999999999999999999999999999999999999999-", HTTP_NOT_SATISFIABLE, 0, 0},
    {"bytes=-0", HTTP_NOT_SATISFIABLE, 0, 0},
    /* an unreadable range is ignored, and so are several ranges */
    {"", HTTP_SEND_ALL, 0, 0},
    {"bytes", HTTP_SEND_ALL, 0, 0},
    {"bytes=", HTTP_SEND_ALL, 0, 0},
    {"bytes=-", HTTP_SEND_ALL, 0, 0},
    {"bytes=5", HTTP_SEND_ALL, 0, 0},
    {"bytes=5-4", HTTP_SEND_ALL, 0, 0},
    {"bytes=2000-1999", HTTP_SEND_ALL, 0, 0},
    {"bytes=a-b", HTTP_SEND_ALL, 0, 0},
    {"bytes=0x0-0x5", HTTP_SEND_ALL, 0, 0},
    {"bytes=+0-5", HTTP_SEND_ALL, 0, 0},
    {"bytes=--5", HTTP_SEND_ALL, 0, 0},
    {"bytes=0--5", HTTP_SEND_ALL, 0, 0},
    {"bytes=0-5-9", HTTP_SEND_ALL, 0, 0},
    {"bytes=0.5-9", HTTP_SEND_ALL, 0, 0},
    {"bytes=0-5;", HTTP_SEND_ALL, 0, 0},
    {"bytes=0 -5", HTTP_SEND_ALL, 0, 0},
    {"bytes= 0-5", HTTP_SEND_ALL, 0, 0},
    {"bytes =0-5", HTTP_SEND_ALL, 0, 0},
    {"bytes:0-5", HTTP_SEND_ALL, 0, 0},
    {"byte=0-5", HTTP_SEND_ALL, 0, 0},
    {"bytess=0-5", HTTP_SEND_ALL, 0, 0},
    {"items=0-5", HTTP_SEND_ALL, 0, 0},
    {"0-5", HTTP_SEND_ALL, 0, 0},
    {"bytes=0-5,10-15", HTTP_SEND_ALL, 0, 0},
    {"bytes=0-0,-1", HTTP_SEND_ALL, 0, 0},
    {"bytes=0-5, 2000-", HTTP_SEND_ALL, 0, 0},
};

static void ranges(const void *row)
{
    const struct range_case *c = row;
    const struct http_conditions conditions = {.range = c->range};

    check(&conditions, &file, c->selection, c->first, c->last);
}

/* No range covers any part of an empty file. */
static const struct range_case empty_cases[] = {
    {NULL, HTTP_SEND_ALL, 0, 0},
    {"bytes=0-", HTTP_NOT_SATISFIABLE, 0, 0},
    {"bytes=0-0", HTTP_NOT_SATISFIABLE, 0, 0},
    {"bytes=5-9", HTTP_NOT_SATISFIABLE, 0, 0},
    {"bytes=-1", HTTP_NOT_SATISFIABLE, 0, 0},
    {"bytes=x", HTTP_SEND_ALL, 0, 0},
};

static void ranges_of_an_empty_file(const void *row)
{
    const struct range_case *c = row;
    const struct http_conditions conditions = {.range = c->range};

    check(&conditions, &empty, c->selection, c->first, c->last);
}

/* Weak comparison: W/ is ignored. */
static const struct none_match_case {
    const char *if_none_match;
    bool matches;
} none_match_cases[] = {
    {ETAG, true},
    {"W/" ETAG, true},
    {"*", true},
    {"\"a\", " ETAG, true},
    {"\"a\"," ETAG ",\"b\"", true},
    {"W/\"a\", W/" ETAG, true},
    {" ,, " ETAG, true},
    {"\"a,b\", " ETAG, true},
    {"\"5d41402\"", false},
    {"\"5d41402a0\"", false},
    {"\"5D41402A\"", false},
    {"5d41402a", false},
    {"w/" ETAG, false},
    {"\"\"", false},
    {"", false},
    {"\"a\", \"b\"", false},
    {"W/\"a\"", false},
    {"\"*\"", false},
    {"\"5d41402a", false},
};

static void if_none_match(const void *row)
{
    const struct none_match_case *c = row;
    struct http_conditions conditions = {.if_none_match = c->if_none_match};

    check(&conditions, &file, c->matches ? HTTP_NOT_MODIFIED : HTTP_SEND_ALL, 0, 0);
    conditions.range = "bytes=0-9";
    check(&conditions, &file, c->matches ? HTTP_NOT_MODIFIED : HTTP_SEND_PART, 0, 9);
    conditions.range = "bytes=5000-";
    check(&conditions, &file, c->matches ? HTTP_NOT_MODIFIED : HTTP_NOT_SATISFIABLE, 0, 0);
}

static const struct since_case {
    const char *if_modified_since;
    bool modified;
} since_cases[] = {
    {BEFORE, true}, {MODIFIED, false}, {AFTER, false}, {"Thu, 01 Jan 1970 00:00:00 GMT", true},
    {"Fri, 31 Dec 9999 23:59:59 GMT", false}, {"", true}, {"yesterday", true}, {"2026-04-03T08:15:00Z", true},
    {ETAG, true},
};

static void if_modified_since(const void *row)
{
    const struct since_case *c = row;
    const struct http_conditions conditions = {.if_modified_since = c->if_modified_since};

    check(&conditions, &file, c->modified ? HTTP_SEND_ALL : HTTP_NOT_MODIFIED, 0, 0);
}

/* If-None-Match takes precedence (RFC 9110 section 13.1.3). */
static void if_none_match_goes_first(void)
{
    struct http_conditions conditions = {.if_none_match = "\"other\"", .if_modified_since = AFTER};

    check(&conditions, &file, HTTP_SEND_ALL, 0, 0);
    conditions = (struct http_conditions) {.if_none_match = ETAG, .if_modified_since = BEFORE};
    check(&conditions, &file, HTTP_NOT_MODIFIED, 0, 0);
}

/* Strong comparison, or the exact date (RFC 9110 section 13.1.5). */
static const struct if_range_case {
    const char *if_range;
    bool applies;
} if_range_cases[] = {
    {ETAG, true}, {MODIFIED, true}, {"W/" ETAG, false}, {"\"other\"", false}, {"\"5d41402a", false}, {"\"\"", false},
    {BEFORE, false}, {AFTER, false}, {"*", false}, {"", false}, {"5d41402a", false}, {ETAG ", \"other\"", false},
    {"tomorrow", false},
};

static void if_range(const void *row)
{
    const struct if_range_case *c = row;
    struct http_conditions conditions = {.if_range = c->if_range, .range = "bytes=10-19"};

    check(&conditions, &file, c->applies ? HTTP_SEND_PART : HTTP_SEND_ALL, 10, 19);
    conditions.range = "bytes=5000-";
    check(&conditions, &file, c->applies ? HTTP_NOT_SATISFIABLE : HTTP_SEND_ALL, 0, 0);
    conditions.range = NULL;
    check(&conditions, &file, HTTP_SEND_ALL, 0, 0);
}

int main(void)
{
    CHECK_EACH(ranges, range_cases, range);
    CHECK_EACH(ranges_of_an_empty_file, empty_cases, range);
    CHECK_EACH(if_none_match, none_match_cases, if_none_match);
    CHECK_EACH(if_modified_since, since_cases, if_modified_since);
    CHECK(if_none_match_goes_first);
    CHECK_EACH(if_range, if_range_cases, if_range);
    return check_run("http/range");
}
