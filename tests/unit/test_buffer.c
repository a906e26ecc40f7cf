#include "base/buffer.h"

#include <string.h>

#include "check.h"

static void begins_empty(void)
{
    struct buffer buffer = {0};

    assert_string_equal(buffer_text(&buffer), "");
    assert_int_equal(buffer.length, 0);
    buffer_clear(&buffer);
    assert_string_equal(buffer_text(&buffer), "");
    buffer_free(&buffer);
}

static void appends(void)
{
    struct buffer buffer = {0};

    buffer_append(&buffer, "", 0);
    buffer_append(&buffer, "ab", 1);
    buffer_append_text(&buffer, "bc");
    buffer_append_text(&buffer, "");
    assert_string_equal(buffer_text(&buffer), "abc");
    assert_int_equal(buffer.length, 3);
    buffer_free(&buffer);
}

static void keeps_nul_bytes(void)
{
    struct buffer buffer = {0};

    buffer_append(&buffer, "a\0b", 3);
    buffer_append_text(&buffer, "c");
    assert_int_equal(buffer.length, 4);
    assert_memory_equal(buffer.data, "a\0bc", 5);
    buffer_free(&buffer);
}

static void prints(void)
{
    struct buffer buffer = {0};

    buffer_printf(&buffer, "%s=%d", "limit", 10);
    buffer_printf(&buffer, "%s", "");
    buffer_printf(&buffer, "&%.2s%%", "xyz");
    assert_string_equal(buffer_text(&buffer), "limit=10&xy%");
    assert_int_equal(buffer.length, 12);
    buffer_free(&buffer);
}

/* Everything but the unreserved characters. */
static void encodes(void)
{
    struct buffer buffer = {0};

    buffer_append_encoded(&buffer, "");
    buffer_append_encoded(&buffer, "AZaz09-._~");
    assert_string_equal(buffer_text(&buffer), "AZaz09-._~");
    buffer_append_encoded(&buffer, "/?#%&=+ \n\"\x7F\xC3\xA9");
    assert_string_equal(buffer_text(&buffer), "AZaz09-._~%2F%3F%23%25%26%3D%2B%20%0A%22%7F%C3%A9");
    buffer_free(&buffer);
}

/* Every length, to find off-by-one errors in growth. */
static void grows_by_bytes(void)
{
    struct buffer buffer = {0};

    for (size_t i = 0; i < 70000; i++) {
        char c = (char) ('a' + i % 26);

        buffer_append(&buffer, &c, 1);
        if (buffer.length != i + 1 || buffer.capacity <= buffer.length || buffer.data[i] != c
            || buffer.data[i + 1] != '\0')
            check_fail("at %zu bytes", i);
    }
    for (size_t i = 0; i < 70000; i++)
        assert_int_equal(buffer.data[i], 'a' + (int) (i % 26));
    buffer_free(&buffer);
}

static void prints_what_is_longer_than_its_room(void)
{
    struct buffer buffer = {0};

    for (int width = 1; width < 600; width += 7) {
        buffer_clear(&buffer);
        buffer_printf(&buffer, "%*d", width, 7);
        assert_int_equal(buffer.length, width);
        assert_int_equal(strlen(buffer_text(&buffer)), width);
        assert_int_equal(buffer.data[width - 1], '7');
    }
    buffer_free(&buffer);
}

static void reserves(void)
{
    struct buffer buffer = {0};

    buffer_append_text(&buffer, "abc");
    buffer_reserve(&buffer, 100000);
    assert_true(buffer.capacity >= 3 + 100000 + 1);
    assert_string_equal(buffer_text(&buffer), "abc");
    memset(buffer.data + 3, 'x', 100000);
    buffer_free(&buffer);
}

static void clears_and_keeps_its_memory(void)
{
    struct buffer buffer = {0};
    const char *memory;

    buffer_append_text(&buffer, "secret");
    memory = buffer.data;
    buffer_clear(&buffer);
    assert_int_equal(buffer.length, 0);
    assert_string_equal(buffer_text(&buffer), "");
    buffer_append_text(&buffer, "x");
    assert_ptr_equal(buffer.data, memory);
    assert_string_equal(buffer_text(&buffer), "x");
    buffer_free(&buffer);
}

static void is_empty_after_free(void)
{
    struct buffer buffer = {0};

    buffer_append_text(&buffer, "abc");
    buffer_free(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.length, 0);
    buffer_append_text(&buffer, "again");
    assert_string_equal(buffer_text(&buffer), "again");
    buffer_free(&buffer);
    buffer_free(&buffer);
}

int main(void)
{
    CHECK(begins_empty);
    CHECK(appends);
    CHECK(keeps_nul_bytes);
    CHECK(prints);
    CHECK(encodes);
    CHECK(grows_by_bytes);
    CHECK(prints_what_is_longer_than_its_room);
    CHECK(reserves);
    CHECK(clears_and_keeps_its_memory);
    CHECK(is_empty_after_free);
    return check_run("base/buffer");
}
