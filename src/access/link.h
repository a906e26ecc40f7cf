/*
 * Signed links: the query of a download that takes the place of other credentials. Whoever has a link can download one
 * file until the link expires. The keys of access/key_ring.h sign links, so they are stored nowhere.
 */
#ifndef WAYBILL_ACCESS_LINK_H
#define WAYBILL_ACCESS_LINK_H

#include <stdint.h>

#include "access/identity.h"
#include "access/key_ring.h"
#include "base/compiler.h"
#include "base/error.h"

/* The parts of a link in a request, decoded. The request owns the strings. */
struct link {
    const char *project_id;
    const char *file_id;
    const char *expires;   /* NULL: absent */
    const char *signature; /* likewise */
};

/*
 * Signs a link to a file of the project, which expires at `expires`, in seconds since 1970, at least 0. Fails as
 * key_ring_sign.
 */
MUST_CHECK bool link_sign(struct key_ring *ring, const char *project_id, const char *file_id, int64_t expires,
                          char ret_signature[KEY_RING_SIGNATURE_SIZE], struct error *err);

/* Checks the form of a link. Fails with ERROR_PERMISSION. */
MUST_CHECK bool link_check(const struct link *link, struct error *err);

/*
 * Identifies the caller by a link that has passed link_check: as one who may read the link's project, of which
 * the operation must return only the link's file. `minutes` is the lifetime of new links; 0: there are none. Fails with
 * ERROR_PERMISSION if the link is not authentic or has expired, and with ERROR_CONFIG if the keys cannot be used. Free
 * the identity with identity_clear.
 */
MUST_CHECK bool link_identify(struct key_ring *ring, const struct link *link, int minutes,
                              struct identity *ret_identity, struct error *err);

#endif
