#include "http/idempotency_key.h"

#include <assert.h>

#include "check.h"

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define MOST FIFTY FIFTY FIFTY FIFTY FIFTY "01234"

static_assert(sizeof(MOST) == HTTP_IDEMPOTENCY_KEY_SIZE, "MOST has the largest number of characters");

static const struct key_case {
    const char *value;
    const char *key; /* NULL: invalid */
} key_cases[] = {
    {"k", "k"},
    {"\"k\"", "k"},
    {"8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"},
    {"\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324"},
    {"K", "K"},
    {" k ", "k"},
    {"\tk\t ", "k"},
    {" \"k\" ", "k"},
    {"\" k \"", " k "},
    {"\" \"", " "},
    {"\"a, b\"", "a, b"},
    {"\"a\\\"b\"", "a\"b"},
    {"\"a\\\\b\"", "a\\b"},
    {"\"\\\\\"", "\\"},
    {"\"\\\"\"", "\""},
    {"a\\b", "a\\b"},
    {"a\\\\b", "a\\\\b"},
    {"!#$%&'()*+-./:;<=>?@[\\]^_`{|}~", "!#$%&'()*+-./:;<=>?@[\\]^_`{|}~"},
    {"'k'", "'k'"},
    {":azE=:", ":azE=:"},
    {"?1", "?1"},
    {"1.5", "1.5"},
    {"k;a=1", "k;a=1"},
    {MOST, MOST},
    {"\"" MOST "\"", MOST},
    {"\"\\\"" FIFTY FIFTY FIFTY FIFTY FIFTY "0123\"", "\"" FIFTY FIFTY FIFTY FIFTY FIFTY "0123"},
    /* none, or too long */
    {"", NULL},
    {" \t", NULL},
    {"\"\"", NULL},
    {" \"\" ", NULL},
    {MOST "5", NULL},
    {"\"" MOST "5\"", NULL},
    {"\"" MOST "\\\"\"", NULL},
    /* not a whole string */
    {"\"", NULL},
    {"\"k", NULL},
    {"k\"", NULL},
    {"a\"b", NULL},
    {"\"a\"b\"", NULL},
    {"\"\"\"", NULL},
    {"\"k\\\"", NULL},
    {"\"k\\", NULL},
    {"\"\\k\"", NULL},
    {"\"\\ \"", NULL},
    {"\"k\";a=1", NULL},
    {"\"k\" l", NULL},
    {"\"k\"l", NULL},
    /* repeated headers */
    {"a, b", NULL},
    {"a,b", NULL},
    {"k,", NULL},
    {",k", NULL},
    {"\"k\", \"k\"", NULL},
    {"k, \"k\"", NULL},
    /* other characters */
    {"a b", NULL},
    {"a\tb", NULL},
    {"\"a\tb\"", NULL},
    {"\"\x7F\"", NULL},
    {"\x7F", NULL},
    {"\x01", NULL},
    {"\"\n\"", NULL},
    {"k\r", NULL},
    {"\xC3\xA9", NULL},
    {"\"\xC3\xA9\"", NULL},
    {"\xFF", NULL},
};

static void parses(const void *row)
{
    const struct key_case *c = row;
    char key[HTTP_IDEMPOTENCY_KEY_SIZE] = "unchanged";
    struct error err;

    if (c->key != NULL) {
        check_good(http_idempotency_key_parse(c->value, key, &err), &err);
        assert_string_equal(key, c->key);
        return;
    }
    assert_false(http_idempotency_key_parse(c->value, key, &err));
    check_refusal(&err, ERROR_PARAMETER, "Idempotency-Key must be 1 to 255 characters of printable ASCII");
    assert_string_equal(key, "unchanged");
}

static void the_message_has_the_value(void)
{
    char key[HTTP_IDEMPOTENCY_KEY_SIZE];
    struct error err;

    assert_false(http_idempotency_key_parse("a, b", key, &err));
    check_refusal(&err, ERROR_PARAMETER, "got \"a, b\"");
}

int main(void)
{
    CHECK_EACH(parses, key_cases, value);
    CHECK(the_message_has_the_value);
    return check_run("http/idempotency_key");
}
