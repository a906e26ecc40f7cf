/*
 * Finds rows of waybill.container fast. Many containers have the same attributes and the same names, so the database
 * keeps the distinct combinations of each project (sql/migrations/0008_loading.sql), and each row has the keys of its
 * combinations. The keys of those that match the filters of a selection lead to its rows. The filters themselves still
 * decide which rows match.
 */
#ifndef WAYBILL_INVENTORY_COMBINATIONS_H
#define WAYBILL_INVENTORY_COMBINATIONS_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "db/result.h"
#include "db/statement.h"
#include "inventory/selection.h"

/* Keys of combinations, bigint[] in its input format. NULL: too many match, or all. */
struct combinations {
    char *profiles;
    char *labels;
};

/* Whether the relation of an inventory has combinations: it is waybill.container. */
bool combinations_exist(const char *relation);

/*
 * Finds the keys of the combinations that match the scope and the filters of the selection. If the relation has no
 * combinations, both lists are NULL. The keys and the rows must be read from the same snapshot.
 * Free the result with combinations_free.
 */
MUST_CHECK bool combinations_find(struct db *db, const char *relation, const char *project_id,
                                  const char *enterprise_projects, const struct selection *selection,
                                  struct combinations *ret_combinations, struct error *err);

/*
 * The same in two steps, for a statement that is sent with others. Appends the statement that finds the keys; returns
 * false if there is nothing to find, so that both lists are NULL. combinations_take takes the lists from its row.
 */
bool combinations_append_search(struct statement *statement, const char *relation, const char *project_id,
                                const char *enterprise_projects, const struct selection *selection);
void combinations_take(const struct db_result *found, struct combinations *ret_combinations);

void combinations_free(struct combinations *combinations);

/*
 * Whether the rows of the combinations match this filter, almost certainly: only rows whose keys are equal by chance do
 * not. NULL as the filter stands for the condition on the enterprise projects. `combinations` may be NULL.
 */
bool combinations_imply(const struct combinations *combinations, const struct filter *filter,
                        const struct filter_value *value);

/* Appends " AND " and the condition that a row has one of the combinations. NULL appends nothing. */
void combinations_append(struct statement *statement, const struct combinations *combinations);

#endif
