#include "http/encoding.h"

#include "check.h"

static const struct encoding_case {
    const char *value;
    bool gzip;
} encoding_cases[] = {
    {NULL, false},
    {"", false},
    {"gzip", true},
    {"GZip", true},
    {"x-gzip", true},
    {"deflate, gzip;q=1.0, *;q=0.5", true},
    {"gzip, deflate, br, zstd", true},
    {"br,gzip", true},
    {" , gzip", true},
    {"\tgzip\t", true},
    {"deflate", false},
    {"br", false},
    {"gzipped", false},
    {"gzi", false},
    {"identity", false},
    /* weights */
    {"gzip;q=1", true},
    {"gzip;q=1.000", true},
    {"gzip;q=0.001", true},
    {"gzip ; q=0.5", true},
    {"gzip;Q=0.5", true},
    {"gzip;q=1.", true},
    {"gzip;q=0", false},
    {"gzip;q=0.0", false},
    {"gzip;q=0.000", false},
    {"identity;q=0, gzip", true},
    {"identity;q=1, gzip;q=0.5", false},
    {"identity;q=0.5, gzip;q=0.5", true},
    {"gzip;q=0.5, identity;q=0.501", false},
    {"gzip;q=0.9, identity", false},
    /* the wildcard */
    {"*", true},
    {"*;q=0.1", true},
    {"*;q=0", false},
    {"gzip;q=0, *", false},
    {"*;q=0, gzip", true},
    {"*, identity;q=0.5", true},
    {"*;q=0.4, identity;q=0.5", false},
    {"br, *;q=0", false},
    /* an unreadable weight means the coding is not accepted */
    {"gzip;q=2", false},
    {"gzip;q=1.1", false},
    {"gzip;q=1.001", false},
    {"gzip;q=0.0001", false},
    {"gzip;q=.5", false},
    {"gzip;q=", false},
    {"gzip;q", false},
    {"gzip;", false},
    {"gzip;q=-1", false},
    {"gzip;q=0.5x", false},
    {"gzip;x=1", false},
    {"gzip deflate", false},
    {"gzip;q=0.5;q=0.6", false},
    {";q=1", false},
    {",,,", false},
    {";", false},
};

static void prefers_gzip(const void *row)
{
    const struct encoding_case *c = row;

    assert_int_equal(http_prefers_gzip(c->value), c->gzip);
}

int main(void)
{
    CHECK_EACH(prefers_gzip, encoding_cases, value);
    return check_run("http/encoding");
}
