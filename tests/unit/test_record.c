#include "http/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "check.h"

#define BEGIN "\1\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0"
#define PARAMS_END "\1\4\0\1\0\0\0\0"
#define STDIN_END "\1\5\0\1\0\0\0\0"

/*
 * The result of a reader, as text: the content unchanged, `/` for the end of a stream, `m` and the type for a
 * management record, `!` for an abort, `?` and the problem for invalid data, `.` where more data is needed.
 */
struct reading {
    struct record_reader reader;
    struct buffer told;
};

static void feed(struct reading *reading, const char *data, size_t length)
{
    struct record_bytes bytes = {data, length};

    for (;;) {
        struct record_bytes content = {0};
        const char *before = bytes.data;
        enum record_event event = record_read(&reading->reader, &bytes, &content);

        assert_true(bytes.data >= before && bytes.data + bytes.length == data + length);
        switch (event) {
        case RECORD_NEEDS_MORE:
            assert_int_equal(bytes.length, 0);
            return;
        case RECORD_CONTENT:
            assert_true(content.length > 0 && content.data >= before && content.data + content.length <= bytes.data);
            buffer_append(&reading->told, content.data, content.length);
            break;
        case RECORD_STREAM_END:
            buffer_append_text(&reading->told, "/");
            if (reading->reader.phase == RECORD_PHASE_FINISHED)
                return;
            break;
        case RECORD_MANAGEMENT:
            buffer_printf(&reading->told, "m%d", reading->reader.header[1]);
            break;
        case RECORD_ABORT:
            buffer_append_text(&reading->told, "!");
            return;
        case RECORD_INVALID:
            buffer_printf(&reading->told, "?%s", reading->reader.problem);
            return;
        }
    }
}

static const struct stream_case {
    const char *label;
    const char *data;
    size_t length;
    const char *told;
} stream_cases[] = {
    {"the smallest request", BYTES(BEGIN PARAMS_END STDIN_END), "//"},
    {"parameters and a body", BYTES(BEGIN "\1\4\0\1\0\4\0\0\1\1ab" PARAMS_END "\1\5\0\1\0\3\0\0xyz" STDIN_END),
     "\1\1ab/xyz/"},
    {"several records", BYTES(BEGIN "\1\4\0\1\0\1\0\0a" "\1\4\0\1\0\1\0\0b" PARAMS_END "\1\5\0\1\0\1\0\0c"
                              "\1\5\0\1\0\1\0\0d" STDIN_END), "ab/cd/"},
    {"padding", BYTES("\1\1\0\1\0\10\2\0" "\0\1\0\0\0\0\0\0" "pp" "\1\4\0\1\0\1\7\0a" "ppppppp" "\1\4\0\1\0\0\3\0ppp"
                      "\1\5\0\1\0\1\1\0bp" "\1\5\0\1\0\0\1\0p"), "a/b/"},
    {"the end without its padding", BYTES(BEGIN PARAMS_END "\1\5\0\1\0\0\10\0"), "//"},
    {"another id", BYTES("\1\1\377\377\0\10\0\0" "\0\1\1\0\0\0\0\0" "\1\4\377\377\0\0\0\0"
                         "\1\5\377\377\0\0\0\0"), "//"},
    {"more after the end", BYTES(BEGIN PARAMS_END STDIN_END BEGIN "zzz"), "//"},
    {"values before", BYTES("\1\11\0\0\0\0\0\0" BEGIN PARAMS_END STDIN_END), "m9//"},
    {"values within", BYTES(BEGIN "\1\4\0\1\0\1\0\0a" "\1\11\0\0\0\2\1\0\0\0p" "\1\4\0\1\0\1\0\0b" PARAMS_END
                            "\1\5\0\1\0\1\0\0c" "\1\143\0\0\0\0\0\0" STDIN_END), "am9b/cm99/"},
    {"an abort in the parameters", BYTES(BEGIN "\1\4\0\1\0\1\0\0a" "\1\2\0\1\0\0\0\0"), "a!"},
    {"an abort in the body", BYTES(BEGIN PARAMS_END "\1\5\0\1\0\1\0\0a" "\1\2\0\1\0\1\0\0x"), "/a!"},
    {"a part of a header", BYTES(BEGIN "\1\4\0"), ""},
    {"another version", BYTES("\2\1\0\1\0\10\0\0"), "?unsupported protocol version, or not FastCGI"},
    {"a later version", BYTES(BEGIN PARAMS_END "\0\5\0\1\0\0\0\0"), "/?unsupported protocol version, or not FastCGI"},
    {"an authorizer", BYTES("\1\1\0\1\0\10\0\0" "\0\2\0\0\0\0\0\0"), "?unsupported role: must be responder"},
    {"a role of two bytes", BYTES("\1\1\0\1\0\10\0\0" "\1\1\0\0\0\0\0\0"), "?unsupported role: must be responder"},
    {"a short begin", BYTES("\1\1\0\1\0\7\0\0"), "?BEGIN_REQUEST record of an invalid length"},
    {"a long begin", BYTES("\1\1\0\1\1\10\0\0"), "?BEGIN_REQUEST record of an invalid length"},
    {"a begin without a request", BYTES("\1\1\0\0\0\10\0\0"), "?BEGIN_REQUEST record with request ID 0"},
    {"two begins", BYTES(BEGIN BEGIN), "?unexpected second BEGIN_REQUEST record"},
    {"a second request", BYTES(BEGIN PARAMS_END "\1\1\0\2\0\10\0\0"), "/?unexpected second BEGIN_REQUEST record"},
    {"parameters first", BYTES(PARAMS_END), "?the request does not start with BEGIN_REQUEST"},
    {"an abort first", BYTES("\1\2\0\1\0\0\0\0"), "?the request does not start with BEGIN_REQUEST"},
    {"another request", BYTES(BEGIN "\1\4\0\2\0\0\0\0"), "?record with an unexpected request ID"},
    {"another request's high byte", BYTES(BEGIN "\1\4\1\1\0\0\0\0"), "?record with an unexpected request ID"},
    {"a body first", BYTES(BEGIN STDIN_END), "?record of an unexpected type"},
    {"parameters twice", BYTES(BEGIN PARAMS_END PARAMS_END), "/?record of an unexpected type"},
    {"a filter's data", BYTES(BEGIN PARAMS_END "\1\10\0\1\0\0\0\0"), "/?record of an unexpected type"},
    {"an answer", BYTES(BEGIN "\1\6\0\1\0\0\0\0"), "?record of an unexpected type"},
    {"a long management record", BYTES("\1\11\0\0\1\1\0\0"), "?management record is too long"},
};

/* The result does not depend on how the bytes are split into pieces. */
static void reads(const void *row)
{
    const struct stream_case *c = row;

    for (size_t piece = 1; piece <= c->length + 1; piece++) {
        struct reading reading = {0};

        for (size_t at = 0; at < c->length && reading.reader.phase < RECORD_PHASE_FINISHED; at += piece) {
            /* A separate copy lets a sanitizer detect a read beyond its end. */
            size_t length = c->length - at < piece ? c->length - at : piece;
            char *copy = memory_copy_bytes(c->data + at, length);

            copy = memory_resize(copy, length);
            feed(&reading, copy, length);
            free(copy);
        }
        assert_string_equal(buffer_text(&reading.told), c->told);
        buffer_free(&reading.told);
    }
}

/* A reader that reached an end of any kind stays there and takes no more bytes. */
static void takes_nothing_after_the_end(void)
{
    static const struct {
        const char *data;
        size_t length;
        enum record_event event;
    } ends[] = {{BYTES(BEGIN PARAMS_END STDIN_END), RECORD_STREAM_END}, {BYTES("zzzzzzzz"), RECORD_INVALID},
                {BYTES(BEGIN "\1\2\0\1\0\0\0\0"), RECORD_STREAM_END}};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct record_bytes more = {BYTES(STDIN_END)};
        struct reading reading = {0};
        struct record_bytes content;

        feed(&reading, ends[i].data, ends[i].length);
        assert_int_equal(record_read(&reading.reader, &more, &content), ends[i].event);
        assert_int_equal(more.length, 8);
        buffer_free(&reading.told);
    }
}

static unsigned next_random(unsigned *state)
{
    *state = *state * 1103515245u + 12345u;
    return *state >> 16;
}

/* A valid request with random changes, in random pieces: no read goes beyond them, and an invalid state is final. */
static void survives_changed_bytes(void)
{
    static const char good[] = "\1\11\0\0\0\2\1\0\0\0p" BEGIN "\1\4\0\1\0\4\3\0\1\1abppp" PARAMS_END
                               "\1\5\0\1\0\3\0\0xyz" STDIN_END;
    unsigned state = 20260403;

    for (int round = 0; round < 20000; round++) {
        char bad[sizeof(good) - 1];
        struct reading reading = {0};

        memcpy(bad, good, sizeof(bad));
        for (unsigned changes = next_random(&state) % 5; changes > 0; changes--)
            bad[next_random(&state) % sizeof(bad)] = (char) next_random(&state);
        for (size_t at = 0; at < sizeof(bad) && reading.reader.phase < RECORD_PHASE_FINISHED;) {
            size_t length = 1 + next_random(&state) % (sizeof(bad) - at);

            feed(&reading, bad + at, length);
            at += length;
        }
        assert_true(reading.told.length <= sizeof(bad) + 100);
        buffer_free(&reading.told);
    }
}

static const struct params_case {
    const char *label;
    const char *data;
    size_t length;
    int pairs;           /* complete ones */
    size_t whole;        /* bytes of the complete pairs */
} params_cases[] = {
    {"none", BYTES(""), 0, 0},
    {"one", BYTES("\1\2abc"), 1, 5},
    {"empty ones", BYTES("\0\0\0\0"), 2, 4},
    {"long lengths", BYTES("\200\0\0\1\200\0\0\2abc"), 1, 11},
    {"a name without a value's length", BYTES("\1"), 0, 0},
    {"a name cut", BYTES("\2\0a"), 0, 0},
    {"a value cut", BYTES("\1\2ab"), 0, 0},
    {"a long length cut", BYTES("\200\0\0"), 0, 0},
    {"a value's long length cut", BYTES("\1\200\0\0"), 0, 0},
    {"the longest lengths", BYTES("\377\377\377\377\377\377\377\377"), 0, 0},
    {"lengths whose sum is an int's overflow", BYTES("\377\377\377\377\200\0\0\1ab"), 0, 0},
    {"lengths whose sum is 0 in 32 bits", BYTES("\377\377\377\376\377\377\377\376ab"), 0, 0},
    {"a later one cut", BYTES("\1\2abc\1\1a"), 1, 5},
    {"a length in each byte, first", BYTES("\201\0\0\0\0"), 0, 0},
    {"a length in each byte, second", BYTES("\200\1\0\0\0"), 0, 0},
    {"a length in each byte, third", BYTES("\200\0\1\0\0"), 0, 0},
};

static void finds_whole_params(const void *row)
{
    const struct params_case *c = row;
    char *copy = memory_resize(memory_copy_bytes(c->data, c->length), c->length + (c->length == 0));
    int pairs;

    assert_int_equal(record_complete_params(copy, c->length, &pairs), c->whole);
    assert_int_equal(pairs, c->pairs);
    free(copy);
}

static void bounds_the_number_of_params(void)
{
    static const char empty[2 * (RECORD_MAX_PAIRS + 1)];
    int pairs;

    assert_int_equal(record_complete_params(empty, sizeof(empty), &pairs), 2 * RECORD_MAX_PAIRS);
    assert_int_equal(pairs, RECORD_MAX_PAIRS);
}

static void finds_a_param(void)
{
    static const char params[] = "\1\2Ax1" "\2\0AB" "\1\1By" "\1\1Az";
    struct record_bytes value = {0};

    assert_true(record_find_param(params, sizeof(params) - 1, "A", &value));
    assert_ptr_equal(value.data, params + 3);
    assert_int_equal(value.length, 2);
    assert_true(record_find_param(params, sizeof(params) - 1, "AB", &value));
    assert_int_equal(value.length, 0);
    assert_true(record_find_param(params, sizeof(params) - 1, "B", &value));
    assert_memory_equal(value.data, "y", value.length);
    assert_false(record_find_param(params, sizeof(params) - 1, "", &value));
    assert_false(record_find_param(params, sizeof(params) - 1, "a", &value));
    assert_false(record_find_param(params, sizeof(params) - 1, "ABC", &value));
    assert_false(record_find_param(params, 8, "B", &value));
    assert_false(record_find_param("", 0, "A", &value));
}

static const struct answer_case {
    const char *label;
    const char *data;
    size_t length;
    const char *answer;
    size_t answer_length;
} answer_cases[] = {
    {"no name", BYTES("\1\11\0\0\0\0\0\0"), BYTES("\1\12\0\0\0\0\0\0")},
    {"a name", BYTES("\1\11\0\0\0\21\0\0\17\0FCGI_MPXS_CONNS"), BYTES("\1\12\0\0\0\22\0\0\17\1FCGI_MPXS_CONNS0")},
    {"names", BYTES("\1\11\0\0\0\41\0\0\15\0FCGI_MAX_REQS\0\0\16\0FCGI_MAX_CONNS"),
     BYTES("\1\12\0\0\0\41\0\0\15\1FCGI_MAX_REQS1\16\1FCGI_MAX_CONNS1")},
    {"other names", BYTES("\1\11\0\0\0\22\0\0\3\1abcd\12\0FCGI_MAX_C"), BYTES("\1\12\0\0\0\0\0\0")},
    {"a name cut", BYTES("\1\11\0\0\0\4\0\0\15\0FC"), BYTES("\1\12\0\0\0\0\0\0")},
    {"another type", BYTES("\1\143\0\0\0\0\0\0"), BYTES("\1\13\0\0\0\10\0\0\143\0\0\0\0\0\0\0")},
};

static void answers(const void *row)
{
    const struct answer_case *c = row;
    struct reading reading = {0};
    struct buffer out = {0};

    feed(&reading, c->data, c->length);
    record_append_response(&reading.reader, &out);
    assert_int_equal(out.length, c->answer_length);
    assert_memory_equal(out.data, c->answer, c->answer_length);
    buffer_free(&out);
    buffer_free(&reading.told);
}

/* The head that is made for libfcgi can be parsed again, even if it takes several records. */
static void appends_a_head(void)
{
    static const size_t lengths[] = {0, 1, 65535, 65536, 3 * 65535, 512 * 1024};

    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        char *params = memory_zeroed(1, lengths[i] + 1);
        struct reading reading = {0};
        struct buffer head = {0};

        memset(params, 'x', lengths[i]);
        record_append_head(&head, 0x1234, params, lengths[i]);
        feed(&reading, head.data, head.length);
        assert_int_equal(reading.reader.request_id, 0x1234);
        assert_int_equal(reading.reader.phase, RECORD_PHASE_STDIN);
        assert_int_equal(reading.told.length, lengths[i] + 1);
        assert_memory_equal(reading.told.data, params, lengths[i]);
        buffer_free(&reading.told);
        buffer_free(&head);
        free(params);
    }
}

int main(void)
{
    CHECK_EACH(reads, stream_cases, label);
    CHECK(takes_nothing_after_the_end);
    CHECK(survives_changed_bytes);
    CHECK_EACH(finds_whole_params, params_cases, label);
    CHECK(bounds_the_number_of_params);
    CHECK(finds_a_param);
    CHECK_EACH(answers, answer_cases, label);
    CHECK(appends_a_head);
    return check_run("http/record");
}
