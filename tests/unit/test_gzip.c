#include "base/gzip.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "check.h"
#include "gunzip.h"

/* A sink that takes a number of bytes and then fails. */
struct sink {
    struct buffer taken;
    size_t room;
};

static bool take(void *context, const char *data, size_t length, struct error *err)
{
    struct sink *sink = context;

    assert_true(length > 0);
    if (sink->taken.length + length > sink->room)
        return error_set(err, ERROR_STORAGE, "no room");
    buffer_append(&sink->taken, data, length);
    return true;
}

enum kind {
    ZEROS, /* compresses well */
    NOISE, /* does not compress */
};

static const struct text_case {
    const char *name;
    enum kind kind;
    size_t length;
    size_t piece; /* bytes in one write */
} text_cases[] = {
    {"nothing", ZEROS, 0, 1},
    {"a byte", ZEROS, 1, 1},
    {"byte by byte", NOISE, 5000, 1},
    {"one large write", ZEROS, 3000000, 3000000},
    {"noise in one write", NOISE, 1000000, 1000000},
    {"noise in pieces", NOISE, 1000000, 4097},
    {"as much as is passed on at once", NOISE, 32 * 1024, 32 * 1024},
};

static char *make_text(const struct text_case *c)
{
    char *text = memory_zeroed(c->length + 1, 1);
    unsigned state = 1;

    for (size_t i = 0; c->kind == NOISE && i < c->length; i++) {
        state = state * 1103515245 + 12345;
        text[i] = (char) (state >> 16);
    }
    return text;
}

static void keeps_the_text(const void *row)
{
    const struct text_case *c = row;
    struct sink sink = {.room = SIZE_MAX};
    struct gzip *gzip = gzip_new(take, &sink);
    struct buffer text = {0};
    char *original = make_text(c);
    struct error err;

    for (size_t at = 0; at < c->length; at += c->piece)
        check_good(gzip_write(gzip, original + at, c->length - at < c->piece ? c->length - at : c->piece, &err), &err);
    check_good(gzip_end(gzip, &err), &err);
    gzip_free(gzip);
    gunzip(sink.taken.data, sink.taken.length, &text);
    assert_int_equal(text.length, c->length);
    assert_int_equal(memcmp(buffer_text(&text), original, c->length), 0);
    if (c->kind == ZEROS && c->length > 1000)
        assert_true(sink.taken.length < c->length / 100);
    buffer_free(&sink.taken);
    buffer_free(&text);
    free(original);
}

/* Memory does not grow with the stream: output is passed on early. */
static void passes_on_as_it_goes(void)
{
    const struct text_case noise = {"", NOISE, 1000000, 1000000};
    struct sink sink = {.room = SIZE_MAX};
    struct gzip *gzip = gzip_new(take, &sink);
    char *text = make_text(&noise);
    struct error err;

    check_good(gzip_write(gzip, text, noise.length, &err), &err);
    assert_true(sink.taken.length > noise.length - 200000);
    gzip_free(gzip);
    buffer_free(&sink.taken);
    free(text);
}

static void says_why_the_sink_failed(void)
{
    const struct text_case noise = {"", NOISE, 1000000, 1000000};
    struct sink sink = {.room = 100000};
    struct gzip *gzip = gzip_new(take, &sink);
    char *text = make_text(&noise);
    struct error err;

    assert_false(gzip_write(gzip, text, noise.length, &err));
    check_refusal(&err, ERROR_STORAGE, "no room");
    gzip_free(gzip);
    buffer_free(&sink.taken);

    sink = (struct sink) {.room = 0};
    gzip = gzip_new(take, &sink);
    check_good(gzip_write(gzip, "x", 1, &err), &err);
    assert_false(gzip_end(gzip, &err));
    check_refusal(&err, ERROR_STORAGE, "no room");
    gzip_free(gzip);
    free(text);
}

static void freeing_nothing_is_fine(void)
{
    gzip_free(NULL);
}

int main(void)
{
    CHECK_EACH(keeps_the_text, text_cases, name);
    CHECK(passes_on_as_it_goes);
    CHECK(says_why_the_sink_failed);
    CHECK(freeing_nothing_is_fine);
    return check_run("base/gzip");
}
