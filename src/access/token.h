/* Tokens that `waybill token create` prints. Only the SHA-256 of a token is stored. */
#ifndef WAYBILL_ACCESS_TOKEN_H
#define WAYBILL_ACCESS_TOKEN_H

#include "access/credential.h"
#include "base/compiler.h"
#include "base/error.h"
#include "db/connection.h"

#define TOKEN_MAX_LENGTH 32768 /* characters of X-Auth-Token, as in the original API */
#define TOKEN_SIZE 72          /* of a generated token, with the NUL */

/* Checks that the token is not too long. Fails with ERROR_IDENTITY if it is. */
MUST_CHECK bool token_check(const char *token, struct error *err);

/* Whether the token has the form of those that token_create makes. Older ones and those of others do not. */
MUST_CHECK bool token_is_own(const char *token);

/*
 * Finds a valid token, and records its use. Fails with ERROR_IDENTITY if it is unknown, expired or revoked; the message
 * does not reveal which. Free the credential with credential_clear.
 */
MUST_CHECK bool token_find(struct db *db, const char *token, struct credential *ret_credential, struct error *err);

/* Creates a token. Wipe it after use. */
MUST_CHECK bool token_create(struct db *db, const struct credential_spec *spec, char ret_token[TOKEN_SIZE],
                             struct error *err);

#endif
