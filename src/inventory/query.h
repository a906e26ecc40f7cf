/* Builds the SQL query of a selection. */
#ifndef WAYBILL_INVENTORY_QUERY_H
#define WAYBILL_INVENTORY_QUERY_H

#include <stdint.h>

#include "db/statement.h"
#include "inventory/combinations.h"
#include "inventory/selection.h"

/* The rows and columns of the inventory to read. */
struct inventory_query {
    const char *relation;            /* [inventory] relation: schema.name or name */
    const char *project_id;
    const char *enterprise_projects; /* text[] in its input format; NULL: the whole project */
    const struct selection *selection;
    const struct combinations *combinations; /* NULL: not known */
    int64_t limit;                   /* maximum number of rows, less than INT64_MAX; 0: no limit */
};

/*
 * Splits [inventory] relation, which is schema.name or name, at its first dot. The default schema is public. Appends
 * the schema to the buffer, and returns the name, which points into `relation`.
 */
const char *inventory_relation_split(const char *relation, struct buffer *schema);

/* Appends the quoted name of the relation with its schema. */
void inventory_relation_append(struct statement *statement, const char *relation);

/*
 * Builds a SELECT in `statement`, which must be empty. The SELECT returns the rows that match all filters, in the
 * bytewise order of container_id, with one column for each header of the selection, whose text format is its text. With
 * a limit, it can return one row more than the limit, which shows that more rows match.
 */
void inventory_query_build(struct statement *statement, const struct inventory_query *query);

/* The same, for a SELECT that returns one row: the column `total`, the number of rows that match, without a limit. */
void inventory_query_build_count(struct statement *statement, const struct inventory_query *query);

/*
 * The same, for a SELECT that skips `offset` of the rows that match and returns at most `limit`, which must not be 0.
 * Its columns have the names of those of the inventory. A time is in milliseconds since 1970, rounded down; one that is
 * infinite is not a number.
 */
void inventory_query_build_page(struct statement *statement, const struct inventory_query *query, int offset);

#endif
