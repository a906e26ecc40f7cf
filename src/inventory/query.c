#include "inventory/query.h"

#include <inttypes.h>
#include <string.h>

#include "inventory/conditions.h"

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

void inventory_query_build(struct statement *statement, const struct inventory_query *query)
{
    const struct selection *selection = query->selection;

    statement_append(statement, "SELECT ");
    for (size_t i = 0; i < selection->header_count; i++)
        statement_append(statement, "%sc.%s::text", i == 0 ? "" : ", ", selection->headers[i].column->key);

    statement_append(statement, " FROM ");
    inventory_relation_append(statement, query->relation);
    statement_append(statement, " AS c WHERE ");
    condition_of_scope(statement, query->project_id, query->enterprise_projects);
    for (size_t i = 0; i < FILTER_COUNT; i++)
        condition_of_filter(statement, &filters[i], &selection->filters[i]);

    combinations_append(statement, query->combinations);

    statement_append(statement, " ORDER BY ");
    condition_column(statement, "container_id");
    if (query->limit > 0)
        statement_append(statement, " LIMIT %" PRId64, query->limit + 1);
}
