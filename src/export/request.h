/*
 * The body of "create a container export task": bytes in, a valid request out. Knows neither HTTP nor
 * the database. The rules are the API page's, with design and README for what it leaves open.
 */
#ifndef WAYBILL_EXPORT_REQUEST_H
#define WAYBILL_EXPORT_REQUEST_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/error.h"
#include "export/columns.h"
#include "export/filters.h"

#define EXPORT_MAX_BODY (1024 * 1024) /* bytes */
#define EXPORT_MAX_SIZE 100000        /* rows of a file */

struct export_header {
    const struct column *column;
    char *name; /* as the first line of the file has it */
};

struct export_request {
    struct filter_value filters[FILTER_COUNT]; /* at the places of the table */
    size_t header_count;                       /* 1 to COLUMN_COUNT */
    struct export_header headers[COLUMN_COUNT];
    char *json; /* the body as accepted, without blanks: parses to an equal request */
};

/*
 * Reads a body. On failure err names the field, the rule and what was got (ERROR_PARAMETER), or the place
 * where it is no JSON (ERROR_BODY), and NULL is returned. Free it with export_request_free.
 */
MUST_CHECK struct export_request *export_request_parse(const char *body, size_t length, struct error *err);

/* NULL is fine. */
void export_request_free(struct export_request *request);

#endif
