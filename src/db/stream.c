/* COPY (query) TO STDOUT in binary format, read message by message. */
#include "db/stream.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "db/internal.h"

#define SIGNATURE "PGCOPY\n\377\r\n"
#define SIGNATURE_SIZE 11 /* with the NUL */

struct db_stream {
    struct db *db;
    bool has_header; /* the file header has been read */
    bool ended;      /* nothing is left to read or cancel */
    char *message;   /* the fields of the row point into it */
    size_t length;
    size_t at;
};

/* The time limit of a stream begins with each row. Unlike that of a response, it does not exceed the server's limit. */
static int64_t stream_deadline(const struct db *db)
{
    return clock_monotonic_ms() + db->query_timeout_ms;
}

/* Replaces each $n with its value as a quoted literal, because COPY does not support parameters. */
static bool quote_values(struct db *db, const struct statement *query, struct buffer *sql, struct error *err)
{
    const char *text = buffer_text(&query->sql);
    size_t at = 0;

    for (size_t i = 0; i < query->count; i++) {
        char *literal = PQescapeLiteral(db->connection, query->values[i], strlen(query->values[i]));

        if (literal == NULL)
            return db_fail(db, NULL, err);
        buffer_append(sql, text + at, query->places[i] - at);
        buffer_append_text(sql, literal);
        PQfreemem(literal);
        at = query->places[i] + query->lengths[i];
    }
    buffer_append_text(sql, text + at);
    return true;
}

struct db_stream *db_stream_begin(struct db *db, const struct statement *query, struct error *err)
{
    int64_t deadline = stream_deadline(db);
    struct db_stream *stream = NULL;
    struct buffer sql = {0};

    buffer_append_text(&sql, "COPY (");
    if (quote_values(db, query, &sql, err)) {
        buffer_append_text(&sql, ") TO STDOUT (FORMAT binary)");
        if (db_begin_copy(db, buffer_text(&sql), PGRES_COPY_OUT, deadline, err)) {
            stream = memory_zeroed(1, sizeof(*stream));
            stream->db = db;
        }
    }
    buffer_free(&sql);
    return stream;
}

/* Consumes the next `count` bytes of the message. Returns NULL if it has fewer. */
static const char *take_from_message(struct db_stream *stream, size_t count)
{
    const char *data = stream->message + stream->at;

    if (stream->length - stream->at < count)
        return NULL;
    stream->at += count;
    return data;
}

static bool take_int16(struct db_stream *stream, int *ret_number)
{
    const char *data = take_from_message(stream, 2);
    uint16_t raw;

    if (data == NULL)
        return false;
    memcpy(&raw, data, sizeof(raw));
    *ret_number = (int16_t) ntohs(raw);
    return true;
}

static bool take_int32(struct db_stream *stream, int32_t *ret_number)
{
    const char *data = take_from_message(stream, 4);
    uint32_t raw;

    if (data == NULL)
        return false;
    memcpy(&raw, data, sizeof(raw));
    *ret_number = (int32_t) ntohl(raw);
    return true;
}

static bool take_header(struct db_stream *stream)
{
    const char *signature = take_from_message(stream, SIGNATURE_SIZE);
    int32_t flags, extension;

    return signature != NULL && memcmp(signature, SIGNATURE, SIGNATURE_SIZE) == 0
           && take_int32(stream, &flags) && flags == 0
           && take_int32(stream, &extension) && extension >= 0 && take_from_message(stream, (size_t) extension) != NULL;
}

/* Parses the message as a row, or as the trailer after the last row, which sets *ret_last. */
static bool parse_row(struct db_stream *stream, struct db_row *row, bool *ret_last)
{
    int count;

    if (!stream->has_header && !take_header(stream))
        return false;
    stream->has_header = true;
    if (!take_int16(stream, &count))
        return false;
    *ret_last = count == -1;
    if (*ret_last)
        return true;
    if (count < 0 || count > DB_STREAM_MAX_FIELDS)
        return false;

    row->count = (size_t) count;
    for (size_t i = 0; i < row->count; i++) {
        int32_t length;

        if (!take_int32(stream, &length))
            return false;
        if (length < 0) {
            row->fields[i] = (struct db_field) {NULL, 0};
            continue;
        }
        row->fields[i].length = (size_t) length;
        row->fields[i].data = take_from_message(stream, (size_t) length);
        if (row->fields[i].data == NULL)
            return false;
    }
    return stream->at == stream->length;
}

/* Reads the result of the command after the last row. It may still be an error. */
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

enum db_stream_state db_stream_next(struct db_stream *stream, struct db_row *row, struct error *err)
{
    PGconn *connection = stream->db->connection;
    int64_t deadline = stream_deadline(stream->db);

    if (stream->ended)
        return DB_STREAM_END;
    for (;;) {
        bool last = false;
        int length;

        PQfreemem(stream->message);
        stream->message = NULL;
        length = PQgetCopyData(connection, &stream->message, 1);
        if (length > 0) {
            stream->length = (size_t) length;
            stream->at = 0;
            if (!parse_row(stream, row, &last)) {
                db_fail_with(err, ERROR_INTERNAL);
                error_detail(err, "a row from the database is malformed");
                return DB_STREAM_FAILED;
            }
            if (!last)
                return DB_STREAM_ROW;
        } else if (length == -1) {
            return finish_stream(stream, err) ? DB_STREAM_END : DB_STREAM_FAILED;
        } else if (length < -1) {
            db_fail(stream->db, NULL, err);
            return DB_STREAM_FAILED;
        } else {
            if (!db_wait(stream->db, deadline, err))
                return DB_STREAM_FAILED;
            if (PQconsumeInput(connection) == 0) {
                db_fail(stream->db, NULL, err);
                return DB_STREAM_FAILED;
            }
        }
    }
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
