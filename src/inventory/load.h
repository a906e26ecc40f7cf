/*
 * Loads the inventory of a project from files. A load is one transaction: all of it takes effect, or nothing. Loads of
 * one project run one after the other.
 */
#ifndef WAYBILL_INVENTORY_LOAD_H
#define WAYBILL_INVENTORY_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"
#include "inventory/formats.h"
#include "inventory/loader.h"

struct load_options {
    const char *project_id;
    const char *enterprise_project_id; /* of rows that do not name their own */
    const char *source;
    const struct load_format *format; /* NULL: the content decides */
    struct loader_options loader;
    bool replace;      /* removes the rows of the source and the enterprise project that the load does not have */
    bool skip_refused; /* goes on without records that cannot be stored */
    bool dry_run;      /* changes nothing */

    /* Reports a record that was refused. `reason` names its position. */
    void (*refused)(void *context, const char *reason);

    /*
     * Reports the progress in a file: the bytes that were read, its size in bytes (-1: unknown), and the containers so
     * far. To stop, fill err and return false.
     */
    bool (*progress)(void *context, int64_t position, int64_t size, int64_t records, struct error *err);
    void *context;
};

struct load_summary {
    int64_t added, changed, unchanged, removed;
    int64_t skipped; /* left out on purpose */
    int64_t refused; /* cannot be stored */
    bool keeps_rows; /* a refused record may stand for stored rows, so that none was removed */
};

/*
 * Loads the files, in their order; "-" is standard input. *ret_summary is also filled in on failure, as far as it is
 * known. Fails with ERROR_PARAMETER or ERROR_BODY if a record or a file cannot be loaded, and with the errors of
 * db/connection.h. If the answer to the commit is lost, the load may have taken effect; the message says so.
 */
MUST_CHECK bool load_files(struct db *db, const struct load_options *options, const char *const *files, size_t count,
                           struct load_summary *ret_summary, struct error *err);

#endif
