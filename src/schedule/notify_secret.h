/*
 * The secret with which the notifications of a schedule are signed, as the database stores it: encrypted
 * (access/key_ring.h), or plain in an installation without a key file. `waybill key rotate` encrypts what is plain.
 */
#ifndef WAYBILL_SCHEDULE_NOTIFY_SECRET_H
#define WAYBILL_SCHEDULE_NOTIFY_SECRET_H

#include "access/key_ring.h"
#include "base/compiler.h"
#include "base/error.h"

/* Returns what to store for a secret of a schedule of the project, or NULL on failure. Free it with free(). */
MUST_CHECK char *notify_secret_seal(struct key_ring *ring, const char *project_id, const char *secret,
                                    struct error *err);

/* The reverse. Free the secret with memory_free_secret. Fails as key_ring_unseal. */
MUST_CHECK char *notify_secret_unseal(struct key_ring *ring, const char *project_id, const char *stored,
                                      struct error *err);

#endif
