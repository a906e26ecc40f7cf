/* A value of a row in COPY, in text format. */
#ifndef WAYBILL_DB_FIELD_H
#define WAYBILL_DB_FIELD_H

#include <stddef.h>

struct db_field {
    const char *data; /* NULL for SQL NULL; without a NUL at the end */
    size_t length;
};

#endif
