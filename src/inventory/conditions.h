/* The conditions of a query on the inventory, in SQL. The relation has the alias c. */
#ifndef WAYBILL_INVENTORY_CONDITIONS_H
#define WAYBILL_INVENTORY_CONDITIONS_H

#include <stddef.h>

#include "db/statement.h"
#include "inventory/filters.h"

/*
 * Appends a text column for comparison and sorting by bytes. The inventory may be a view with other types and
 * collations. For waybill.container, the casts have no effect, and its indexes stay usable.
 */
void condition_column(struct statement *statement, const char *name);

/* Binds the text as a pattern of LIKE: `*` becomes %, and all other characters are literal. */
void condition_bind_pattern(struct statement *statement, const char *text, size_t length);

/* Appends the condition on the project. */
void condition_of_project(struct statement *statement, const char *project_id);

/* Appends " AND " and the condition on the enterprise projects, text[] in its input format; NULL: all, no condition. */
void condition_of_enterprise_projects(struct statement *statement, const char *enterprise_projects);

/* Appends " AND " and the condition of a filter, if it is set. */
void condition_of_filter(struct statement *statement, const struct filter *filter, const struct filter_value *value);

#endif
