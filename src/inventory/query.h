/* The query for the rows of a selection: the meaning of every filter in SQL. */
#ifndef WAYBILL_INVENTORY_QUERY_H
#define WAYBILL_INVENTORY_QUERY_H

#include <stdint.h>

#include "db/statement.h"
#include "inventory/selection.h"

struct inventory_scope {
    const char *relation;            /* [inventory] relation: schema.name or name */
    const char *project_id;
    const char *enterprise_projects; /* text[] in its input form; NULL is all of the project */
};

/*
 * Builds the SELECT into the empty `statement`: one text column per header of the selection, in its
 * order; the rows that match all filters, in the bytewise order of container_id; at most `limit` of them.
 */
void inventory_query_build(struct statement *statement, const struct inventory_scope *scope,
                           const struct selection *selection, int64_t limit);

#endif
