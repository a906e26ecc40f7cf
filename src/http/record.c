#include "http/record.h"

#include <string.h>

#include "base/compiler.h"

#define FCGI_VERSION 1
#define ROLE_RESPONDER 1
#define FLAG_KEEP_CONNECTION 1

enum type {
    TYPE_BEGIN_REQUEST = 1,
    TYPE_ABORT_REQUEST = 2,
    TYPE_PARAMS = 4,
    TYPE_STDIN = 5,
    TYPE_STDOUT = 6,
    TYPE_GET_VALUES = 9,
    TYPE_GET_VALUES_RESULT = 10,
    TYPE_UNKNOWN_TYPE = 11,
};

#define NO_EVENT ((enum record_event) -1)

static unsigned read_uint16(const unsigned char *bytes)
{
    return (unsigned) bytes[0] << 8 | bytes[1];
}

static enum record_event reject_record(struct record_reader *reader, const char *problem)
{
    reader->phase = RECORD_PHASE_INVALID;
    reader->problem = problem;
    return RECORD_INVALID;
}

static int type_of(const struct record_reader *reader)
{
    return reader->header[1];
}

static bool is_management(const struct record_reader *reader)
{
    return read_uint16(reader->header + 2) == 0;
}

/* Whether the content is collected until it is complete, instead of being passed on in pieces. */
static bool is_gathered(const struct record_reader *reader)
{
    return is_management(reader) || type_of(reader) == TYPE_BEGIN_REQUEST;
}

/* Checks the header of a record of the request. Returns the problem, or NULL. */
static const char *check_order(const struct record_reader *reader)
{
    int type = type_of(reader);

    if (type == TYPE_BEGIN_REQUEST) {
        if (reader->phase != RECORD_PHASE_BEGIN)
            return "unexpected second BEGIN_REQUEST record";
        return reader->content_left == 8 ? NULL : "BEGIN_REQUEST record of an invalid length";
    }
    if (reader->phase == RECORD_PHASE_BEGIN)
        return "the request does not start with BEGIN_REQUEST";
    if ((int) read_uint16(reader->header + 2) != reader->request_id)
        return "record with an unexpected request ID";
    if (type == TYPE_ABORT_REQUEST || (type == TYPE_PARAMS && reader->phase == RECORD_PHASE_PARAMS)
        || (type == TYPE_STDIN && reader->phase == RECORD_PHASE_STDIN))
        return NULL;
    return "record of an unexpected type";
}

/* Checks a complete header. */
static enum record_event begin_record(struct record_reader *reader)
{
    const char *problem = NULL;

    reader->content_left = read_uint16(reader->header + 4);
    reader->padding_left = reader->header[6];
    reader->gathered_length = 0;
    reader->is_open = true;
    if (reader->header[0] != FCGI_VERSION)
        problem = "unsupported protocol version, or not FastCGI";
    else if (!is_management(reader))
        problem = check_order(reader);
    else if (type_of(reader) == TYPE_BEGIN_REQUEST)
        problem = "BEGIN_REQUEST record with request ID 0";
    else if (reader->content_left > RECORD_GATHERED_MAX)
        problem = "management record is too long";
    return problem == NULL ? NO_EVENT : reject_record(reader, problem);
}

static enum record_event begin_request(struct record_reader *reader)
{
    if (read_uint16(reader->gathered) != ROLE_RESPONDER)
        return reject_record(reader, "unsupported role: must be responder");
    reader->request_id = (int) read_uint16(reader->header + 2);
    reader->phase = RECORD_PHASE_PARAMS;
    return NO_EVENT;
}

/* Handles the end of the content of a record. */
static enum record_event end_record(struct record_reader *reader)
{
    reader->is_open = false;
    if (is_management(reader))
        return RECORD_MANAGEMENT;
    switch (type_of(reader)) {
    case TYPE_BEGIN_REQUEST:
        return begin_request(reader);
    case TYPE_ABORT_REQUEST:
        reader->phase = RECORD_PHASE_FINISHED;
        return RECORD_ABORT;
    default:
        if (read_uint16(reader->header + 4) > 0)
            return NO_EVENT;
        reader->phase = type_of(reader) == TYPE_PARAMS ? RECORD_PHASE_STDIN : RECORD_PHASE_FINISHED;
        return RECORD_STREAM_END;
    }
}

/* Consumes up to `wanted` bytes. */
static struct record_bytes take_bytes(struct record_bytes *bytes, size_t wanted)
{
    struct record_bytes taken = {bytes->data, bytes->length < wanted ? bytes->length : wanted};

    bytes->data += taken.length;
    bytes->length -= taken.length;
    return taken;
}

static enum record_event read_record_header(struct record_reader *reader, struct record_bytes *bytes)
{
    struct record_bytes part = take_bytes(bytes, RECORD_HEADER_SIZE - reader->header_length);

    if (part.length > 0)
        memcpy(reader->header + reader->header_length, part.data, part.length);
    reader->header_length += (unsigned) part.length;
    return reader->header_length < RECORD_HEADER_SIZE ? RECORD_NEEDS_MORE : begin_record(reader);
}

static enum record_event read_record_content(struct record_reader *reader, struct record_bytes *bytes,
                                             struct record_bytes *ret_content)
{
    struct record_bytes part = take_bytes(bytes, reader->content_left);

    if (part.length == 0)
        return RECORD_NEEDS_MORE;
    reader->content_left -= (unsigned) part.length;
    if (is_gathered(reader)) {
        memcpy(reader->gathered + reader->gathered_length, part.data, part.length);
        reader->gathered_length += part.length;
        return NO_EVENT;
    }
    if (type_of(reader) == TYPE_ABORT_REQUEST)
        return NO_EVENT; /* it should have no content */
    *ret_content = part;
    return RECORD_CONTENT;
}

static enum record_event read_record_padding(struct record_reader *reader, struct record_bytes *bytes)
{
    reader->padding_left -= (unsigned) take_bytes(bytes, reader->padding_left).length;
    if (reader->padding_left > 0)
        return RECORD_NEEDS_MORE;
    reader->header_length = 0;
    return NO_EVENT;
}

enum record_event record_read(struct record_reader *reader, struct record_bytes *bytes,
                              struct record_bytes *ret_content)
{
    enum record_event event = NO_EVENT;

    if (reader->phase == RECORD_PHASE_INVALID)
        return RECORD_INVALID;
    if (reader->phase == RECORD_PHASE_FINISHED)
        return RECORD_STREAM_END;
    while (event == NO_EVENT) {
        if (reader->header_length < RECORD_HEADER_SIZE)
            event = read_record_header(reader, bytes);
        else if (reader->content_left > 0)
            event = read_record_content(reader, bytes, ret_content);
        else if (reader->is_open)
            event = end_record(reader);
        else
            event = read_record_padding(reader, bytes);
    }
    return event;
}

/* Consumes the length of a name or a value. Returns false if it is incomplete. */
static bool take_length(struct record_bytes *bytes, size_t *ret_length)
{
    const unsigned char *at = (const unsigned char *) bytes->data;
    size_t size = bytes->length > 0 && at[0] >= 0x80 ? 4 : 1;

    if (take_bytes(bytes, size).length < size)
        return false;
    *ret_length = size == 1 ? at[0] : (size_t) (at[0] & 0x7f) << 24 | (size_t) at[1] << 16 | read_uint16(at + 2);
    return true;
}

/* Consumes a pair. Returns false if it is incomplete. */
static bool take_pair(struct record_bytes *bytes, struct record_bytes *ret_name, struct record_bytes *ret_value)
{
    size_t name_length = 0, value_length = 0;

    if (!take_length(bytes, &name_length) || !take_length(bytes, &value_length))
        return false;
    *ret_name = take_bytes(bytes, name_length);
    *ret_value = take_bytes(bytes, value_length);
    return ret_name->length == name_length && ret_value->length == value_length;
}

static bool has_text(const struct record_bytes *bytes, const char *text)
{
    return bytes->length == strlen(text) && memcmp(bytes->data, text, bytes->length) == 0;
}

bool record_find_param(const char *data, size_t length, const char *name, struct record_bytes *ret_value)
{
    struct record_bytes left = {data, length};
    struct record_bytes found, value;

    while (left.length > 0 && take_pair(&left, &found, &value)) {
        if (has_text(&found, name)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

size_t record_complete_params(const char *data, size_t length, int *ret_pairs)
{
    struct record_bytes left = {data, length};
    struct record_bytes name, value;
    size_t whole = 0;

    *ret_pairs = 0;
    while (left.length > 0 && *ret_pairs < RECORD_MAX_PAIRS && take_pair(&left, &name, &value)) {
        ++*ret_pairs;
        whole = length - left.length;
    }
    return whole;
}

static void format_header(char out[RECORD_HEADER_SIZE], int type, int request_id, size_t length)
{
    const char header[RECORD_HEADER_SIZE] = {FCGI_VERSION, (char) type, (char) (request_id >> 8), (char) request_id,
                                             (char) (length >> 8), (char) length};

    memcpy(out, header, sizeof(header));
}

void record_format_output(char out[RECORD_HEADER_SIZE], int request_id, size_t length)
{
    format_header(out, TYPE_STDOUT, request_id, length);
}

static void append_record(struct buffer *out, int type, int request_id, const char *content, size_t length)
{
    char header[RECORD_HEADER_SIZE];

    format_header(header, type, request_id, length);
    buffer_append(out, header, sizeof(header));
    buffer_append(out, content, length);
}

/* Appends the name with its value, if it is one of the three known names. */
static void append_value(struct buffer *out, struct record_bytes name)
{
    static const struct {
        const char *name;
        char value;
    } values[] = {{"FCGI_MAX_CONNS", '1'}, {"FCGI_MAX_REQS", '1'}, {"FCGI_MPXS_CONNS", '0'}};

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        const char lengths[] = {(char) name.length, 1};

        if (!has_text(&name, values[i].name))
            continue;
        buffer_append(out, lengths, sizeof(lengths));
        buffer_append(out, name.data, name.length);
        buffer_append(out, &values[i].value, 1);
    }
}

void record_append_response(const struct record_reader *reader, struct buffer *out)
{
    struct record_bytes left = {(const char *) reader->gathered, reader->gathered_length};
    const char unknown[8] = {(char) type_of(reader)};
    struct record_bytes name, value;
    struct buffer values = {0};

    if (type_of(reader) != TYPE_GET_VALUES) {
        append_record(out, TYPE_UNKNOWN_TYPE, 0, unknown, sizeof(unknown));
        return;
    }
    while (left.length > 0 && take_pair(&left, &name, &value))
        append_value(&values, name);
    append_record(out, TYPE_GET_VALUES_RESULT, 0, values.data, values.length);
    buffer_free(&values);
}

void record_append_head(struct buffer *out, int request_id, const char *params, size_t length)
{
    static const char begin[8] = {0, ROLE_RESPONDER, FLAG_KEEP_CONNECTION};

    append_record(out, TYPE_BEGIN_REQUEST, request_id, begin, sizeof(begin));
    while (length > 0) {
        size_t piece = length < RECORD_MAX_CONTENT ? length : RECORD_MAX_CONTENT;

        append_record(out, TYPE_PARAMS, request_id, params, piece);
        params += piece;
        length -= piece;
    }
    append_record(out, TYPE_PARAMS, request_id, NULL, 0);
}
