/*
 * A selection from the inventory: filters on its rows, and columns with their header names. It is parsed from the JSON
 * body of "create a container export task" and validated by the rules in docs/openapi.yaml. This code needs neither
 * HTTP nor a database.
 */
#ifndef WAYBILL_INVENTORY_SELECTION_H
#define WAYBILL_INVENTORY_SELECTION_H

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
    char *json; /* the accepted body without whitespace; parsing it returns an equal selection */
};

/*
 * Parses a body. Free the selection with selection_free. Returns NULL on failure: the message names the field, the rule
 * and the value (ERROR_PARAMETER), or the offset at which the body is not JSON (ERROR_BODY).
 */
MUST_CHECK struct selection *selection_parse(const char *body, size_t length, struct error *err);

/* NULL is allowed. */
void selection_free(struct selection *selection);

#endif
