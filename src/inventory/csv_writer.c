#include "inventory/csv_writer.h"

#include <csv.h>
#include <string.h>

#define FLUSH_SIZE (64 * 1024)
#define TIME_SIZE 64

static bool is_utc(const char *time_zone)
{
    return strcmp(time_zone, "UTC") == 0 || strcmp(time_zone, "Etc/UTC") == 0;
}

struct csv_options csv_options_configured(const struct config *config)
{
    return (struct csv_options) {
        .bom = config->bom,
        .formula_guard = config->formula_guard,
        .utc = is_utc(config->time_zone),
    };
}

void csv_writer_begin(struct csv_writer *writer, const struct csv_options *options, const struct csv_output *output)
{
    *writer = (struct csv_writer) {.options = *options, .output = *output};
    if (options->bom)
        buffer_append_text(&writer->buffer, "\xEF\xBB\xBF");
}

/*
 * Converts PostgreSQL's `2026-04-03 08:15:00.12+00` to ISO 8601 with three decimals and an offset in hours and minutes:
 * 2026-04-03T08:15:00.120Z. Other formats (infinity, years BC) are left unchanged.
 */
static size_t format_time(char out[TIME_SIZE], const char *data, size_t length, bool utc)
{
    const char *end = data + length;
    const char *time = memchr(data, ' ', length);
    const char *offset;
    size_t decimals = 0;
    size_t used;

    if (time == NULL || end - time < (ptrdiff_t) sizeof(" hh:mm:ss+hh") - 1 || length > TIME_SIZE - 8)
        goto unchanged;
    for (offset = time + 9; offset < end && *offset != '+' && *offset != '-'; offset++)
        continue;
    if (offset == end || memchr(offset, ' ', (size_t) (end - offset)) != NULL)
        goto unchanged;

    used = (size_t) (time + 9 - data);
    memcpy(out, data, used);
    out[time - data] = 'T';
    out[used++] = '.';
    for (const char *digit = time + 10; decimals < 3; decimals++)
        out[used++] = digit + decimals < offset ? digit[decimals] : '0';
    if (utc) {
        out[used++] = 'Z';
        return used;
    }
    memcpy(out + used, offset, (size_t) (end - offset));
    used += (size_t) (end - offset);
    if (end - offset == 3) {
        memcpy(out + used, ":00", 3);
        used += 3;
    }
    return used;

unchanged:
    length = length < TIME_SIZE ? length : TIME_SIZE;
    memcpy(out, data, length);
    return length;
}

static bool looks_like_formula(const char *data, size_t length)
{
    if (length == 0)
        return false;
    switch (data[0]) {
    case '=':
    case '+':
    case '-':
    case '@':
    case '\t':
    case '\r':
        return true;
    default:
        return false;
    }
}

/*
 * Appends a separator if needed, and the field quoted by libcsv. libcsv truncates its output if the buffer is too
 * small, so this function reserves memory for the worst case, at once: a field of quotes, each of which is doubled. The
 * guard goes inside the quotes: an opening quote comes first, and the guard replaces that of libcsv.
 */
static void append_csv_field(struct csv_writer *writer, const char *data, size_t length, bool is_guarded)
{
    struct buffer *buffer = &writer->buffer;
    size_t worst_case = 2 * length + 2;
    char *at;

    buffer_reserve(buffer, worst_case + 2);
    at = buffer->data + buffer->length;
    if (writer->in_line)
        *at++ = ',';
    if (data != NULL) {
        char *opening = at;

        if (is_guarded)
            *at++ = '"';
        at += csv_write(at, worst_case, data, length);
        if (is_guarded)
            opening[1] = '\'';
    }
    buffer->length = (size_t) (at - buffer->data);
    writer->in_line = true;
}

void csv_writer_field(struct csv_writer *writer, enum column_type type, const char *data, size_t length)
{
    char time[TIME_SIZE];

    if (data != NULL && type == COLUMN_TIME) {
        length = format_time(time, data, length, writer->options.utc);
        data = time;
    }
    append_csv_field(writer, data, length,
                     type == COLUMN_TEXT && writer->options.formula_guard && looks_like_formula(data, length));
}

bool csv_writer_end_line(struct csv_writer *writer, struct error *err)
{
    buffer_append(&writer->buffer, "\r\n", 2);
    writer->in_line = false;
    return writer->buffer.length < FLUSH_SIZE || csv_writer_flush(writer, err);
}

bool csv_writer_header(struct csv_writer *writer, const struct selection *selection, struct error *err)
{
    for (size_t i = 0; i < selection->header_count; i++) {
        const char *name = selection->headers[i].name;

        csv_writer_field(writer, COLUMN_TEXT, name, strlen(name));
    }
    return csv_writer_end_line(writer, err);
}

bool csv_writer_flush(struct csv_writer *writer, struct error *err)
{
    bool written = writer->buffer.length == 0
                   || writer->output.write(writer->output.context, writer->buffer.data, writer->buffer.length, err);

    buffer_clear(&writer->buffer);
    return written;
}

void csv_writer_end(struct csv_writer *writer)
{
    buffer_free(&writer->buffer);
}
