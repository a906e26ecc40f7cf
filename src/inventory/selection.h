/*
 * A selection from the inventory: filters on its rows, and columns with their header names. It is parsed from the JSON
 * body of "create a container export task", or made from the query parameters of a list of containers, and validated by
 * the rules in docs/openapi.yaml. This code needs neither HTTP nor a database.
 */
#ifndef WAYBILL_INVENTORY_SELECTION_H
#define WAYBILL_INVENTORY_SELECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "inventory/columns.h"
#include "inventory/filters.h"

struct selection_header {
    const struct column *column;
    char *name; /* in the header line of the file */
};

struct selection {
    struct filter_value filters[FILTER_COUNT]; /* indexed like the table */
    size_t header_count;                       /* 1 to COLUMN_COUNT */
    struct selection_header headers[COLUMN_COUNT];
    char *json; /* the accepted body without whitespace; parsing it returns an equal selection. NULL if not parsed */
};

/*
 * Parses a body. Free the selection with selection_free. Returns NULL on failure: the message names the field, the rule
 * and the value (ERROR_PARAMETER), or the offset at which the body is not JSON (ERROR_BODY).
 */
MUST_CHECK struct selection *selection_parse(const char *body, size_t length, struct error *err);

/* Returns a selection of all columns, whose header names are their keys, without filters. */
struct selection *selection_of_all_columns(void);

/*
 * Sets a filter from a text outside JSON, such as a query parameter. `name` is a filter that is not set yet. The rules
 * are those of the field with this string, but a filter of kind FILTER_NAME may have 0 to max_length characters, and ""
 * is no filter. Fails with ERROR_PARAMETER; the message names the filter, the rule and the value.
 */
MUST_CHECK bool selection_set_filter(struct selection *selection, const char *name, const char *text,
                                     size_t max_length, struct error *err);

/* NULL is allowed. */
void selection_free(struct selection *selection);

#endif
