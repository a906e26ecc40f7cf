#include "inventory/query.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

/* Appends the quoted name of a relation. The default schema is public. */
static void append_relation(struct statement *statement, const char *relation)
{
    const char *dot = strchr(relation, '.');

    if (dot == NULL) {
        statement_append(statement, "public.");
        statement_identifier(statement, relation, strlen(relation));
    } else {
        statement_identifier(statement, relation, (size_t) (dot - relation));
        statement_append(statement, ".");
        statement_identifier(statement, dot + 1, strlen(dot + 1));
    }
}

/*
 * Appends a text column for comparison and sorting by bytes. The inventory may be a view with other types and
 * collations. For waybill.container, the casts have no effect, and its indexes stay usable.
 */
static void append_text_column(struct statement *statement, const char *name)
{
    statement_append(statement, "c.%s::text COLLATE \"C\"", name);
}

/* Binds the text as a pattern of LIKE: `*` becomes %, and all other characters are literal. */
static void bind_pattern(struct statement *statement, const char *text)
{
    struct buffer pattern = {0};

    for (; *text != '\0'; text++) {
        if (*text == '*') {
            if (pattern.length == 0 || text[-1] != '*')
                buffer_append(&pattern, "%", 1);
            continue;
        }
        if (*text == '%' || *text == '_' || *text == '\\')
            buffer_append(&pattern, "\\", 1);
        buffer_append(&pattern, text, 1);
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

static void append_filter(struct statement *statement, const struct filter *filter, const struct filter_value *value)
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
        append_text_column(statement, filter->name);
        if (filter->kind == FILTER_NAME && strchr(value->text, '*') != NULL) {
            statement_append(statement, " LIKE ");
            bind_pattern(statement, value->text);
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

void inventory_query_build(struct statement *statement, const struct inventory_query *query)
{
    const struct selection *selection = query->selection;

    statement_append(statement, "SELECT ");
    for (size_t i = 0; i < selection->header_count; i++)
        statement_append(statement, "%sc.%s::text", i == 0 ? "" : ", ", selection->headers[i].column->key);

    statement_append(statement, " FROM ");
    append_relation(statement, query->relation);
    statement_append(statement, " AS c WHERE ");
    append_text_column(statement, "project_id");
    statement_append(statement, " = ");
    statement_bind(statement, query->project_id);
    if (query->enterprise_projects != NULL) {
        statement_append(statement, " AND ");
        append_text_column(statement, "enterprise_project_id");
        statement_append(statement, " = ANY (");
        statement_bind(statement, query->enterprise_projects);
        statement_append(statement, "::text[])");
    }
    for (size_t i = 0; i < FILTER_COUNT; i++)
        append_filter(statement, &filters[i], &selection->filters[i]);

    statement_append(statement, " ORDER BY ");
    append_text_column(statement, "container_id");
    if (query->limit > 0)
        statement_append(statement, " LIMIT %" PRId64, query->limit + 1);
}
