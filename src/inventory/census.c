#include "inventory/census.h"

#include <stdlib.h>

#include "db/query.h"
#include "inventory/query.h"

/* Calls `append` for each filter with choices. */
static void for_each_choice(struct statement *statement,
                            void (*append)(struct statement *statement, const struct filter *filter))
{
    for (size_t i = 0; i < FILTER_COUNT; i++) {
        if (filters[i].kind == FILTER_CHOICE)
            append(statement, &filters[i]);
    }
}

static void append_bytewise(struct statement *statement, const struct filter *filter)
{
    statement_append(statement, ", c.%s::text COLLATE \"C\" AS %s", filter->name, filter->name);
}

static void append_name(struct statement *statement, const struct filter *filter)
{
    statement_append(statement, ", %s", filter->name);
}

/* Appends the values that are not among the choices. */
static void append_other_values(struct statement *statement, const struct filter *filter)
{
    size_t count = 0;
    char *choices;

    while (filter->choices[count] != NULL)
        count++;
    choices = db_array_literal(filter->choices, count);
    statement_append(statement, " UNION ALL SELECT '%s', %s, NULL, sum(rows) FROM counted WHERE %s <> ALL (",
                     filter->name, filter->name, filter->name);
    statement_bind(statement, choices);
    statement_append(statement, "::text[]) GROUP BY 2");
    free(choices);
}

/* Appends a query that reads the rows once, and counts them in groups of which there are few. */
static void append_counted(struct statement *statement, const char *relation)
{
    statement_append(statement, "SELECT project_id, enterprise_project_id");
    for_each_choice(statement, append_name);
    statement_append(statement, ", count(*) AS rows FROM (SELECT c.project_id::text COLLATE \"C\" AS project_id,"
                     " c.enterprise_project_id::text COLLATE \"C\" AS enterprise_project_id");
    for_each_choice(statement, append_bytewise);
    statement_append(statement, " FROM ");
    inventory_relation_append(statement, relation);
    statement_append(statement, " AS c) AS bytewise GROUP BY project_id, enterprise_project_id");
    for_each_choice(statement, append_name);
}

static void build_census(struct statement *statement, const char *relation, int limit)
{
    statement_append(statement, "WITH counted AS MATERIALIZED (");
    if (relation == NULL)
        statement_append(statement, "SELECT * FROM waybill.inventory_census()");
    else
        append_counted(statement, relation);
    statement_append(statement, "), entry (filter, value, enterprise_project_id, rows) AS ("
                     "SELECT NULL, project_id, enterprise_project_id, sum(rows) FROM counted GROUP BY 2, 3");
    for_each_choice(statement, append_other_values);
    statement_append(statement, "), ranked AS (SELECT *, count(*) OVER (PARTITION BY filter) AS entries,"
                     " sum(rows) OVER (PARTITION BY filter) AS total_rows,"
                     " row_number() OVER (PARTITION BY filter"
                     "     ORDER BY filter IS NULL AND (value IS NULL OR enterprise_project_id IS NULL) DESC,"
                     "     rows DESC, value, enterprise_project_id) AS rank FROM entry)"
                     " SELECT * FROM ranked WHERE rank <= %d ORDER BY filter NULLS FIRST, rank", limit);
}

bool census_take(struct db *db, const char *relation, int limit, const struct census_reader *reader, struct error *err)
{
    struct statement statement = {0};
    struct db_result *entries;

    build_census(&statement, relation, limit);
    entries = db_query_built(db, DB_ROWS, &statement, err);
    if (entries == NULL)
        return false;
    for (size_t i = 0; i < db_rows(entries); i++) {
        const char *filter = db_text(entries, i, "filter");
        const struct census_entry entry = {
            .filter = filter == NULL ? NULL : filter_find(filter),
            .value = db_text(entries, i, "value"),
            .enterprise_project_id = db_text(entries, i, "enterprise_project_id"),
            .rows = db_integer(entries, i, "rows"),
            .rank = db_integer(entries, i, "rank"),
            .entries = db_integer(entries, i, "entries"),
            .total_rows = db_integer(entries, i, "total_rows"),
        };

        reader->take(reader->context, &entry);
    }
    db_result_free(entries);
    return true;
}
