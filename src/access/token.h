/* Tokens: secrets that are kept by their SHA-256 alone. The only place with the SQL of waybill.access_token. */
#ifndef WAYBILL_ACCESS_TOKEN_H
#define WAYBILL_ACCESS_TOKEN_H

#include <stdint.h>

#include "access/identity.h"
#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

#define TOKEN_MAX_LENGTH 32768 /* characters of an X-Auth-Token, by the API page */
#define TOKEN_SIZE 72          /* of a token that this program makes, with the NUL */

/* Checks without a database that the token is there (NULL: it is absent) and not too long. ERROR_IDENTITY if not. */
MUST_CHECK bool token_check(const char *token, struct error *err);

/*
 * Finds whose token it is. ERROR_IDENTITY if it is unknown, expired or revoked: one message for the three. Free the
 * identity with identity_clear.
 */
MUST_CHECK bool token_identify(struct db *db, const char *token, struct identity *ret_identity, struct error *err);

/*
 * Makes a token for a project. `enterprise_projects` is text[] in PostgreSQL's input form, NULL for all; `lifetime`
 * is in milliseconds, 0 for no end. The token itself is nowhere but in ret_token.
 */
MUST_CHECK bool token_create(struct db *db, const char *name, const char *project_id, const char *enterprise_projects,
                             int64_t lifetime, char ret_token[TOKEN_SIZE], struct error *err);

/* Revokes it for good. ERROR_NOT_FOUND if there is none with this id, or it is revoked already. */
MUST_CHECK bool token_revoke(struct db *db, int64_t token_id, struct error *err);

/* A token as a list shows it. Texts live until the callback returns; times are ISO 8601. */
struct token_entry {
    int64_t token_id;
    const char *name;
    const char *project_id;
    const char *enterprise_projects; /* "a,b"; NULL is all */
    const char *create_time;
    const char *expire_time;         /* NULL is never */
    const char *state;               /* valid, expired or revoked */
};

/* Calls `each` for every token, of one project unless project_id is NULL, in the order of their ids. */
MUST_CHECK bool token_list(struct db *db, const char *project_id, void (*each)(const struct token_entry *entry),
                           struct error *err);

#endif
