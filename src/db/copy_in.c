/* COPY ... FROM STDIN in the text format, which every type accepts. */
#include "db/copy_in.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "db/internal.h"

#define PIECE_SIZE 65536 /* bytes that are passed to libpq at once */

struct db_copy_in {
    struct db *db;
    bool failed;        /* the connection is lost: it stays in the COPY, and db_is_usable is false */
    struct buffer rows; /* not sent yet */
};

struct db_copy_in *db_copy_in_begin(struct db *db, const char *target, struct error *err)
{
    struct db_copy_in *copy = NULL;
    struct buffer sql = {0};

    buffer_printf(&sql, "COPY %s FROM STDIN", target);
    if (db_begin_copy(db, buffer_text(&sql), PGRES_COPY_IN, db_response_deadline(db), err)) {
        copy = memory_zeroed(1, sizeof(*copy));
        copy->db = db;
    }
    buffer_free(&sql);
    return copy;
}

/* Returns the letter that represents a byte after a backslash, or 0 if the byte needs no escape. */
static char escape_letter(char byte)
{
    switch (byte) {
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\\':
        return '\\';
    default:
        return '\0';
    }
}

static void append_field(struct buffer *rows, const struct db_field *field)
{
    size_t from = 0; /* the bytes before it have been appended */

    if (field->data == NULL) {
        buffer_append_text(rows, "\\N");
        return;
    }
    for (size_t at = 0; at < field->length; at++) {
        const char escape[] = {'\\', escape_letter(field->data[at])};

        if (escape[1] == '\0')
            continue;
        buffer_append(rows, field->data + from, at - from);
        buffer_append(rows, escape, sizeof(escape));
        from = at + 1;
    }
    buffer_append(rows, field->data + from, field->length - from);
}

/* Sends the rows in memory, in pieces. */
static bool send_rows(struct db_copy_in *copy, struct error *err)
{
    struct db *db = copy->db;
    size_t at = 0;

    while (at < copy->rows.length) {
        size_t size = copy->rows.length - at < PIECE_SIZE ? copy->rows.length - at : PIECE_SIZE;

        if (PQputCopyData(db->connection, copy->rows.data + at, (int) size) != 1)
            return db_fail(db, NULL, err);
        if (!db_flush(db, db_response_deadline(db), err))
            return false;
        at += size;
    }
    buffer_clear(&copy->rows);
    return true;
}

bool db_copy_in_row(struct db_copy_in *copy, const struct db_field *fields, size_t count, struct error *err)
{
    assert(!copy->failed);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append(&copy->rows, "\t", 1);
        append_field(&copy->rows, &fields[i]);
    }
    buffer_append(&copy->rows, "\n", 1);
    if (copy->rows.length < PIECE_SIZE)
        return true;
    copy->failed = !send_rows(copy, err);
    return !copy->failed;
}

static void free_copy(struct db_copy_in *copy)
{
    buffer_free(&copy->rows);
    free(copy);
}

/*
 * Sends the end of the rows or, with a reason, the abort of the COPY. libpq may still buffer data, which is sent during
 * the wait for the result.
 */
static bool send_copy_end(struct db_copy_in *copy, const char *reason, struct error *err)
{
    if (PQputCopyEnd(copy->db->connection, reason) == 1)
        return true;
    return db_fail(copy->db, NULL, err);
}

bool db_copy_in_end(struct db_copy_in *copy, int64_t *ret_rows, struct error *err)
{
    PGresult *result = NULL;

    assert(!copy->failed);
    if (send_rows(copy, err) && send_copy_end(copy, NULL, err))
        result = db_collect(copy->db, err);
    if (result != NULL && ret_rows != NULL)
        *ret_rows = strtoll(PQcmdTuples(result), NULL, 10);
    free_copy(copy);
    PQclear(result);
    return result != NULL;
}

void db_copy_in_abort(struct db_copy_in *copy)
{
    struct error ignored;

    if (copy == NULL)
        return;
    if (!copy->failed && send_copy_end(copy, "the sender aborted the COPY", &ignored))
        db_discard_results(copy->db);
    free_copy(copy);
}
