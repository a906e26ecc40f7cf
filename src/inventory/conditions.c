#include "inventory/conditions.h"

#include <string.h>

#include "base/clock.h"

void condition_column(struct statement *statement, const char *name)
{
    statement_append(statement, "c.%s::text COLLATE \"C\"", name);
}

void condition_bind_pattern(struct statement *statement, const char *text, size_t length)
{
    struct buffer pattern = {0};

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '*') {
            if (i == 0 || text[i - 1] != '*')
                buffer_append(&pattern, "%", 1);
            continue;
        }
        if (text[i] == '%' || text[i] == '_' || text[i] == '\\')
            buffer_append(&pattern, "\\", 1);
        buffer_append(&pattern, &text[i], 1);
    }
    statement_bind(statement, buffer_text(&pattern));
    buffer_free(&pattern);
}

/* Appends one bound of a time range. */
static void append_time_bound(struct statement *statement, const char *name, const char *comparison, int64_t instant)
{
    char text[CLOCK_ISO8601_SIZE];

    clock_format_iso8601(text, instant);
    statement_append(statement, " AND c.%s::timestamptz %s ", name, comparison);
    statement_bind(statement, text);
    statement_append(statement, "::timestamptz");
}

/*
 * Appends a time range. Both ends are included, with the millisecond precision of the CSV file: a row at .1239 is in a
 * range that ends at .123. An end of CLOCK_MAX_MS or later excludes only NULL. A start after CLOCK_MAX_MS is replaced
 * by it.
 */
static void append_time_range(struct statement *statement, const char *name, const struct filter_value *value)
{
    if (value->start_time >= 0)
        append_time_bound(statement, name, ">=", value->start_time < CLOCK_MAX_MS ? value->start_time : CLOCK_MAX_MS);
    if (value->end_time >= CLOCK_MAX_MS)
        statement_append(statement, " AND c.%s IS NOT NULL", name);
    else if (value->end_time >= 0)
        append_time_bound(statement, name, "<", value->end_time + 1);
}

void condition_of_filter(struct statement *statement, const struct filter *filter, const struct filter_value *value)
{
    if (!value->is_set)
        return;
    if (filter->kind == FILTER_TIME_RANGE) {
        append_time_range(statement, filter->name, value);
        return;
    }

    statement_append(statement, " AND ");
    switch (filter->kind) {
    case FILTER_BOOLEAN:
        statement_append(statement, "c.%s::boolean = %s", filter->name, value->boolean ? "true" : "false");
        break;
    case FILTER_CHOICE:
    case FILTER_NAME:
        condition_column(statement, filter->name);
        if (filter->kind == FILTER_NAME && strchr(value->text, '*') != NULL) {
            statement_append(statement, " LIKE ");
            condition_bind_pattern(statement, value->text, strlen(value->text));
        } else {
            statement_append(statement, " = ");
            statement_bind(statement, value->text);
        }
        break;
    case FILTER_QUANTITY:
        statement_append(statement, "waybill.quantity_key(c.%s::text) = waybill.quantity_key(", filter->name);
        statement_bind(statement, value->text);
        statement_append(statement, ")");
        break;
    case FILTER_TIME_RANGE:
        break;
    }
}

void condition_of_project(struct statement *statement, const char *project_id)
{
    condition_column(statement, "project_id");
    statement_append(statement, " = ");
    statement_bind(statement, project_id);
}

void condition_of_enterprise_projects(struct statement *statement, const char *enterprise_projects)
{
    if (enterprise_projects == NULL)
        return;
    statement_append(statement, " AND ");
    condition_column(statement, "enterprise_project_id");
    statement_append(statement, " = ANY (");
    statement_bind(statement, enterprise_projects);
    statement_append(statement, "::text[])");
}
