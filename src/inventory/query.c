#include "inventory/query.h"

#include <inttypes.h>
#include <string.h>

#include "inventory/conditions.h"
#include "inventory/record.h"

const char *inventory_relation_split(const char *relation, struct buffer *schema)
{
    const char *dot = strchr(relation, '.');

    if (dot == NULL) {
        buffer_append_text(schema, "public");
        return relation;
    }
    buffer_append(schema, relation, (size_t) (dot - relation));
    return dot + 1;
}

void inventory_relation_append(struct statement *statement, const char *relation)
{
    struct buffer schema = {0};
    const char *name = inventory_relation_split(relation, &schema);

    statement_identifier(statement, buffer_text(&schema), schema.length);
    statement_append(statement, ".");
    statement_identifier(statement, name, strlen(name));
    buffer_free(&schema);
}

/* Appends the conditions that the combinations imply, or the others. */
static void append_conditions(struct statement *statement, const struct inventory_query *query, bool is_implied)
{
    if (combinations_imply(query->combinations, NULL, NULL) == is_implied)
        condition_of_enterprise_projects(statement, query->enterprise_projects);
    for (size_t i = 0; i < FILTER_COUNT; i++) {
        const struct filter_value *value = &query->selection->filters[i];

        if (combinations_imply(query->combinations, &filters[i], value) == is_implied)
            condition_of_filter(statement, &filters[i], value);
    }
}

/*
 * Appends the rows that match. The planner would multiply the selectivity of a key with those of the conditions that it
 * implies, and expect far too few rows. It cannot look into CASE.
 */
static void append_rows(struct statement *statement, const struct inventory_query *query)
{
    const struct combinations *combinations = query->combinations;

    statement_append(statement, " FROM ");
    inventory_relation_append(statement, query->relation);
    statement_append(statement, " AS c WHERE ");
    condition_of_project(statement, query->project_id);
    append_conditions(statement, query, false);
    if (combinations != NULL && (combinations->profiles != NULL || combinations->labels != NULL)) {
        statement_append(statement, " AND CASE WHEN true");
        append_conditions(statement, query, true);
        statement_append(statement, " THEN true ELSE false END");
        combinations_append(statement, combinations);
    }
}

static void append_order(struct statement *statement)
{
    statement_append(statement, " ORDER BY ");
    condition_column(statement, "container_id");
}

/*
 * Whether the text format of a column is its text. The cast would cost more than half as much as the rest of the row. A
 * boolean is `t` and not `true`, and the text of a padded type has no padding.
 */
static bool has_own_text(const struct column *column)
{
    enum record_kind kind = record_columns[record_find(column->key, strlen(column->key))].kind;

    return kind == RECORD_COUNT || kind == RECORD_TIME;
}

void inventory_query_build(struct statement *statement, const struct inventory_query *query)
{
    const struct selection *selection = query->selection;

    statement_append(statement, "SELECT ");
    for (size_t i = 0; i < selection->header_count; i++) {
        const struct column *column = selection->headers[i].column;

        statement_append(statement, "%sc.%s%s", i == 0 ? "" : ", ", column->key, has_own_text(column) ? "" : "::text");
    }
    append_rows(statement, query);
    append_order(statement);
    if (query->limit > 0)
        statement_append(statement, " LIMIT %" PRId64, query->limit + 1);
}

void inventory_query_build_count(struct statement *statement, const struct inventory_query *query)
{
    statement_append(statement, "SELECT count(*) AS total");
    append_rows(statement, query);
}

void inventory_query_build_page(struct statement *statement, const struct inventory_query *query, int offset)
{
    const struct selection *selection = query->selection;

    statement_append(statement, "SELECT ");
    for (size_t i = 0; i < selection->header_count; i++) {
        const struct column *column = selection->headers[i].column;

        statement_append(statement, i == 0 ? "" : ", ");
        if (column->type == COLUMN_TIME)
            statement_append(statement, "floor(extract(epoch FROM c.%s::timestamptz) * 1000)::text AS %s", column->key,
                             column->key);
        else
            statement_append(statement, "c.%s::text AS %s", column->key, column->key);
    }
    append_rows(statement, query);
    append_order(statement);
    statement_append(statement, " LIMIT %" PRId64 " OFFSET %d", query->limit, offset);
}
