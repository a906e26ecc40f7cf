#include "inventory/csv_reader.h"

#include <csv.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

#define BLOCK_SIZE 4096 /* by which libcsv extends its memory for a field */

static const char stray_carriage_return[] = "a carriage return must be within quotes or followed by a line feed";

struct csv_reader {
    struct input *input;
    struct csv_parser parser;
    bool in_record;
    bool has_ended;       /* the record has ended in the current piece of the input */
    int64_t line;         /* of this piece */
    int64_t record_line;  /* where the record begins */
    int64_t field_line;   /* where the field begins */
    size_t record_length; /* bytes of the input */
    struct buffer text;   /* the fields of the record, one after the other */
    size_t count;         /* also counts fields beyond the limit */
    struct db_field fields[CSV_READER_MAX_FIELDS];
};

/* Without this, libcsv strips spaces and tabs. */
static int is_no_space(unsigned char byte)
{
    (void) byte;
    return 0;
}

struct csv_reader *csv_reader_new(struct input *input)
{
    struct csv_reader *reader = memory_zeroed(1, sizeof(*reader));

    reader->input = input;
    reader->line = 1;
    /* This fails only without a parser. */
    (void) csv_init(&reader->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL);
    csv_set_space_func(&reader->parser, is_no_space);
    csv_set_realloc_func(&reader->parser, memory_resize);
    csv_set_blk_size(&reader->parser, BLOCK_SIZE);
    return reader;
}

void csv_reader_free(struct csv_reader *reader)
{
    if (reader == NULL)
        return;
    csv_free(&reader->parser);
    buffer_free(&reader->text);
    free(reader);
}

/* A callback of libcsv. `data` is NULL for an empty field without quotes. */
static void add_field(void *data, size_t length, void *context)
{
    struct csv_reader *reader = context;

    reader->field_line = reader->line; /* of the next field */
    if (reader->count < CSV_READER_MAX_FIELDS) {
        reader->fields[reader->count] = (struct db_field) {data == NULL ? NULL : "", length};
        buffer_append(&reader->text, data == NULL ? "" : data, length);
    }
    reader->count++;
}

/* A callback of libcsv. */
static void end_csv_record(int terminator, void *context)
{
    struct csv_reader *reader = context;

    (void) terminator;
    reader->has_ended = true;
}

static enum csv_reader_state fail_at(int64_t line, const char *problem, struct error *err)
{
    error_set(err, ERROR_BODY, "line %" PRId64 ": %s", line, problem);
    return CSV_READER_FAILED;
}

static enum csv_reader_state give_record(struct csv_reader *reader, struct csv_record *ret_record, struct error *err)
{
    const char *data = buffer_text(&reader->text);

    reader->in_record = false;
    if (reader->count > CSV_READER_MAX_FIELDS)
        return fail_at(reader->record_line, "the record has more than " TEXT_OF(CSV_READER_MAX_FIELDS) " fields", err);
    for (size_t i = 0; i < reader->count; i++) {
        if (reader->fields[i].data == NULL)
            continue;
        reader->fields[i].data = data;
        data += reader->fields[i].length;
    }
    *ret_record = (struct csv_record) {reader->fields, reader->count, reader->record_line};
    return CSV_READER_RECORD;
}

/*
 * Returns the length of the next piece: to the end of the line, so that a piece ends at most one record. A piece also
 * ends after a carriage return within a line, and before one whose next byte is not known yet.
 */
static size_t piece_length(const char *data, size_t length)
{
    const char *feed = memchr(data, '\n', length);
    size_t line = feed == NULL ? length : (size_t) (feed - data) + 1;
    const char *carriage = memchr(data, '\r', line);
    size_t before = carriage == NULL ? line : (size_t) (carriage - data);

    if (before + 2 >= line && feed != NULL)
        return line;
    if (before + 1 == length && before > 0)
        return before;
    return carriage == NULL ? line : before + 1;
}

static bool is_line_end(const char *data, size_t length)
{
    return (length == 1 && data[0] == '\n') || (length == 2 && data[0] == '\r' && data[1] == '\n');
}

static void begin_csv_record(struct csv_reader *reader)
{
    reader->in_record = true;
    reader->record_line = reader->field_line = reader->line;
    reader->record_length = reader->count = 0;
    buffer_clear(&reader->text);
}

/* Passes a piece to libcsv. Returns NULL, or what is wrong with it. */
static const char *parse_piece(struct csv_reader *reader, const char *data, size_t length)
{
    size_t parsed;

    if (memchr(data, '\0', length) != NULL)
        return "a NUL byte is not allowed";
    parsed = csv_parse(&reader->parser, data, length, add_field, end_csv_record, reader);
    if (parsed < length && data[parsed] == '"')
        return "a quote must not be within a field that does not begin with one";
    if (parsed < length)
        return "a closing quote must be followed by a comma or the end of the line";
    if (reader->has_ended && data[length - 1] != '\n')
        return stray_carriage_return;
    return NULL;
}

/* Reads a piece that is not a blank line. Returns CSV_READER_END if the record continues in the next piece. */
static enum csv_reader_state read_piece(struct csv_reader *reader, const char *data, size_t length,
                                        struct csv_record *ret_record, struct error *err)
{
    const char *problem;

    if (!reader->in_record && data[0] == '\r')
        return fail_at(reader->line, stray_carriage_return, err);
    if (!reader->in_record)
        begin_csv_record(reader);
    reader->record_length += length;
    if (reader->record_length > CSV_READER_MAX_RECORD)
        return fail_at(reader->record_line, "the record is longer than 1 MiB", err);
    reader->has_ended = false;
    problem = parse_piece(reader, data, length);
    if (problem != NULL)
        return fail_at(reader->line, problem, err);
    return reader->has_ended ? give_record(reader, ret_record, err) : CSV_READER_END;
}

/* Ends the last record, whose line may not have an end. */
static enum csv_reader_state finish(struct csv_reader *reader, struct csv_record *ret_record, struct error *err)
{
    if (!reader->in_record)
        return CSV_READER_END;
    if (csv_fini(&reader->parser, add_field, end_csv_record, reader) != 0)
        return fail_at(reader->field_line, "the quote of a field that begins here is not closed", err);
    return give_record(reader, ret_record, err);
}

enum csv_reader_state csv_reader_next(struct csv_reader *reader, struct csv_record *ret_record, struct error *err)
{
    enum csv_reader_state state = CSV_READER_END;
    const char *data;
    size_t length;

    while (state == CSV_READER_END) {
        if (!input_peek(reader->input, 2, &data, &length, err))
            return CSV_READER_FAILED;
        if (length == 0)
            return finish(reader, ret_record, err);
        length = piece_length(data, length);
        if (reader->in_record || !is_line_end(data, length))
            state = read_piece(reader, data, length, ret_record, err);
        if (data[length - 1] == '\n')
            reader->line++;
        input_consume(reader->input, length);
    }
    return state;
}
