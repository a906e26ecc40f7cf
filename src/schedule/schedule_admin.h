/* Schedules, for operators: the state of the schedules of all projects. */
#ifndef WAYBILL_SCHEDULE_SCHEDULE_ADMIN_H
#define WAYBILL_SCHEDULE_SCHEDULE_ADMIN_H

#include <stdint.h>

#include "access/key_ring.h"
#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

#define SCHEDULE_OVERDUE_S 60 /* a schedule that has been due for longer is overdue: no scheduler is running */

struct schedule_health {
    int64_t enabled;         /* number of schedules */
    int64_t paused;          /* by the service */
    char first_paused[1024]; /* names, projects and reasons of the first three of them; "" if there are none */
    int64_t overdue;
    int64_t overdue_s;       /* for how long the first of them has been due; 0 if there are none */
};

/* Reads the state of the schedules of all projects. */
MUST_CHECK bool schedule_admin_health(struct db *db, struct schedule_health *ret_health, struct error *err);

/* Encrypts the secrets of all notifications with the current key, in one transaction, also those that are plain. */
MUST_CHECK bool schedule_admin_reseal(struct db *db, struct key_ring *ring, struct error *err);

#endif
