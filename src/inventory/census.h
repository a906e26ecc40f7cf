/* Counts the rows of [inventory] relation, for operators: by project, and by values that no filter can select. */
#ifndef WAYBILL_INVENTORY_CENSUS_H
#define WAYBILL_INVENTORY_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "inventory/filters.h"

/* An enterprise project, or a value that is not among the choices of a filter. Texts are NULL for SQL NULL. */
struct census_entry {
    const struct filter *filter;       /* of the value; NULL: the entry is an enterprise project */
    const char *value;                 /* or the project_id */
    const char *enterprise_project_id; /* NULL for a value too */
    int64_t rows;
    int64_t rank;       /* among the entries of the same filter, from 1 */
    int64_t entries;    /* number of these entries, beyond the limit too */
    int64_t total_rows; /* of these entries */
};

struct census_reader {
    void (*take)(void *context, const struct census_entry *entry);
    void *context;
};

/*
 * Reads all rows once. Calls `take` for at most `limit` enterprise projects of all projects, and then for at most
 * `limit` values of each filter with choices. The largest number of rows comes first, but enterprise projects with NULL
 * come before all others. Texts are valid until `take` returns. If the relation is NULL, the server counts the rows of
 * waybill.container for a role that may not read them (waybill.inventory_census).
 */
MUST_CHECK bool census_take(struct db *db, const char *relation, int limit, const struct census_reader *reader,
                            struct error *err);

#endif
