#include "http/query.h"

#include <string.h>

#include "base/buffer.h"
#include "check.h"

/* The pairs, written as {name}{value}. */
static const struct query_case {
    const char *text;
    const char *pairs; /* NULL: refused */
    const char *refusal;
} query_cases[] = {
    {"", "", NULL},
    {"a=1", "{a}{1}", NULL},
    {"a=1&b=2", "{a}{1}{b}{2}", NULL},
    {"b=2&a=1", "{b}{2}{a}{1}", NULL},
    {"a=", "{a}{}", NULL},
    {"a", "{a}{}", NULL},
    {"a=b=c", "{a}{b=c}", NULL},
    {"&&a=1&&", "{a}{1}", NULL},
    {"a=x+y%2Bz", "{a}{x y+z}", NULL},
    {"a%20b+c=1", "{a b c}{1}", NULL},
    {"a=%26%3D%25", "{a}{&=%}", NULL},
    {"a%3Db=1", "{a=b}{1}", NULL},
    {"a=caf%C3%A9", "{a}{caf\xC3\xA9}", NULL},
    {"a=caf\xC3\xA9", "{a}{caf\xC3\xA9}", NULL},
    {"a=%0A%7F", "{a}{\n\x7F}", NULL},
    {"a=1;b=2", "{a}{1;b=2}", NULL},
    {"a=1&A=2", "{a}{1}{A}{2}", NULL},
    {"a=?x", "{a}{?x}", NULL},
    {"a=1&a=2", NULL, "\"a\" must not occur more than once"},
    {"a=1&b=2&a=1", NULL, "\"a\" must not occur more than once"},
    {"a&a", NULL, "\"a\" must not occur more than once"},
    {"a=1&%61=2", NULL, "\"a\" must not occur more than once"},
    {"a=%", NULL, "got \"%\""},
    {"a=%4", NULL, "got \"%4\""},
    {"a=%zz", NULL, "got \"%zz\""},
    {"%zz=1", NULL, "got \"%zz=1\""},
    {"a=1&b=%FF", NULL, "got \"%FF\""},
    {"a=%00", NULL, "got \"%00\""},
    {"a%00=1", NULL, "got \"%00=1\""},
    {"a=%C0%AF", NULL, "got \"%C0%AF\""},
    {"a=%ED%A0%80", NULL, "got \"%ED%A0%80\""},
    {"a=\xFF", NULL, "got \"\\xff\""},
    {"a=secret%zz", NULL, "got \"%zz\""},
    {"a=secret\xFFx", NULL, "got \"\\xffx\""},
};

static void parses(const void *row)
{
    const struct query_case *c = row;
    struct http_query query;
    struct buffer pairs = {0};
    struct error err;
    bool good = http_query_parse(&query, c->text, &err);

    if (c->pairs == NULL) {
        assert_false(good);
        check_refusal(&err, ERROR_PARAMETER, c->refusal);
    } else {
        check_good(good, &err);
        for (size_t i = 0; i < query.count; i++)
            buffer_printf(&pairs, "{%s}{%s}", query.pairs[i].name, query.pairs[i].value);
        assert_string_equal(buffer_text(&pairs), c->pairs);
    }
    buffer_free(&pairs);
    http_query_end(&query);
}

static void finds(void)
{
    struct http_query query;
    struct error err;

    check_good(http_query_parse(&query, "limit=10&empty=&flag&%C3%A9=e", &err), &err);
    assert_string_equal(http_query_find(&query, "limit"), "10");
    assert_string_equal(http_query_find(&query, "empty"), "");
    assert_string_equal(http_query_find(&query, "flag"), "");
    assert_string_equal(http_query_find(&query, "\xC3\xA9"), "e");
    assert_null(http_query_find(&query, "Limit"));
    assert_null(http_query_find(&query, "limi"));
    assert_null(http_query_find(&query, "limits"));
    assert_null(http_query_find(&query, ""));
    http_query_end(&query);
    assert_int_equal(query.count, 0);
}

static void pairs_are_bounded(void)
{
    for (int count = HTTP_QUERY_MAX_PAIRS - 1; count <= HTTP_QUERY_MAX_PAIRS + 1; count++) {
        struct http_query query;
        struct buffer text = {0};
        struct error err;
        bool good;

        for (int i = 0; i < count; i++)
            buffer_printf(&text, "&p%d=%d", i, i);
        good = http_query_parse(&query, buffer_text(&text), &err);
        if (count <= HTTP_QUERY_MAX_PAIRS) {
            check_good(good, &err);
            assert_int_equal(query.count, count);
        } else {
            assert_false(good);
            check_refusal(&err, ERROR_PARAMETER, "at most 16 parameters");
        }
        http_query_end(&query);
        buffer_free(&text);
    }
}

static const struct mention_case {
    const char *text;
    bool mentions; /* expires */
} mention_cases[] = {
    {"", false}, {"expires", true}, {"expires=", true}, {"expires=1", true}, {"a=1&expires=1&expires=2", true},
    {"%65xpire%73=1", true}, {"a=%zz&expires=%zz", true}, {"%zz&expires", true}, {"&&expires&&", true},
    {"a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&expires", true}, {"Expires=1", false}, {"expires_=1", false},
    {"_expires=1", false}, {"expire=s", false}, {"a=expires", false}, {"a=expires=1", false}, {"expires%00=1", false},
    {"expires%=1", false}, {"expires;a=1", false},
};

static void mentions(const void *row)
{
    const struct mention_case *c = row;

    assert_int_equal(http_query_mentions(c->text, "expires"), c->mentions);
}

static void leaves_its_argument_alone(void)
{
    char text[] = "a=%41&b=+";
    struct http_query query;
    struct error err;

    check_good(http_query_parse(&query, text, &err), &err);
    assert_string_equal(text, "a=%41&b=+");
    memset(text, 'x', sizeof(text) - 1);
    assert_string_equal(http_query_find(&query, "a"), "A");
    http_query_end(&query);
}

int main(void)
{
    CHECK_EACH(parses, query_cases, text);
    CHECK(finds);
    CHECK(pairs_are_bounded);
    CHECK_EACH(mentions, mention_cases, text);
    CHECK(leaves_its_argument_alone);
    return check_run("http/query");
}
