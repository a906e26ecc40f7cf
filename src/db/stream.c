/* COPY (query) TO STDOUT in text format, read message by message. */
#include "db/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "db/internal.h"

struct db_stream {
    struct db *db;
    bool ended;    /* nothing is left to read or cancel */
    char *message; /* the fields of the row point into it */
};

/* The time limit of a stream begins with each row. Unlike that of a response, it does not exceed the server's limit. */
static int64_t stream_deadline(const struct db *db)
{
    return clock_monotonic_ms() + db->query_timeout_ms;
}

struct db_stream *db_stream_begin(struct db *db, const struct statement *query, struct error *err)
{
    int64_t deadline = stream_deadline(db);
    struct db_stream *stream = NULL;
    struct buffer sql = {0};

    buffer_append_text(&sql, "COPY (");
    if (db_append_quoted(db, query, &sql, err)) {
        buffer_append_text(&sql, ") TO STDOUT; COMMIT");
        if (db_begin_copy(db, buffer_text(&sql), PGRES_COPY_OUT, deadline, err)) {
            stream = memory_zeroed(1, sizeof(*stream));
            stream->db = db;
        }
    }
    buffer_free(&sql);
    return stream;
}

/* Returns the character that a backslash and `code` stand for. */
static char unescape(char code)
{
    static const char codes[] = "bfnrtv";
    static const char characters[] = "\b\f\n\r\t\v";
    const char *found = code == '\0' ? NULL : strchr(codes, code);

    return found == NULL ? code : characters[found - codes];
}

/* Replaces the escapes in the field by what they stand for: \N is NULL, and another backslash begins a character. */
static void unescape_field(struct db_field *field, char *data)
{
    const char *from = data, *end = data + field->length;
    char *to = data;

    if (field->length == 2 && memcmp(data, "\\N", 2) == 0) {
        *field = (struct db_field) {NULL, 0};
        return;
    }
    while (from < end) {
        if (*from == '\\' && from + 1 < end) {
            *to++ = unescape(from[1]);
            from += 2;
        } else {
            *to++ = *from++;
        }
    }
    field->length = (size_t) (to - data);
}

/* Splits a line at its tabs. Only an escape can contain what ends a field or a row. */
static bool parse_row(char *line, size_t length, struct db_row *row)
{
    char *at = line, *end = line + length - 1;
    bool escaped = memchr(line, '\\', length) != NULL;

    if (*end != '\n')
        return false;
    for (row->count = 0; row->count < DB_STREAM_MAX_FIELDS;) {
        struct db_field *field = &row->fields[row->count++];
        char *tab = memchr(at, '\t', (size_t) (end - at));

        *field = (struct db_field) {at, (size_t) ((tab == NULL ? end : tab) - at)};
        if (escaped)
            unescape_field(field, at);
        if (tab == NULL)
            return true;
        at = tab + 1;
    }
    return false;
}

/* Reads the results of COPY, after its last row, and of COMMIT. They may still be errors. */
static bool finish_stream(struct db_stream *stream, struct error *err)
{
    struct db *db = stream->db;
    int64_t deadline = stream_deadline(db);
    bool good = true;
    bool failed;
    PGresult *result;

    stream->ended = true;
    while ((result = db_next_result(db, deadline, &failed, err)) != NULL) {
        if (good && PQresultStatus(result) != PGRES_COMMAND_OK)
            good = db_fail(db, result, err);
        PQclear(result);
    }
    return good && !failed;
}

/* Waits for more data. */
static bool await_data(struct db *db, struct error *err)
{
    if (!db_wait(db, stream_deadline(db), err))
        return false;
    return PQconsumeInput(db->connection) == 1 ? true : db_fail(db, NULL, err);
}

enum db_stream_state db_stream_next(struct db_stream *stream, struct db_row *row, struct error *err)
{
    struct db *db = stream->db;
    int length;

    if (stream->ended)
        return DB_STREAM_END;
    PQfreemem(stream->message);
    stream->message = NULL;
    while ((length = PQgetCopyData(db->connection, &stream->message, 1)) == 0) {
        if (!await_data(db, err))
            return DB_STREAM_FAILED;
    }
    if (length == -1)
        return finish_stream(stream, err) ? DB_STREAM_END : DB_STREAM_FAILED;
    if (length < -1) {
        db_fail(db, NULL, err);
        return DB_STREAM_FAILED;
    }
    if (parse_row(stream->message, (size_t) length, row))
        return DB_STREAM_ROW;
    db_fail_with(err, ERROR_INTERNAL);
    error_detail(err, "a row from the database is malformed");
    return DB_STREAM_FAILED;
}

void db_stream_end(struct db_stream *stream)
{
    if (stream == NULL)
        return;
    if (!stream->ended)
        stream->db->abandoned = true;
    PQfreemem(stream->message);
    free(stream);
}
