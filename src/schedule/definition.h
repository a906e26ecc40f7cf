/*
 * The definition of a schedule: the fields that its owner chooses. It is parsed from the JSON body of "create an export
 * schedule" and validated by the rules in docs/openapi.yaml. This code needs neither HTTP nor a database.
 */
#ifndef WAYBILL_SCHEDULE_DEFINITION_H
#define WAYBILL_SCHEDULE_DEFINITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "schedule/webhook.h"

struct schedule_definition {
    char *name;
    char *rule;                  /* RFC 5545 RRULE */
    char *time_zone;             /* a name of the time zone database */
    int64_t start_time;          /* milliseconds since 1970, like all times here */
    bool enabled;
    int keep;                    /* files */
    char *enterprise_project_id; /* may be all_granted_eps */
    int export_size;
    char *request;               /* JSON: the body of a task, whose create_time may be {"last": DURATION} */
    char *notify_url;            /* NULL: no notifications */
};

/*
 * Parses a body. `now` is the default of start_time. Free the definition with schedule_definition_free. Returns NULL on
 * failure, with ERROR_PARAMETER or ERROR_BODY as for selection_parse.
 */
MUST_CHECK struct schedule_definition *schedule_definition_parse(const char *body, size_t length, int64_t now,
                                                                 const struct webhook_policy *policy,
                                                                 struct error *err);

/* Frees the texts, but not the definition itself. */
void schedule_definition_clear(struct schedule_definition *definition);

/* NULL is allowed. */
void schedule_definition_free(struct schedule_definition *definition);

/*
 * Finds the first occurrence at or after `from`, or 0 if there is none. Fails with ERROR_PARAMETER if the rule or the
 * time zone is no longer valid.
 */
MUST_CHECK bool schedule_definition_next(const struct schedule_definition *definition, int64_t from, int64_t *ret_next,
                                         struct error *err);

#endif
