#include "inventory/query.h"

#include <inttypes.h>
#include <string.h>

#include "inventory/conditions.h"

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

void inventory_query_build(struct statement *statement, const struct inventory_query *query)
{
    const struct selection *selection = query->selection;

    statement_append(statement, "SELECT ");
    for (size_t i = 0; i < selection->header_count; i++)
        statement_append(statement, "%sc.%s::text", i == 0 ? "" : ", ", selection->headers[i].column->key);

    statement_append(statement, " FROM ");
    append_relation(statement, query->relation);
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
