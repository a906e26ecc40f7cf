#include "db/statement.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/memory.h"

void statement_append(struct statement *statement, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    buffer_vprintf(&statement->sql, format, arguments);
    va_end(arguments);
}

void statement_bind(struct statement *statement, const char *value)
{
    size_t place = statement->sql.length;
    size_t index = statement->count++;

    assert(index < STATEMENT_MAX_VALUES);
    buffer_printf(&statement->sql, "$%zu", index + 1);
    statement->values[index] = memory_copy_text(value);
    statement->places[index] = place;
    statement->lengths[index] = statement->sql.length - place;
}

void statement_identifier(struct statement *statement, const char *name, size_t length)
{
    buffer_append(&statement->sql, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        if (name[i] == '"')
            buffer_append(&statement->sql, "\"", 1);
        buffer_append(&statement->sql, name + i, 1);
    }
    buffer_append(&statement->sql, "\"", 1);
}

void statement_free(struct statement *statement)
{
    for (size_t i = 0; i < statement->count; i++)
        free(statement->values[i]);
    buffer_free(&statement->sql);
    *statement = (struct statement) {0};
}
