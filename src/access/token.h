/* Tokens. Only the SHA-256 of a token is stored. The SQL of waybill.access_token is in token.c. */
#ifndef WAYBILL_ACCESS_TOKEN_H
#define WAYBILL_ACCESS_TOKEN_H

#include <stdint.h>

#include "access/identity.h"
#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

#define TOKEN_MAX_LENGTH 32768 /* characters of X-Auth-Token, as in the original API */
#define TOKEN_SIZE 72          /* of a generated token, with the NUL */

/* Checks that the token is present (NULL: absent) and not too long. Fails with ERROR_IDENTITY if not. */
MUST_CHECK bool token_check(const char *token, struct error *err);

/*
 * Looks up the token. Fails with ERROR_IDENTITY if it is unknown, expired or revoked; the message does not reveal
 * which. Free the identity with identity_clear.
 */
MUST_CHECK bool token_identify(struct db *db, const char *token, struct identity *ret_identity, struct error *err);

/*
 * Finds the current grants of a token, on behalf of a schedule that it made. Fails with ERROR_PERMISSION if the token
 * is expired or revoked. Free the identity with identity_clear.
 */
MUST_CHECK bool token_identify_by_id(struct db *db, int64_t token_id, struct identity *ret_identity,
                                     struct error *err);

/*
 * Creates a token for a project. `enterprise_projects` is text[] in the input format of PostgreSQL, NULL for all;
 * `lifetime` is in milliseconds, 0 for no expiry. The token itself is not stored.
 */
MUST_CHECK bool token_create(struct db *db, const char *name, const char *project_id, const char *enterprise_projects,
                             int64_t lifetime, char ret_token[TOKEN_SIZE], struct error *err);

/* Revokes a token. Fails with ERROR_NOT_FOUND if it does not exist or is already revoked. */
MUST_CHECK bool token_revoke(struct db *db, int64_t token_id, struct error *err);

/* A token in a list. Texts are valid until the callback returns. Times are ISO 8601. */
struct token_entry {
    const char *token_id;
    const char *name;
    const char *project_id;
    const char *enterprise_projects; /* "a,b"; NULL: all */
    const char *create_time;
    const char *expire_time;         /* NULL: never */
    const char *state;               /* valid, expired or revoked */
};

/* Calls `each` for every token of a project, or of all projects if project_id is NULL, ordered by ID. */
MUST_CHECK bool token_list(struct db *db, const char *project_id, void (*each)(const struct token_entry *entry),
                           struct error *err);

#endif
