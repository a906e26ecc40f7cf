#include "db/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "db/internal.h"
#include "db/query.h"

bool db_append_quoted(struct db *db, const struct statement *statement, struct buffer *sql, struct error *err)
{
    const char *text = buffer_text(&statement->sql);
    size_t at = 0;

    for (size_t i = 0; i < statement->count; i++) {
        char *literal = PQescapeLiteral(db->connection, statement->values[i], strlen(statement->values[i]));

        if (literal == NULL)
            return db_fail(db, NULL, err);
        buffer_append(sql, text + at, statement->places[i] - at);
        buffer_append_text(sql, literal);
        PQfreemem(literal);
        at = statement->places[i] + statement->lengths[i];
    }
    buffer_append_text(sql, text + at);
    return true;
}

struct db_result *db_begin_snapshot_with(struct db *db, const struct statement *script, struct error *err)
{
    struct buffer sql = {0};
    PGresult *result = NULL;

    buffer_append_text(&sql, DB_BEGIN_SNAPSHOT);
    if (db_append_scope(db, &sql, err)) {
        buffer_append_text(&sql, "; ");
        if (db_append_quoted(db, script, &sql, err)) {
            if (PQsendQuery(db->connection, buffer_text(&sql)) == 1)
                result = db_collect(db, err);
            else
                db_fail(db, NULL, err);
        }
    }
    buffer_free(&sql);
    if (result == NULL)
        db_rollback(db);
    return (struct db_result *) result;
}

/* Returns the number of the shape of the query, or DB_MAX_SHAPES if it is unknown. */
static size_t find_shape(const struct db *db, const char *query)
{
    size_t number = 0;

    while (number < DB_MAX_SHAPES && (db->shapes[number] == NULL || strcmp(db->shapes[number], query) != 0))
        number++;
    return number;
}

/*
 * A prepared statement whose result would have other columns than before fails ("cached plan must not change result
 * type").
 */
bool db_remember_shape(struct db *db, const char *query, struct error *err)
{
    size_t number = db->next_shape;
    struct buffer sql = {0};
    bool remembered;

    if (db->shapes[number] != NULL)
        buffer_printf(&sql, "DEALLOCATE waybill_shape_%zu; ", number);
    buffer_printf(&sql, "PREPARE waybill_shape_%zu AS ", number);
    buffer_append_text(&sql, query);
    remembered = db_run_script(db, buffer_text(&sql), err);
    buffer_free(&sql);
    free(db->shapes[number]);
    db->shapes[number] = remembered ? memory_copy_text(query) : NULL;
    if (remembered)
        db->next_shape = (number + 1) % DB_MAX_SHAPES;
    return remembered;
}

bool db_append_shape_check(const struct db *db, const char *query, struct statement *script)
{
    size_t number = find_shape(db, query);

    if (number == DB_MAX_SHAPES)
        return false;
    statement_append(script, "EXECUTE waybill_shape_%zu", number);
    return true;
}

void db_forget_shape(struct db *db, const char *query)
{
    size_t number = find_shape(db, query);
    struct error ignored;
    char sql[64];

    if (number == DB_MAX_SHAPES || !db_is_usable(db))
        return;
    snprintf(sql, sizeof(sql), "DEALLOCATE waybill_shape_%zu", number);
    (void) !db_run_script(db, sql, &ignored); /* it fails only if the connection is lost */
    free(db->shapes[number]);
    db->shapes[number] = NULL;
}
