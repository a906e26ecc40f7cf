/*
 * The credentials of a request, and the caller that they identify. Each kind of credentials has its own file in
 * src/access, and a field and a branch here. The branches are in the order of precedence: if a request has credentials
 * of several kinds, only the first kind counts. Currently there is one kind, tokens (access/token.h).
 */
#ifndef WAYBILL_ACCESS_CREDENTIALS_H
#define WAYBILL_ACCESS_CREDENTIALS_H

#include "access/identity.h"
#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

/* The request owns the strings. */
struct credentials {
    const char *token; /* of X-Auth-Token; NULL if absent */
};

/* Checks, without the database, that credentials are present and well-formed. Fails with ERROR_IDENTITY if not. */
MUST_CHECK bool credentials_check(const struct credentials *credentials, struct error *err);

/*
 * Identifies the caller by credentials that have passed credentials_check. Fails with ERROR_IDENTITY if they are not
 * valid. Free the identity with identity_clear.
 */
MUST_CHECK bool credentials_identify(struct db *db, const struct credentials *credentials,
                                     struct identity *ret_identity, struct error *err);

#endif
