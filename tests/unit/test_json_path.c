/* Values at a path of a JSON object: what is missing, and what has another type. */
#include "base/json_path.h"

#include <string.h>

#include "check.h"

static const char document[] =
    "{\"a\": {\"b\": {\"s\": \"text\", \"i\": -7, \"t\": true, \"l\": [1], \"n\": null}, \"n\": null, \"s\": \"x\"},"
    " \"a.b\": 1}";

enum reader { OBJECT, ARRAY, STRING, INTEGER, BOOLEAN, VALUE };

static const struct path_case {
    enum reader reader;
    const char *path;
    const char *value; /* as JSON; NULL: an error */
    const char *reason;
} path_cases[] = {
    {OBJECT, "a", "{\"b\":{\"s\":\"text\",\"i\":-7,\"t\":true,\"l\":[1],\"n\":null},\"n\":null,\"s\":\"x\"}", NULL},
    {STRING, "a.b.s", "\"text\"", NULL},
    {INTEGER, "a.b.i", "-7", NULL},
    {BOOLEAN, "a.b.t", "true", NULL},
    {ARRAY, "a.b.l", "[1]", NULL},
    {VALUE, "a.b.i", "-7", NULL},
    {VALUE, "a.b.x", "null", NULL},
    {OBJECT, "x", "null", NULL},
    {OBJECT, "a.n", "null", NULL},
    {STRING, "x.y.z", "null", NULL},
    {STRING, "a.n.z", "null", NULL},
    {ARRAY, "a.b.n", "null", NULL},
    {INTEGER, "a.b.n", "42", NULL},
    {BOOLEAN, "a.b.n", "true", NULL},
    {STRING, "a.b.i", NULL, "a.b.i must be a string, got an integer"},
    {INTEGER, "a.b.s", NULL, "a.b.s must be an integer, got a string"},
    {BOOLEAN, "a.b.s", NULL, "a.b.s must be a boolean, got a string"},
    {ARRAY, "a.b", NULL, "a.b must be an array, got an object"},
    {OBJECT, "a.b.l", NULL, "a.b.l must be an object, got an array"},
    {STRING, "a.s.z", NULL, "a.s must be an object, got a string"},
    {VALUE, "a.b.l.z", NULL, "a.b.l must be an object, got an array"},
};

/* Reads the value as JSON. 42 and true are what missing integers and booleans become. */
static bool read_value(const struct path_case *c, struct json_object *object, struct json_object **ret_value,
                       struct error *err)
{
    struct json_object *value = NULL;
    const char *text = NULL;
    int64_t integer = 0;
    bool boolean = false, done = false;

    switch (c->reader) {
    case OBJECT:
        done = json_path_object(object, c->path, &value, err);
        break;
    case ARRAY:
        done = json_path_array(object, c->path, &value, err);
        break;
    case VALUE:
        done = json_path_value(object, c->path, &value, err);
        break;
    case STRING:
        done = json_path_string(object, c->path, &text, err);
        break;
    case INTEGER:
        done = json_path_integer(object, c->path, 42, &integer, err);
        break;
    case BOOLEAN:
        done = json_path_boolean(object, c->path, true, &boolean, err);
        break;
    }
    if (c->reader == STRING)
        *ret_value = text == NULL ? NULL : json_object_new_string(text);
    else if (c->reader == INTEGER)
        *ret_value = json_object_new_int64(integer);
    else if (c->reader == BOOLEAN)
        *ret_value = json_object_new_boolean(boolean);
    else
        *ret_value = json_object_get(value);
    return done;
}

static void paths(const void *row)
{
    const struct path_case *c = row;
    struct json_object *object = json_tokener_parse(document);
    struct json_object *value = NULL;
    struct error err = {0};

    if (c->value != NULL) {
        assert_true(read_value(c, object, &value, &err));
        assert_string_equal(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN), c->value);
    } else {
        assert_false(read_value(c, object, &value, &err));
        assert_int_equal(err.code, ERROR_PARAMETER);
        assert_string_equal(err.message, c->reason);
    }
    json_object_put(value);
    json_object_put(object);
}

static void no_object(void)
{
    struct json_object *value = NULL;
    struct error err;

    assert_true(json_path_value(NULL, "a.b", &value, &err));
    assert_null(value);
}

static void peek(void)
{
    struct json_object *object = json_tokener_parse("{\"s\": \"text\", \"i\": 1}");

    assert_string_equal(json_path_peek(object, "s"), "text");
    assert_null(json_path_peek(object, "i"));
    assert_null(json_path_peek(object, "x"));
    assert_null(json_path_peek(NULL, "s"));
    assert_null(json_path_peek(json_object_object_get(object, "i"), "s"));
    json_object_put(object);
}

int main(void)
{
    CHECK_EACH(paths, path_cases, path);
    CHECK(no_object);
    CHECK(peek);
    return check_run("base/json_path");
}
