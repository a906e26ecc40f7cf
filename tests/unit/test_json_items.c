/* The items of a stream of JSON, however the input is split. input_peek returns at most `split` bytes. */
#include "base/json_items.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "check.h"
#include "scratch.h"

bool __real_input_peek(struct input *input, size_t wanted, const char **ret_data, size_t *ret_length,
                       struct error *err);
bool __wrap_input_peek(struct input *input, size_t wanted, const char **ret_data, size_t *ret_length,
                       struct error *err);

static size_t split;

bool __wrap_input_peek(struct input *input, size_t wanted, const char **ret_data, size_t *ret_length,
                       struct error *err)
{
    if (!__real_input_peek(input, wanted, ret_data, ret_length, err))
        return false;
    if (*ret_length > split)
        *ret_length = split;
    return true;
}

/* Appends "NUMBER@LINE KIND TEXT|" for each item; KIND is what it is an element of, "list" or "array", or "text". */
static bool list_items(const char *data, size_t length, struct buffer *out, struct error *err)
{
    static const char *const lists[] = {"items", "Results", NULL};
    char *path = scratch_write("items", data, length);
    struct input *input = input_open(path, err);
    struct json_items *items = json_items_new(input, lists);
    enum json_items_state state;
    struct json_item item;

    while ((state = json_items_next(items, &item, err)) == JSON_ITEMS_ITEM) {
        const char *kind = !item.is_element ? "text" : item.in_array ? "array" : "list";

        assert_int_equal(strlen(item.text), item.length);
        buffer_printf(out, "%" PRId64 "@%" PRId64 " %s %s|", item.number, item.line, kind, item.text);
    }
    json_items_free(items);
    input_close(input);
    free(path);
    return state == JSON_ITEMS_END;
}

static const struct items_case {
    const char *text;
    const char *items;
} items_cases[] = {
    {"", ""},
    {" \n", ""},
    {"{}", "1@1 text {}|"},
    {"[]", "1@1 text []|"},
    {"null", "1@1 text null|"},
    {"null\n\"a b\" 1 2", "1@1 text null|2@2 text \"a b\"|3@2 text 1|4@2 text 2|"},
    {"{\"a\":1}{\"b\":2}\n\n{\"c\":3}", "1@1 text {\"a\":1}|2@1 text {\"b\":2}|3@3 text {\"c\":3}|"},
    {"[1,\n \"a,]\" ,{\"b\":[2,3]},[4]]",
     "1@1 array 1|2@2 array \"a,]\" |3@2 array {\"b\":[2,3]}|4@2 array [4]|5@1 text []|"},
    {"{\"items\":[{\"a\":1},\n{\"b\":\"}]\"}],\"kind\":\"List\"}",
     "1@1 list {\"a\":1}|2@2 list {\"b\":\"}]\"}|3@1 text {\"items\":[],\"kind\":\"List\"}|"},
    {"{\"Results\":[1],\"x\":{\"items\":[2]},\"items\":[3]}",
     "1@1 list 1|2@1 list 3|3@1 text {\"Results\":[],\"x\":{\"items\":[2]},\"items\":[]}|"},
    {"{\"items\":{\"items\":[1]}}", "1@1 text {\"items\":{\"items\":[1]}}|"},
    {"{\"x\":\"items\",\"y\":[1]}", "1@1 text {\"x\":\"items\",\"y\":[1]}|"},
    {"{\"ite\":[1],\"itemss\":[2]}", "1@1 text {\"ite\":[1],\"itemss\":[2]}|"},
    {"[\"\\\\\",\"\\\"]\",\"\\u005d\"]", "1@1 array \"\\\\\"|2@1 array \"\\\"]\"|3@1 array \"\\u005d\"|4@1 text []|"},
    {"[{\"items\":[1]}]", "1@1 array {\"items\":[1]}|2@1 text []|"},
    {"{\"items\":[1]}\n{\"items\":[2]}",
     "1@1 list 1|2@1 text {\"items\":[]}|3@2 list 2|4@2 text {\"items\":[]}|"},
};

static void items_of_a_stream(const void *row)
{
    const struct items_case *c = row;
    size_t length = strlen(c->text);

    for (split = 1; split <= length + 1; split++) {
        struct buffer out = {0};
        struct error err;

        check_good(list_items(c->text, length, &out, &err), &err);
        assert_string_equal(buffer_text(&out), c->items);
        buffer_free(&out);
    }
}

/* Each beginning of a text that is not the text is refused, and none crashes. */
static void truncated_texts(const void *row)
{
    const struct items_case *c = row;
    size_t length = strlen(c->text);

    if (c->text[0] != '{' && c->text[0] != '[')
        return;
    split = 5;
    for (size_t end = 1; end < length; end++) {
        struct buffer out = {0};
        struct error err;

        if (!list_items(c->text, end, &out, &err))
            check_refusal(&err, ERROR_BODY, "it ends before the JSON is complete");
        else
            assert_true(c->text[end - 1] == '}' || c->text[end - 1] == '\n'); /* between two texts */
        buffer_free(&out);
    }
}

static const struct bad_case {
    const char *label;
    const char *text;
    size_t length;
    const char *reason;
} bad_cases[] = {
    {"a bracket of the other kind", BYTES("{\"a\":1]"), "line 1: the input is not valid JSON: unexpected ]"},
    {"in an item", BYTES("\n[{\"a\":1]"), "line 2: the input is not valid JSON: unexpected ]"},
    {"a bracket too many", BYTES("{}}"), "a JSON text must begin with"},
    {"no element", BYTES("[,1]"), "an element is missing"},
    {"no element at the end", BYTES("[1,]"), "an element is missing"},
    {"no element between", BYTES("[1,,2]"), "an element is missing"},
    {"a comma between texts", BYTES("{},{}"), "a JSON text must begin with"},
    {"NUL", BYTES("\0"), "a JSON text must begin with"},
    {"NUL after a text", BYTES("{}\0"), "a JSON text must begin with"},
    {"a byte order mark", BYTES("\xEF\xBB\xBF{}"), "a JSON text must begin with"},
    {"a string without an end", BYTES("\"a"), "it ends before the JSON is complete"},
};

static void bad_streams(const void *row)
{
    const struct bad_case *c = row;

    for (split = 1; split <= c->length + 1; split++) {
        struct buffer out = {0};
        struct error err;

        assert_false(list_items(c->text, c->length, &out, &err));
        check_refusal(&err, ERROR_BODY, c->reason);
        buffer_free(&out);
    }
}

static void nesting(void)
{
    struct buffer text = {0}, out = {0};
    struct error err;

    split = 1000;
    for (int i = 0; i < 1000; i++)
        buffer_append_text(&text, "[");
    assert_false(list_items(buffer_text(&text), text.length, &out, &err));
    check_refusal(&err, ERROR_BODY, "it ends before the JSON is complete");
    buffer_append_text(&text, "[");
    assert_false(list_items(buffer_text(&text), text.length, &out, &err));
    check_refusal(&err, ERROR_BODY, "nested more than 1000 levels deep");
    buffer_free(&text);
    buffer_free(&out);
}

static void longest_item(void)
{
    struct buffer text = {0}, out = {0};
    struct error err;

    split = INPUT_MAX_PEEK;
    buffer_append_text(&text, "[\"");
    buffer_reserve(&text, JSON_ITEM_MAX_LENGTH);
    memset(text.data + text.length, 'x', JSON_ITEM_MAX_LENGTH);
    text.length += JSON_ITEM_MAX_LENGTH;
    assert_false(list_items(text.data, text.length, &out, &err));
    check_refusal(&err, ERROR_BODY, "an item is longer than 64 MiB");
    buffer_free(&text);
    buffer_free(&out);
}

int main(void)
{
    CHECK_EACH(items_of_a_stream, items_cases, text);
    CHECK_EACH(truncated_texts, items_cases, text);
    CHECK_EACH(bad_streams, bad_cases, label);
    CHECK(nesting);
    CHECK(longest_item);
    return check_run("base/json_items");
}
