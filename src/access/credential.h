/*
 * The stored credentials of callers, tokens and access keys: what they grant, and until when. The SQL of
 * waybill.credential is in credential.c. CREDENTIAL_CHANNEL announces that a credential was revoked.
 */
#ifndef WAYBILL_ACCESS_CREDENTIAL_H
#define WAYBILL_ACCESS_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/identity.h"
#include "access/key_ring.h"
#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

#define CREDENTIAL_CHANNEL "waybill_access"

enum credential_kind {
    CREDENTIAL_TOKEN,
    CREDENTIAL_ACCESS_KEY,
};

/* A valid credential: it has neither expired nor been revoked. */
struct credential {
    struct identity identity;
    bool use_is_recorded; /* its last use was recorded in this hour */
    int64_t valid_ms;     /* how long it does not expire and the hour does not end, from the time of the lookup */
    char *sealed_secret;  /* of an access key, as key_ring_seal has returned it; NULL for a token */
};

/* Frees the members, wipes the secret, and empties the credential. */
void credential_clear(struct credential *credential);

/* Returns a copy, to be freed with credential_clear. */
struct credential credential_copy(const struct credential *credential);

/*
 * Finds a valid credential. `key` is the access key, or the SHA-256 of the token in lower-case hexadecimal digits. If
 * there is none, sets *ret_found to false and leaves *ret_credential unchanged. Free the credential with
 * credential_clear.
 */
MUST_CHECK bool credential_find(struct db *db, enum credential_kind kind, const char *key, bool *ret_found,
                                struct credential *ret_credential, struct error *err);

/* The same, by ID, which is that of an identity. */
MUST_CHECK bool credential_find_by_id(struct db *db, int64_t credential_id, bool *ret_found,
                                      struct credential *ret_credential, struct error *err);

/*
 * Records the hour of the use of a credential, unless that was done in this hour. Errors do not matter to the caller:
 * the next use tries again.
 */
void credential_record_use(struct db *db, const struct credential *credential);

/* The values of a new credential. */
struct credential_spec {
    const char *name;
    const char *project_id;
    const char *enterprise_projects; /* text[] in the input format of PostgreSQL; NULL: all */
    unsigned permissions;            /* bits of enum permission */
    int64_t lifetime;                /* milliseconds; 0: no expiry */
};

/* Stores a token by its SHA-256 in hexadecimal digits, or an access key with its sealed secret. */
MUST_CHECK bool credential_add_token(struct db *db, const struct credential_spec *spec, const char *token_sha256,
                                     struct error *err);
MUST_CHECK bool credential_add_access_key(struct db *db, const struct credential_spec *spec, const char *access_key,
                                          const char *sealed_secret, struct error *err);

/* Encrypts the secrets of all access keys with the current key, in one transaction. */
MUST_CHECK bool credential_reseal(struct db *db, struct key_ring *ring, struct error *err);

/*
 * Revokes a token by its ID, or an access key by its name. Fails with ERROR_NOT_FOUND if it does not exist or is
 * already revoked.
 */
MUST_CHECK bool credential_revoke(struct db *db, enum credential_kind kind, const char *key, struct error *err);

/* A credential in a list. Texts are valid until the callback returns. Times are ISO 8601. */
struct credential_entry {
    const char *key;                 /* the ID of a token, or the access key */
    const char *name;
    const char *project_id;
    const char *enterprise_projects; /* "a,b"; NULL: all */
    const char *permissions;         /* "create,read" */
    const char *create_time;
    const char *expire_time;         /* NULL: never */
    const char *last_use_time;       /* the hour; NULL: never */
    const char *state;               /* valid, expired or revoked */
};

/* Calls `each` for every credential of a kind, of a project or, if project_id is NULL, of all, in order of creation. */
MUST_CHECK bool credential_list(struct db *db, enum credential_kind kind, const char *project_id,
                                void (*each)(const struct credential_entry *entry), struct error *err);

#endif
