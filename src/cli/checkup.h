/* What `waybill check` finds, line by line. */
#ifndef WAYBILL_CLI_CHECKUP_H
#define WAYBILL_CLI_CHECKUP_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/config.h"
#include "db/db.h"

enum finding {
    FINDING_OK,
    FINDING_WARNING, /* it works, but not as it should */
    FINDING_FAILED,
    FINDING_SKIPPED, /* something else has to be mended before */
};

struct checkup {
    const struct config *config;
    const char *sql_dir; /* of the migrations */
    const char *socket;  /* to ask, as in [server] listen; "" is none */
    struct db *db;       /* the service's connection; NULL where there is none */
    size_t failures;
};

/* Prints a finding about a subject. One that is not good says what to do. */
void checkup_say(struct checkup *checkup, enum finding finding, const char *subject, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* The same for a failure, with the operator's detail of an error, on one line; `advice` may be NULL. */
void checkup_say_error(struct checkup *checkup, enum finding finding, const char *subject, const struct error *err,
                       const char *advice);

/* The part of it that asks PostgreSQL: database, schema, rights, inventory, owner, clock. */
void checkup_database(struct checkup *checkup);

#endif
