/* A value of a row that streams in or out, in its text form. */
#ifndef WAYBILL_DB_FIELD_H
#define WAYBILL_DB_FIELD_H

#include <stddef.h>

struct db_field {
    const char *data; /* NULL is SQL NULL; not followed by a NUL byte */
    size_t length;
};

#endif
