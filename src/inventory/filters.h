/*
 * The table of filters: the rules of each field, and how it matches. selection.c validates requests with it, and
 * query.c translates it to SQL. The field in a request and the column in the inventory have the name of the filter.
 */
#ifndef WAYBILL_INVENTORY_FILTERS_H
#define WAYBILL_INVENTORY_FILTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_COUNT 11

enum filter_kind {
    FILTER_BOOLEAN,    /* true or false */
    FILTER_CHOICE,     /* equal to one of `choices` */
    FILTER_NAME,       /* equal to the text, or matches it as a pattern if it contains `*` */
    FILTER_TIME_RANGE, /* {start_time, end_time}, both ends included */
    FILTER_QUANTITY,   /* an equal amount of CPU or memory; "" is no filter */
};

struct filter {
    const char *name;
    enum filter_kind kind;
    size_t max_length;          /* in characters; the minimum is 1 for FILTER_NAME, 0 for FILTER_QUANTITY */
    const char *const *choices; /* of FILTER_CHOICE, terminated by NULL */
};

extern const struct filter filters[FILTER_COUNT];

/* The value of a filter in a request. */
struct filter_value {
    bool is_set; /* false: no restriction, and the other members are undefined */
    bool boolean;
    char *text; /* of a choice, name or quantity */
    int64_t start_time, end_time; /* milliseconds since 1970; -1: no bound */
};

/* Returns the filter with this name, or NULL. Its index in the table is `filter - filters`. */
const struct filter *filter_find(const char *name);

#endif
