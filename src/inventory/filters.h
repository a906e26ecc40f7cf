/*
 * The filters of a request: one table, from the field's rule to how it matches. selection.c validates by
 * it, query.c turns it into SQL. A filter's name is the field's and the inventory column's.
 */
#ifndef WAYBILL_INVENTORY_FILTERS_H
#define WAYBILL_INVENTORY_FILTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_COUNT 11

enum filter_kind {
    FILTER_BOOLEAN,    /* true or false */
    FILTER_CHOICE,     /* one of `choices`, exactly */
    FILTER_NAME,       /* exactly, or by pattern where the text has a `*` */
    FILTER_TIME_RANGE, /* {start_time, end_time}, both ends included */
    FILTER_QUANTITY,   /* equal amounts of CPU or memory; "" is no filter */
};

struct filter {
    const char *name;
    enum filter_kind kind;
    size_t max_length;          /* characters: FILTER_NAME (at least 1) and FILTER_QUANTITY (at least 0) */
    const char *const *choices; /* FILTER_CHOICE: ended by NULL */
};

extern const struct filter filters[FILTER_COUNT];

/* A filter's value in a request. */
struct filter_value {
    bool is_set; /* false: no restriction, and the rest means nothing */
    bool boolean;
    char *text; /* choice, name, quantity */
    int64_t start_time, end_time; /* milliseconds since 1970, -1 is open */
};

/* The filter with this name, or NULL. Its place in the table is `filter - filters`. */
const struct filter *filter_find(const char *name);

#endif
