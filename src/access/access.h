/*
 * Identifies the caller of a request by its credentials. A process has one struct access, with the state that all
 * requests share. Each kind of credentials has its own file in src/access, and a field and a branch here. The branches
 * are in the order of precedence: if a request has credentials of several kinds, only the first kind counts.
 */
#ifndef WAYBILL_ACCESS_ACCESS_H
#define WAYBILL_ACCESS_ACCESS_H

#include "access/identity.h"
#include "access/pause.h"
#include "base/compiler.h"
#include "base/config.h"
#include "base/error.h"
#include "db/pool.h"

struct access;

/* `config` and `pool` must outlive it. */
struct access *access_new(const struct config *config, struct db_pool *pool);

/* NULL is allowed. */
void access_free(struct access *access);

/* The credentials in a request. The request owns the strings. */
struct credentials {
    const char *token; /* of X-Auth-Token; NULL if absent */
};

/* Checks, without the database, that credentials are present and well-formed. Fails with ERROR_IDENTITY if not. */
MUST_CHECK bool access_check(const struct credentials *credentials, struct error *err);

/*
 * Identifies the caller by credentials that have passed access_check. Fails with ERROR_IDENTITY if they are not valid,
 * and with ERROR_UNAVAILABLE if that cannot be decided now. The thread pauses while it waits for an identity service.
 * Free the identity with identity_clear.
 */
MUST_CHECK bool access_identify(struct access *access, const struct credentials *credentials,
                                const struct access_pause *pause, struct identity *ret_identity, struct error *err);

#endif
