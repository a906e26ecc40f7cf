/* The columns that a file can have: one table, from the key in a request to the type in the CSV. */
#ifndef WAYBILL_INVENTORY_COLUMNS_H
#define WAYBILL_INVENTORY_COLUMNS_H

#include <stddef.h>

#define COLUMN_COUNT 16

enum column_type {
    COLUMN_TEXT,   /* gets the formula guard */
    COLUMN_PLAIN,  /* a number or true/false, written as PostgreSQL writes it */
    COLUMN_TIME,   /* ISO 8601 */
};

struct column {
    const char *key; /* in a request, and the inventory's column */
    enum column_type type;
};

extern const struct column columns[COLUMN_COUNT];

/* The column with this key, or NULL. */
const struct column *column_find(const char *key);

#endif
