/* The table of columns: the key of each column in a request, and its type in the CSV file. */
#ifndef WAYBILL_INVENTORY_COLUMNS_H
#define WAYBILL_INVENTORY_COLUMNS_H

#include <stddef.h>

#define COLUMN_COUNT 16

enum column_type {
    COLUMN_TEXT,   /* subject to the formula guard */
    COLUMN_PLAIN,  /* a number, true or false, in PostgreSQL's format */
    COLUMN_TIME,   /* ISO 8601 */
};

struct column {
    const char *key; /* in a request; also the name of the column in the inventory */
    enum column_type type;
};

extern const struct column columns[COLUMN_COUNT];

/* Returns the column with this key, or NULL. */
const struct column *column_find(const char *key);

#endif
