/*
 * Identifies the caller of a request by its credentials. A process has one struct access, with the state that all
 * requests share. Each kind of credentials has its own file in src/access, and a field and a branch here. The branches
 * are in the order of precedence: if a request has credentials of several kinds, only the first kind counts.
 */
#ifndef WAYBILL_ACCESS_ACCESS_H
#define WAYBILL_ACCESS_ACCESS_H

#include "access/identity.h"
#include "access/key_ring.h"
#include "access/link.h"
#include "access/pause.h"
#include "access/signature.h"
#include "base/compiler.h"
#include "base/config.h"
#include "base/error.h"
#include "db/pool.h"

struct access;

/* `config` and `pool` must outlive it. */
struct access *access_new(const struct config *config, struct db_pool *pool);

/* NULL is allowed. */
void access_free(struct access *access);

/*
 * For how long at most a token or an access key counts for further requests after it was found valid in the database. A
 * notification of a revocation ends it at once.
 */
#define ACCESS_CACHE_MS 1000

/*
 * Sets whether the process receives the notifications of CREDENTIAL_CHANNEL; initially it does not. Unless it does,
 * each request asks the database.
 */
void access_set_receiving(struct access *access, bool receiving);

/* Reports a notification of CREDENTIAL_CHANNEL: the next request with each credential asks the database. */
void access_forget(struct access *access);

/* The keys of [access] key_file, for other secrets in the database. They live as long as `access`. */
struct key_ring *access_key_ring(struct access *access);

/* The credentials in a request, and what is needed to check them. The request owns the strings. */
struct credentials {
    const char *authorization; /* of Authorization; only a signature counts (signature.h); NULL if absent */
    const char *token;         /* of X-Auth-Token; NULL if absent */
    const struct link *link;   /* NULL if the request has none, or if its operation takes none */
    const char *address;       /* of the client; NULL if unknown */
    const char *request_id;    /* for the log */
    struct signature_request request; /* what a signature covers, without the body */
    const void *body;                 /* set it between access_check and access_identify, if access_needs_body */
    size_t body_length;
};

/*
 * Checks, without the body and the database, that credentials are present, well-formed and current. Fails with
 * ERROR_IDENTITY if not, or ERROR_PERMISSION if they are a link, and with ERROR_TOO_MANY if too many sign-ins from the
 * address have failed (signins.h).
 */
MUST_CHECK bool access_check(struct access *access, const struct credentials *credentials, struct error *err);

/* Whether the body must be read before access_identify, because a signature covers it. */
MUST_CHECK bool access_needs_body(const struct credentials *credentials);

/*
 * Identifies the caller by credentials that have passed access_check. Fails with ERROR_IDENTITY if they are not valid,
 * or with ERROR_PERMISSION if they are a link, and with ERROR_UNAVAILABLE if that cannot be decided now. The thread
 * pauses while it waits for an identity service. Free the identity with identity_clear.
 */
MUST_CHECK bool access_identify(struct access *access, const struct credentials *credentials,
                                const struct access_pause *pause, struct identity *ret_identity, struct error *err);

/* A new link to a file. */
struct access_link {
    int64_t expires; /* seconds since 1970 */
    char signature[KEY_RING_SIGNATURE_SIZE];
};

/*
 * Makes a link to a file of the project, valid for [access] link_minutes. Returns false if there are no links: they are
 * off, or the keys cannot be used. A key file that is unusable, rather than absent, is logged once.
 */
MUST_CHECK bool access_make_link(struct access *access, const char *project_id, const char *file_id,
                                 struct access_link *ret_link);

/*
 * Checks again that the credentials of an identified caller are valid, for a request that takes long. Fails with
 * ERROR_IDENTITY if they have expired or were revoked meanwhile. CREDENTIAL_CHANNEL announces when to check tokens and
 * access keys.
 */
MUST_CHECK bool access_recheck(struct access *access, const struct identity *identity, struct error *err);

#endif
