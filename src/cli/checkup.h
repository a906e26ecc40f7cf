/* The findings of `waybill check`, and its checks that need PostgreSQL. check.c runs all checks in order. */
#ifndef WAYBILL_CLI_CHECKUP_H
#define WAYBILL_CLI_CHECKUP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/config.h"

enum finding {
    FINDING_OK,
    FINDING_WARNING, /* it works, but should be changed */
    FINDING_FAILED,
    FINDING_SKIPPED, /* not checked, because another prerequisite is missing */
};

struct checkup {
    const struct config *config;
    const char *sql_dir; /* directory of the migrations */
    const char *socket;  /* to probe, in the format of [server] listen; "": none */
    bool no_counts;      /* the rows of the inventory are not counted */
    size_t failures;
};

/* Adds a finding: prints a line and counts a failure. The text of a warning or a failure names a remedy. */
void checkup_add(struct checkup *checkup, enum finding finding, const char *subject, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Adds a finding with the first line of an error's detail, or of its message if it has none, and a remedy. */
void checkup_add_error(struct checkup *checkup, enum finding finding, const char *subject, const struct error *err,
                       const char *remedy);

/* The database of the tasks, as the service connects to it: connection, schema, privileges, clock. */
void checkup_database(struct checkup *checkup);

/* The inventory, which can be another database: its columns, its values and the number of its rows. */
void checkup_inventory(struct checkup *checkup);

/* The schedules, the time zone database, and the hosts of notifications. */
void checkup_schedules(struct checkup *checkup);

/* The key file; and Keystone, if it is the identity service: its CA file, and whether it answers. */
void checkup_access(struct checkup *checkup);

/* The connection of the owner, which `waybill migrate`, `waybill token` and `waybill key` use. */
void checkup_owner(struct checkup *checkup);

#endif
