/* Encrypts stored secrets anew, after the key has changed. */
#ifndef WAYBILL_ACCESS_RESEAL_H
#define WAYBILL_ACCESS_RESEAL_H

#include <stdbool.h>

#include "access/key_ring.h"
#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

/* The secrets of a table. The functions are those of key_ring.h, or have the same contract. */
struct reseal {
    const char *select; /* locks the rows, and returns the columns id, context and secret */
    const char *update; /* stores a secret: $1 is the id, $2 the secret */
    char *(*unseal)(struct key_ring *ring, const char *context, const char *sealed, struct error *err);
    char *(*seal)(struct key_ring *ring, const char *context, const char *secret, struct error *err);
};

/* Encrypts all of them with the newest key of the ring, in one transaction. Must not be called in a transaction. */
MUST_CHECK bool reseal_secrets(struct db *db, struct key_ring *ring, const struct reseal *reseal, struct error *err);

#endif
